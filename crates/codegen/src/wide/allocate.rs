//! Registers for the values of a list: each keeps one from its definition to its last use, or lives in the frame.

use super::ir::*;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    Register(u8),
    /// A vector of the frame; those are counted from 0, after the list's own.
    Slot(usize),
}

/// Where all values are.
#[derive(Debug)]
pub(super) struct Allocation {
    homes: Vec<Home>,
    /// How often each value is read.
    reads: Vec<u32>,
    /// From where to where each value is needed.
    spans: Vec<Option<Span>>,
    /// How many vectors in the frame they take.
    pub slots: usize,
}

impl Allocation {
    pub(super) fn of(&self, id: Id) -> Home {
        self.homes[id.0 as usize]
    }

    /// Whether a value is read in one place only.
    pub(super) fn is_read_once(&self, id: Id) -> bool {
        self.reads[id.0 as usize] == 1
    }

    /// The vector registers that hold nothing in some entries; `None` if a vector of the frame is needed there.
    pub(super) fn idle(&self, l: &Listing, entries: &Span) -> Option<Vec<u8>> {
        let mut idle: Vec<u8> = l.wide.vectors().collect();
        for (n, span) in self.spans.iter().enumerate() {
            let is_needed = |span: &Span| span.0 <= entries.1 && span.1 >= entries.0;
            if span.as_ref().is_some_and(is_needed) && kind(l, Id(n as u32)) == Class::Vector {
                match self.homes[n] {
                    Home::Register(register) => idle.retain(|other| *other != register),
                    Home::Slot(_) => return None,
                }
            }
        }
        Some(idle)
    }
}

/// Entries from the first to the last one.
pub(super) type Span = (usize, usize);

/// The registers that a value is kept in: without registers for masks, those for vectors.
fn kind(l: &Listing, id: Id) -> Class {
    if l.wide.masks().is_some() { l.classes[id.0 as usize] } else { Class::Vector }
}

/// The home of each value; `None` if there are not enough mask registers, or more than `most_slots` values go to the
/// frame.
pub(super) fn allocate(l: &Listing, most_slots: usize) -> Option<Allocation> {
    let spans = spans(l);
    let mut ending: Vec<Vec<Id>> = vec![vec![]; l.items.len()];
    for (id, span) in spans.iter().enumerate() {
        if let Some((_, end)) = span {
            ending[*end].push(Id(id as u32));
        }
    }
    let is_set_again = set_again(l);
    let masks = l.wide.masks().into_iter().flatten();
    let mut free = [l.wide.vectors().rev().collect::<Vec<u8>>(), masks.rev().collect()];
    let mut homes: Vec<Option<Home>> = vec![None; l.classes.len()];
    let (mut held, mut slots): (Vec<Id>, usize) = (vec![], 0);
    for (at, item) in l.items.iter().enumerate() {
        let dst = defined(item).filter(|dst| homes[dst.0 as usize].is_none());
        // What is read for the last time here makes room for what is written.
        for id in &ending[at] {
            if let (Some(Home::Register(register)), true) = (homes[id.0 as usize], Some(*id) != dst) {
                free[kind(l, *id) as usize].push(register);
                held.retain(|other| other != id);
            }
        }
        let Some(dst) = dst else { continue };
        let class = kind(l, dst);
        let free = &mut free[class as usize];
        // A fused multiply-add overwrites one of its operands.
        let wanted = match item {
            Item::Op { code: Code::Fma, args, .. } => {
                [args[2], args[0], args[1]].into_iter().find_map(|arg| match arg {
                    Arg::Value(id) => free.iter().position(|r| Some(Home::Register(*r)) == homes[id.0 as usize]),
                    _ => None,
                })
            }
            _ => None,
        };
        let found = wanted.map(|n| free.swap_remove(n)).or_else(|| free.pop());
        let register = match found {
            Some(register) => register,
            None if class == Class::Mask || slots == most_slots => return None,
            None => {
                // The one that is needed for the longest time goes to the frame, from its beginning on: what is not set
                // again first.
                let time = |id: &Id| (!is_set_again[id.0 as usize], spans[id.0 as usize].map(|(_, end)| end));
                let longest = *held.iter().max_by_key(|id| time(id))?;
                slots += 1;
                if time(&dst) > time(&longest) {
                    homes[dst.0 as usize] = Some(Home::Slot(slots - 1));
                    continue;
                }
                let Some(Home::Register(register)) = homes[longest.0 as usize] else { return None };
                homes[longest.0 as usize] = Some(Home::Slot(slots - 1));
                held.retain(|other| *other != longest);
                register
            }
        };
        homes[dst.0 as usize] = Some(Home::Register(register));
        if ending[at].contains(&dst) {
            free.push(register);
        } else if class == Class::Vector {
            held.push(dst);
        }
    }
    let homes = homes.into_iter().map(|home| home.unwrap_or(Home::Register(0))).collect();
    let mut reads = vec![0; l.classes.len()];
    l.items.iter().for_each(|item| for_each_value(item, &mut |id: Id| reads[id.0 as usize] += 1));
    Some(Allocation { homes, reads, spans, slots })
}

