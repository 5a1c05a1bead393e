//! What training prints: a bar on a terminal, else a line per epoch.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracelift_function::Result;

use super::{history::Logs, options::Verbose};

/// The output of one epoch.
pub(super) struct Progress {
    title: String,
    steps: usize,
    began: Instant,
    drawn: Instant,
    output: Output,
}

enum Output {
    Bar(ProgressBar),
    Line,
    Nothing,
}

/// How often a bar is drawn anew: reading the running loss waits for nothing, but is not free.
const REDRAW: Duration = Duration::from_millis(100);

impl Progress {
    /// Of an epoch, counted from 0, with so many steps.
    pub(super) fn new(verbose: Verbose, epoch: usize, epochs: usize, steps: usize) -> Progress {
        let title = format!("Epoch {}/{epochs}", epoch + 1);
        let output = match verbose {
            Verbose::Silent => Output::Nothing,
            Verbose::Auto if std::io::stdout().is_terminal() => {
                println!("{title}");
                Output::Bar(bar(steps))
            }
            Verbose::Auto | Verbose::Lines => Output::Line,
        };
        let now = Instant::now();
        Progress { title, steps, began: now, drawn: now, output }
    }

    /// Whether anything is drawn at steps.
    pub(super) fn is_bar(&self) -> bool {
        matches!(self.output, Output::Bar(_))
    }

    /// After a step; the values are asked for only when they are drawn.
    pub(super) fn step(&mut self, done: usize, logs: impl FnOnce() -> Result<Logs>) -> Result {
        if let Output::Bar(bar) = &self.output
            && self.drawn.elapsed() >= REDRAW
        {
            self.drawn = Instant::now();
            bar.set_position(done as u64);
            bar.set_message(logs()?.to_string());
        }
        Ok(())
    }

    /// At the end of the epoch, with all values.
    pub(super) fn finish(&self, logs: &Logs) {
        let elapsed = self.began.elapsed();
        let each = per_step(elapsed, self.steps);
        match &self.output {
            Output::Nothing => {}
            Output::Line => {
                let (title, steps, seconds) = (&self.title, self.steps, elapsed.as_secs());
                println!("{title} - {steps}/{steps} - {seconds}s - {each}/step - {logs}");
            }
            Output::Bar(bar) => {
                bar.set_position(self.steps as u64);
                bar.finish_with_message(format!("{each}/step - {logs}"));
            }
        }
    }
}

fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stdout());
    let style = ProgressStyle::with_template("{pos}/{len} {bar:20} {elapsed} {msg}");
    bar.with_style(style.expect("the template is well formed").progress_chars("━━─"))
}

/// `12us`, `3ms`, `2s`
fn per_step(elapsed: Duration, steps: usize) -> String {
    let each = elapsed / u32::try_from(steps.max(1)).unwrap_or(u32::MAX);
    match each.as_micros() {
        us @ ..1000 => format!("{us}us"),
        us @ ..1_000_000 => format!("{}ms", us / 1000),
        us => format!("{}s", us / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(per_step(Duration::from_micros(240), 20), "12us");
        assert_eq!(per_step(Duration::from_millis(4), 1), "4ms");
        assert_eq!(per_step(Duration::from_secs(6), 3), "2s");
        assert_eq!(per_step(Duration::ZERO, 0), "0us");
    }
}
