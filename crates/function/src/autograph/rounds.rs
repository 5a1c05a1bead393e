//! Loops of the graph: condition and body are run once, on values that stand for those of any round.

use tracelift_ir::{TensorType, Value};
use tracelift_tensor::{Array, Dim, Error, Result};

use super::{
    Truth,
    branch::known_zeros,
    cheap::is_cheap,
    errors::{Site, quoted},
    late::FALLIBLE,
    slot::{Group, Parts, Saved, Slots, restore, save},
};
use crate::{
    Tensor,
    control::{CarriedTypes, begins_otherwise, push_while},
    trace::{self, OpenRegion, Region},
};

/// A loop of the graph whose condition is being traced.
pub(crate) struct Condition {
    before: Vec<Saved>,
    /// What the loop carries besides the user's variables, and first.
    own: Vec<Tensor>,
    carried: CarriedTypes,
    open: OpenRegion,
}

/// A loop of the graph whose body is being traced.
pub(crate) struct Body {
    before: Vec<Saved>,
    own: Vec<Tensor>,
    carried: CarriedTypes,
    condition: Region,
    open: OpenRegion,
}

/// The tensors of the variables that keep their structure; flags and results are carried only if a round changes them.
fn tensors(saved: &[Saved]) -> Vec<Tensor> {
    let trees = saved.iter().filter(|saved| matches!(saved.parts, Parts::Tree(_)));
    trees.flat_map(|saved| saved.parts.tensors()).collect()
}

/// The names of the values that a loop carries, as far as the user gave them: `own` have none.
fn names(own: usize, saved: &[Saved], slots: &Slots<'_, '_>) -> Vec<Option<&'static str>> {
    let mut names = vec![None; own];
    for (saved, slot) in saved.iter().zip(slots.iter()) {
        if let Parts::Tree(group) = &saved.parts {
            names.extend(std::iter::repeat_n(Some(slot.name()), group.tensors.len()));
        }
    }
    names
}

/// Gives the variables values that stand for those of any round.
fn stand_in(slots: Slots<'_, '_>, saved: &[Saved], given: &mut impl Iterator<Item = Tensor>) {
    for (slot, saved) in slots.iter_mut().zip(saved) {
        if let Parts::Tree(group) = &saved.parts {
            slot.load(saved, Some(given.take(group.tensors.len()).collect()));
        }
    }
}

impl Condition {
    /// Begins the trace of a condition; gives what stands for the loop's own values.
    pub(crate) fn open(own: Vec<Tensor>, site: &Site, slots: Slots<'_, '_>) -> Result<(Condition, Vec<Tensor>)> {
        let before = save(&slots);
        let values: Vec<Tensor> = own.iter().cloned().chain(tensors(&before)).collect();
        let carried = CarriedTypes::of(&values, &[]).map_err(|unfit| {
            let (place, spec, given) = *unfit;
            let name =
                names(own.len(), &before, &slots).into_iter().nth(place).flatten().map_or("a value", |name| name);
            begins_otherwise(site.keyword, &quoted(name), &spec, &given, &site.origin)
        })?;
        let (open, given) = trace::open("condition", &carried.types)?;
        carried.mark(&given);
        let mut given = given.into_iter();
        let stand_ins = given.by_ref().take(own.len()).collect();
        stand_in(slots, &before, &mut given);
        Ok((Condition { before, own, carried, open }, stand_ins))
    }

    /// It was no loop of the graph after all.
    pub(crate) fn abandon(self, slots: Slots<'_, '_>) {
        self.open.abandon();
        restore(slots, &self.before);
    }

    /// Ends the condition and begins the body; gives what stands for the loop's own values.
    pub(crate) fn close(self, condition: &Tensor, site: &Site, slots: Slots<'_, '_>) -> Result<(Body, Vec<Tensor>)> {
        let Condition { before, own, carried, open } = self;
        let closed = open.close(std::slice::from_ref(condition), &site.origin);
        restore(slots, &before);
        let condition = closed?;
        for (saved, slot) in before.iter().zip(slots.iter()) {
            if let Parts::Opaque(kind) = saved.parts {
                return Err(site.opaque(slot.name(), kind));
            }
        }
        let values = || own.iter().cloned().chain(tensors(&before));
        if let Some(error) = values().find_map(|tensor| tensor.error().cloned()) {
            return Err(error);
        }
        let (open, given) = trace::open("body", &carried.types)?;
        carried.mark(&given);
        let mut given = given.into_iter();
        let stand_ins = given.by_ref().take(own.len()).collect();
        stand_in(slots, &before, &mut given);
        // A round runs only while no jump has been made.
        for (slot, saved) in slots.iter_mut().zip(&before) {
            if matches!(saved.parts, Parts::Flag(_)) {
                slot.load(&Saved::flag(Truth::Host(false)), None);
            }
        }
        Ok((Body { before, own, carried, condition, open }, stand_ins))
    }
}

