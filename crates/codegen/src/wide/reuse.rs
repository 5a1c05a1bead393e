//! Values of short rows that are asked for again: a loop over no more elements than a turn has lanes runs once, so what
//! it loads and computes still stands when the next loop over the row wants it. Softmax of ten classes takes each
//! exponential once.
//!
//! Fusion writes such values anew in every loop of a row, and keeps them in memory only where rows are long.

use super::ir::*;
use super::write::known;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// What makes two values the same.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Op(Code, SmallVec<[Arg; 3]>),
    /// Of so many elements, the `part`-th vector from an address on.
    Load(Address, usize, i64),
    LoadOne(Address),
}

/// Replaces what is computed again by what is known, and drops what is not read any more; whether there was anything.
pub(super) fn reuse(l: &mut Listing) -> bool {
    let once = loops_that_run_once(l);
    if !once.iter().any(Option::is_some) {
        return false;
    }
    let mut pass = Reuse { is_variable: variables(l), numbers: FxHashMap::default(), known: FxHashMap::default() };
    // The loops around an entry: what was known before one that may run more than once or not at all, and its entry.
    let mut open: Vec<(Option<FxHashMap<Key, Id>>, usize)> = vec![];
    let mut found = false;
    for (at, elements) in once.iter().enumerate() {
        if l.items[at].opens() {
            let before = elements.is_none().then(|| pass.known.clone());
            if before.is_some() {
                // A later turn of the loop may change what an earlier one loads.
                pass.forget(|_| true);
            }
            open.push((before, at));
            continue;
        }
        if l.items[at] == Item::End {
            let (before, _) = open.pop().expect("loops are nested");
            // What an inner turn has found may not have been done; what it has overwritten is not known any more.
            if let Some(before) = before {
                pass.known.retain(|key, id| before.get(key) == Some(id));
            }
            continue;
        }
        let stream = match &l.items[at] {
            Item::Load { stream, .. } | Item::Store { stream, .. } => {
                open.iter().rev().find_map(|(_, at)| match &l.items[*at] {
                    Item::Turns(turns) => Some((turns.streams[*stream].clone(), once[*at])),
                    Item::Chain { walks, .. } => Some((walks[*stream].address.clone(), None)),
                    _ => None,
                })
            }
            _ => None,
        };
        found |= pass.entry(&mut l.items[at], &l.classes, stream);
    }
    if found {
        drop_unread(l, &pass.is_variable);
    }
    found
}

struct Reuse {
    /// Values that are set more than once.
    is_variable: Vec<bool>,
    /// The first value that is the same as this one.
    numbers: FxHashMap<Id, Id>,
    known: FxHashMap<Key, Id>,
}

impl Reuse {
    /// Looks at one entry; whether its value is known already. `stream` is what it loads from or stores to, and how many
    /// elements the turn around it has, if that runs once.
    fn entry(&mut self, item: &mut Item, classes: &[Class], stream: Option<(Address, Option<i64>)>) -> bool {
        let number = |id: &mut Id, numbers: &FxHashMap<Id, Id>| {
            // Masks are few, and cheap to make again: each reader keeps its own.
            if classes[id.0 as usize] == Class::Vector {
                *id = numbers.get(id).copied().unwrap_or(*id);
            }
        };
        for_each_read(item, &mut |id| number(id, &self.numbers));
        let (key, dst) = match item {
            Item::Op { code: Code::Copy, .. } => return false,
            Item::Op { dst, code, args } => {
                let is_variable = |arg: &Arg| matches!(arg, Arg::Value(id) if self.is_variable[id.0 as usize]);
                if args.iter().any(is_variable) {
                    return false;
                }
                let canonical = |arg: &Arg| match arg {
                    Arg::Value(id) => Arg::Value(self.numbers.get(id).copied().unwrap_or(*id)),
                    other => *other,
                };
                (Key::Op(*code, args.iter().map(canonical).collect()), *dst)
            }
            Item::Load { dst, part, .. } => match stream {
                Some((address, Some(elements))) => (Key::Load(address, *part, elements), *dst),
                _ => return false,
            },
            Item::LoadOne { dst, from } => (Key::LoadOne(from.clone()), *dst),
            Item::Store { .. } => {
                let root = stream.map(|(address, _)| address.root);
                self.forget(|other| Some(other) == root);
                return false;
            }
            Item::StoreOne { to, .. } => {
                let root = to.root;
                self.forget(|other| other == root);
                return false;
            }
            _ => return false,
        };
        if self.is_variable[dst.0 as usize] {
            return false;
        }
        match self.known.get(&key) {
            Some(earlier) => {
                self.numbers.insert(dst, *earlier);
                true
            }
            None => {
                self.known.insert(key, dst);
                false
            }
        }
    }