/// Which values are set more than once.
fn set_again(l: &Listing) -> Vec<bool> {
    let mut again = vec![false; l.classes.len()];
    for item in &l.items {
        if let Item::Assign { dst, .. } = item {
            again[dst.0 as usize] = true;
        }
    }
    again
}

/// From where to where each value is needed: if it is read inside a loop that it was defined before, to the loop's end.
fn spans(l: &Listing) -> Vec<Option<Span>> {
    let loops = loops(l);
    let mut spans: Vec<Option<Span>> = vec![None; l.classes.len()];
    for (at, item) in l.items.iter().enumerate() {
        let mut note = |id: Id| {
            let (begin, last) = spans[id.0 as usize].get_or_insert((at, at));
            let around = loops.iter().filter(|(head, end)| (*head..*end).contains(&at) && *begin < *head);
            *last = around.map(|(_, end)| *end).max().unwrap_or(at).max(*last);
        };
        for_each_value(item, &mut note);
        defined(item).into_iter().for_each(note);
    }
    spans
}

/// From where to where the turns of each loop go.
pub(super) fn loops(l: &Listing) -> Vec<Span> {
    let (mut open, mut loops) = (vec![], vec![]);
    for (at, item) in l.items.iter().enumerate() {
        if item.opens() {
            open.push(at);
        } else if *item == Item::End {
            loops.push((open.pop().expect("loops are nested"), at));
        }
    }
    loops
}

fn defined(item: &Item) -> Option<Id> {
    match item {
        Item::Op { dst, .. }
        | Item::Load { dst, .. }
        | Item::LoadOne { dst, .. }
        | Item::LoadSlot { dst, .. }
        | Item::Number { dst, .. }
        | Item::Lanes { dst, .. }
        | Item::LoadKept { dst, .. }
        | Item::SumOfNothing { dst, .. }
        | Item::Assign { dst, .. } => Some(*dst),
        _ => None,
    }
}

fn for_each_value(item: &Item, visit: &mut dyn FnMut(Id)) {
    for_each_arg(item, &mut |arg| {
        if let Arg::Value(id) = arg {
            visit(id);
        }
    });
}

/// What an entry reads.
pub(super) fn for_each_arg(item: &Item, visit: &mut dyn FnMut(Arg)) {
    let args = match item {
        Item::Op { args, .. } => args.as_slice(),
        Item::Store { value, .. }
        | Item::StoreOne { value, .. }
        | Item::Result { value, .. }
        | Item::Assign { value, .. } => std::slice::from_ref(value),
        Item::StoreKept { value, .. } => return visit(Arg::Value(*value)),
        _ => &[],
    };
    args.iter().copied().for_each(visit);
}