impl Body {
    /// Ends the body and makes the loop; `next` are its own values after a round, `broke` whether it is left by a jump.
    pub(crate) fn close(
        self,
        next: &[Tensor],
        (broke_before, broke): (&Truth, &Truth),
        site: &Site,
        slots: Slots<'_, '_>,
    ) -> Result<()> {
        let Body { before, own, carried, condition, open } = self;
        let after = save(&slots);
        let trees: Vec<Tensor> = next.iter().cloned().chain(tensors(&after)).collect();
        let lazy: Vec<Tensor> =
            after.iter().filter(|saved| saved.is_lazy()).flat_map(|saved| saved.parts.tensors()).collect();
        let broke_given = matches!(broke, Truth::Graph(_)).then(|| broke.tensor());
        let given: Vec<Tensor> = trees.iter().chain(&lazy).chain(&broke_given).cloned().collect();
        let closed = open.close(&given, &site.origin);
        restore(slots, &before);
        let regions = (condition, closed?);
        let mut made = Loop::new(site, own, (&before, &slots), carried, regions, trees.len());
        made.check(&before, &after, &slots)?;
        let carried = made.carry_lazy(&before, &after, &slots)?;
        made.carry_broke(broke_before, broke)?;
        let results = made.push()?;
        let mut results = results.into_iter().skip(next.len());
        for (i, slot) in slots.iter_mut().enumerate() {
            match &before[i].parts {
                Parts::Tree(group) => slot.load(&before[i], Some(results.by_ref().take(group.tensors.len()).collect())),
                _ => continue,
            }
        }
        for (i, count) in carried {
            slots[i].load(&after[i], Some(results.by_ref().take(count).collect()));
        }
        Ok(())
    }

    /// The loop was left while its body was traced.
    pub(crate) fn abandon(self) {
        self.open.abandon();
    }
}

impl Condition {
    /// The loop was left while its condition was traced.
    pub(crate) fn drop_open(self) {
        self.open.abandon();
    }
}

/// A loop whose condition and body are closed.
struct Loop<'a> {
    site: &'a Site,
    carried: CarriedTypes,
    initial: Vec<Tensor>,
    condition: Region,
    body: Region,
    /// What the body gives in the end.
    results: Vec<Value>,
    /// What it gave besides, for flags and results.
    more: std::vec::IntoIter<Value>,
}