    /// What was loaded from there may have changed.
    fn forget(&mut self, is_there: impl Fn(Root) -> bool) {
        self.known.retain(|key, _| match key {
            Key::Op(..) => true,
            Key::Load(address, ..) | Key::LoadOne(address) => !is_there(address.root),
        });
    }
}

/// For each entry that opens a vector loop whose one turn is certain, or that turn: how many elements there are.
fn loops_that_run_once(l: &Listing) -> Vec<Option<i64>> {
    let mut once = vec![None; l.items.len()];
    let mut open: Vec<usize> = vec![];
    // The turns of each vector loop.
    let mut turns: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
    for (at, item) in l.items.iter().enumerate() {
        match item {
            Item::End => drop(open.pop()),
            Item::Turns(_) => {
                turns.entry(*open.last().expect("turns stand in a loop")).or_default().push(at);
                open.push(at);
            }
            item if item.opens() => open.push(at),
            _ => {}
        }
    }
    for (begin, turns) in turns {
        let (Item::BeginWide(range), [at]) = (&l.items[begin], turns.as_slice()) else { continue };
        let Item::Turns(turn) = &l.items[*at] else { continue };
        let most = (turn.vectors * l.wide.lanes()) as i64;
        let elements = known(range).filter(|n| (1..=most).contains(n) && turn.tail && turn.nested.is_none());
        (once[begin], once[*at]) = (elements, elements);
    }
    once
}

fn variables(l: &Listing) -> Vec<bool> {
    let mut is_variable = vec![false; l.classes.len()];
    for item in &l.items {
        match item {
            Item::Assign { dst, .. }
            | Item::SumOfNothing { dst, .. }
            | Item::LoadKept { dst, .. }
            | Item::Op { dst, code: Code::Copy, .. } => is_variable[dst.0 as usize] = true,
            _ => {}
        }
    }
    is_variable
}

/// Drops operations and loads whose values nobody reads.
fn drop_unread(l: &mut Listing, is_variable: &[bool]) {
    let mut is_read = is_variable.to_vec();
    let mut kept = vec![];
    for mut item in std::mem::take(&mut l.items).into_iter().rev() {
        if let Item::Op { dst, .. } | Item::Load { dst, .. } | Item::LoadOne { dst, .. } = &item
            && !is_read[dst.0 as usize]
        {
            continue;
        }
        for_each_read(&mut item, &mut |id| is_read[id.0 as usize] = true);
        kept.push(item);
    }
    kept.reverse();
    l.items = kept;
}

fn for_each_read(item: &mut Item, visit: &mut dyn FnMut(&mut Id)) {
    let args = match item {
        Item::Op { args, .. } => args.as_mut_slice(),
        Item::Store { value, .. }
        | Item::StoreOne { value, .. }
        | Item::Result { value, .. }
        | Item::Assign { value, .. } => std::slice::from_mut(value),
        Item::StoreKept { value, .. } => return visit(value),
        _ => &mut [],
    };
    for arg in args {
        if let Arg::Value(id) = arg {
            visit(id);
        }
    }
}
