//! Registers for the values of a list: each keeps one from its definition to its last use.

use super::ir::*;

/// Vector registers that values may have; the last two are the writer's own.
const VECTORS: std::ops::Range<u8> = 0..30;
/// Mask registers that values may have: the first means no mask, the last two say which lanes exist.
const MASKS: std::ops::Range<u8> = 1..6;

/// The register of each value; `None` if there are not enough.
pub(super) fn allocate(l: &Listing) -> Option<Vec<u8>> {
    let ends = last_uses(l);
    let mut ending: Vec<Vec<Id>> = vec![vec![]; l.items.len()];
    for (id, end) in ends.iter().enumerate() {
        if let Some(end) = end {
            ending[*end].push(Id(id as u32));
        }
    }
    let mut free = [VECTORS.rev().collect::<Vec<u8>>(), MASKS.rev().collect()];
    let mut registers: Vec<Option<u8>> = vec![None; l.classes.len()];
    for (at, item) in l.items.iter().enumerate() {
        let dst = defined(item).filter(|dst| registers[dst.0 as usize].is_none());
        // What is read for the last time here makes room for what is written.
        for id in &ending[at] {
            if let (Some(register), true) = (registers[id.0 as usize], Some(*id) != dst) {
                free[l.classes[id.0 as usize] as usize].push(register);
            }
        }
        let Some(dst) = dst else { continue };
        let free = &mut free[l.classes[dst.0 as usize] as usize];
        // A fused multiply-add overwrites one of its operands.
        let wanted = match item {
            Item::Op { code: Code::Fma, args, .. } => {
                [args[2], args[0], args[1]].into_iter().find_map(|arg| match arg {
                    Arg::Value(id) => free.iter().position(|r| Some(*r) == registers[id.0 as usize]),
                    _ => None,
                })
            }
            _ => None,
        };
        let register = match wanted {
            Some(n) => free.swap_remove(n),
            None => free.pop()?,
        };
        registers[dst.0 as usize] = Some(register);
        if ending[at].contains(&dst) {
            free.push(register);
        }
    }
    Some(registers.into_iter().map(|register| register.unwrap_or(0)).collect())
}

/// The last entry at which each value is needed: where it is read inside a loop that it was defined before, the loop's
/// end.
fn last_uses(l: &Listing) -> Vec<Option<usize>> {
    let loops = loops(l);
    let mut first: Vec<Option<usize>> = vec![None; l.classes.len()];
    let mut last: Vec<Option<usize>> = vec![None; l.classes.len()];
    for (at, item) in l.items.iter().enumerate() {
        let mut note = |id: Id| {
            let begin = *first[id.0 as usize].get_or_insert(at);
            let around = loops.iter().filter(|(head, end)| (*head..*end).contains(&at) && begin < *head);
            let end = around.map(|(_, end)| *end).max().unwrap_or(at);
            let last = &mut last[id.0 as usize];
            *last = Some(last.unwrap_or(0).max(end));
        };
        for_each_value(item, &mut note);
        defined(item).into_iter().for_each(note);
    }
    last
}

/// From where to where the turns of each loop go.
fn loops(l: &Listing) -> Vec<(usize, usize)> {
    let (mut open, mut loops) = (vec![], vec![]);
    for (at, item) in l.items.iter().enumerate() {
        match item {
            Item::Begin { .. } | Item::Head => open.push(at),
            Item::End { .. } | Item::EndWide => loops.push((open.pop().expect("loops are nested"), at)),
            _ => {}
        }
    }
    loops
}

fn defined(item: &Item) -> Option<Id> {
    match item {
        Item::Op { dst, .. } | Item::Load { dst, .. } | Item::LoadOne { dst, .. } | Item::Assign { dst, .. } => {
            Some(*dst)
        }
        _ => None,
    }
}

fn for_each_value(item: &Item, visit: &mut dyn FnMut(Id)) {
    let args = match item {
        Item::Op { args, .. } => args.as_slice(),
        Item::Store { value, .. } | Item::StoreOne { value, .. } | Item::Assign { value, .. } => {
            std::slice::from_ref(value)
        }
        _ => &[],
    };
    for arg in args {
        if let Arg::Value(id) = arg {
            visit(*id);
        }
    }
}