impl<'a> Loop<'a> {
    fn new(
        site: &'a Site,
        own: Vec<Tensor>,
        (before, slots): (&[Saved], &Slots<'_, '_>),
        carried: CarriedTypes,
        (mut condition, mut body): (Region, Region),
        trees: usize,
    ) -> Loop<'a> {
        let names = names(own.len(), before, slots);
        for region in [&mut condition, &mut body] {
            carried.name(region, |n| names.get(n).copied().flatten().map(str::to_owned));
        }
        let initial: Vec<Tensor> = own.into_iter().chain(tensors(before)).collect();
        let mut results = body.results().to_vec();
        let more = results.split_off(trees.min(results.len())).into_iter();
        Loop { site, carried, initial, condition, body, results, more }
    }

    /// That every variable keeps its structure and types.
    fn check(&mut self, before: &[Saved], after: &[Saved], slots: &Slots<'_, '_>) -> Result<()> {
        let own = self.initial.len() - tensors(before).len();
        let mut place = own;
        for ((before, after), slot) in before.iter().zip(after).zip(slots.iter()) {
            let (Parts::Tree(before), Parts::Tree(after)) = (&before.parts, &after.parts) else { continue };
            let name = quoted(slot.name());
            if before.host != after.host || before.tensors.len() != after.tensors.len() {
                return Err(self.site.host(&name));
            }
            for _ in &before.tensors {
                let after = self.ty(self.results[place]);
                if !self.carried.keeps(place, &after) {
                    return Err(self.site.rounds(&name, &self.carried, place, &after));
                }
                place += 1;
            }
        }
        Ok(())
    }

    fn ty(&mut self, value: Value) -> TensorType {
        self.body.builder().ty(value).as_tensor().expect("bodies give tensors").clone()
    }

    /// One more value that goes through the loop.
    fn carry(&mut self, initial: Tensor, next: Value) -> Value {
        let ty = self.ty(next);
        let ty = self.carried.late(&ty);
        self.initial.push(initial);
        self.body.add_input(&ty);
        self.results.push(next);
        self.condition.add_input(&ty)
    }

    /// Carries the flags and results that a round changes: which variables, and in how many values.
    fn carry_lazy(&mut self, before: &[Saved], after: &[Saved], slots: &Slots<'_, '_>) -> Result<Vec<(usize, usize)>> {
        let mut carried = Vec::new();
        for (i, (before, after)) in before.iter().zip(after).enumerate() {
            match (&before.parts, &after.parts) {
                (Parts::Flag(before), Parts::Flag(after)) => {
                    if before.is_no() && after.is_no() {
                        continue;
                    }
                    let next = self.flag(after);
                    self.carry(before.tensor(), next);
                    carried.push((i, 1));
                }
                (Parts::Late(before), Parts::Late(Some(after))) => {
                    let first = self.initial_results(before.as_ref(), after, &quoted(slots[i].name()))?;
                    for initial in first {
                        let next = self.more.next().expect("the body gave what it returns");
                        let initial = match initial {
                            Some(initial) => initial,
                            None => filler(&self.ty(next), self.site)?,
                        };
                        self.carry(initial, next);
                    }
                    carried.push((i, after.tensors.len()));
                }
                _ => {}
            }
        }
        Ok(carried)
    }

    fn flag(&mut self, flag: &Truth) -> Value {
        match flag {
            Truth::Host(flag) => self.body.builder().constant(Array::scalar(*flag)),
            _ => self.more.next().expect("the body gave its flags"),
        }
    }

    fn initial_results(&self, before: Option<&Group>, after: &Group, name: &str) -> Result<Vec<Option<Tensor>>> {
        if after.host == FALLIBLE {
            return Err(self.site.fallible());
        }
        match before {
            None => Ok(vec![None; after.tensors.len()]),
            Some(before) if before.host == after.host && before.tensors.len() == after.tensors.len() => {
                Ok(before.tensors.iter().cloned().map(Some).collect())
            }
            Some(_) => Err(self.site.host(name)),
        }
    }

    /// Ends the loop when its own flag is up.
    fn carry_broke(&mut self, before: &Truth, after: &Truth) -> Result<()> {
        if before.is_no() && after.is_no() {
            return Ok(());
        }
        let next = self.flag(after);
        let broke = self.carry(before.tensor(), next);
        let condition = self.condition.results()[0];
        let builder = self.condition.builder();
        if !is_cheap(builder) {
            // What would fail, or takes long, is not asked after a `break`.
            return self.condition.unless(broke, &self.site.origin);
        }
        let goes_on = builder.not(broke)?;
        let known = builder.constant_of(condition).is_some_and(|known| known.item::<bool>().unwrap_or(false));
        let condition = if known { goes_on } else { builder.and(condition, goes_on)? };
        self.condition.set_results(vec![condition]);
        Ok(())
    }

    fn push(mut self) -> Result<Vec<Tensor>> {
        self.body.set_results(self.results);
        let sizes = self.carried.sizes.clone();
        let results = push_while(&self.initial, self.condition, self.body, sizes, &self.site.origin)?;
        self.carried.mark(&results);
        Ok(results)
    }
}

/// The initial value of what a round may return.
fn filler(ty: &TensorType, site: &Site) -> Result<Tensor> {
    trace::with_active(|stack| {
        let ty = stack.with_found(ty, |_| Dim::ZERO);
        let frame = stack.top_frame();
        let value = known_zeros(frame.builder.at(site.origin.clone()), &ty)?;
        Ok(frame.tensor(value))
    })
    .unwrap_or_else(|| Err(Error::internal("a loop is built outside of any trace")))
}
