//! `while` and `loop`: rounds of plain Rust while the condition is known, else a loop of the graph.

use tracelift_tensor::Error;

use super::{Condition, NO, Truth, errors::Site, rounds, slot::Slots};
use crate::{scope, trace};

/// A `while` or `loop` under way.
pub struct While {
    /// Whether a `break` was reached.
    pub broke: Truth,
    /// Whether a `continue` was reached in this round.
    pub continued: Truth,
    site: Site,
    state: State,
}

enum State {
    /// Between rounds, or in a round of plain Rust.
    Host,
    Condition(rounds::Condition),
    Body(Box<rounds::Body>, Truth),
    Done,
}

/// What follows the condition.
pub enum Step {
    /// The body.
    Body,
    /// Nothing: the loop is over.
    Exit,
}

impl While {
    /// Before the first round; `keyword` is what the user wrote.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it knows the line where it was made")]
    pub fn new() -> While {
        While::of("while")
    }

    /// A `loop`.
    #[track_caller]
    pub fn endless() -> While {
        While::of("loop")
    }

    #[track_caller]
    fn of(keyword: &'static str) -> While {
        let site = Site { keyword, origin: scope::origin() };
        While { broke: NO, continued: NO, site, state: State::Host }
    }

    /// Before each round's condition: whether the loop is over.
    pub fn is_over(&mut self, slots: Slots<'_, '_>) -> bool {
        self.continued = NO;
        if matches!(self.state, State::Done) || self.broke.is_yes() {
            return true;
        }
        if trace::is_active() {
            match rounds::Condition::open(Vec::new(), &self.site, slots) {
                Ok((condition, _)) => self.state = State::Condition(condition),
                Err(error) => {
                    trace::record(&error);
                    return true;
                }
            }
        }
        false
    }

    /// After each round's condition.
    pub fn decide(&mut self, condition: impl Condition, slots: Slots<'_, '_>) -> Step {
        let condition = condition.truth(self.site.keyword, &self.site.origin);
        let open = match std::mem::replace(&mut self.state, State::Host) {
            State::Condition(open) => Some(open),
            _ => None,
        };
        match (condition, open) {
            (Truth::Failed(error), open) => {
                if let Some(open) = open {
                    open.abandon(slots);
                }
                self.fail(&error, slots)
            }
            (condition, Some(open)) if matches!((&condition, &self.broke), (Truth::Host(_), Truth::Host(_))) => {
                open.abandon(slots);
                if condition.is_yes() { Step::Body } else { Step::Exit }
            }
            (condition, Some(open)) => match open.close(&condition.tensor(), &self.site, slots) {
                Ok((body, _)) => {
                    let broke = std::mem::replace(&mut self.broke, NO);
                    self.state = State::Body(Box::new(body), broke);
                    Step::Body
                }
                Err(error) => self.fail(&error, slots),
            },
            (condition, None) if condition.is_yes() => Step::Body,
            (_, None) => Step::Exit,
        }
    }

    fn fail(&mut self, error: &Error, slots: Slots<'_, '_>) -> Step {
        trace::record(error);
        slots.iter_mut().for_each(|slot| slot.fail(error));
        self.state = State::Done;
        Step::Exit
    }

    /// Whether the rest of this round runs.
    #[track_caller]
    pub fn goes_on(&self) -> Truth {
        Truth::neither(&self.broke, &self.continued)
    }

    /// After each round.
    pub fn end(&mut self, slots: Slots<'_, '_>) {
        if let State::Body(body, broke) = std::mem::replace(&mut self.state, State::Host) {
            self.state = State::Done;
            if let Err(error) = body.close(&[], (&broke, &self.broke), &self.site, slots) {
                self.fail(&error, slots);
            }
        }
    }
}

impl Drop for While {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Done) {
            // A condition may well be left by `?`: nothing depends on it yet.
            State::Condition(condition) => condition.drop_open(),
            State::Body(body, _) => {
                body.abandon();
                if !std::thread::panicking() {
                    trace::leave(self.site.left());
                }
            }
            State::Host | State::Done => {}
        }
    }
}
