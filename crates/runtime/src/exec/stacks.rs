//! Memory of the stacks of one call: pieces that double, kept with the lease, so that later calls allocate nothing.

use super::lease::Line;
use super::plan::StackPlan;
use tracelift_codegen::driver::StackState;

/// The first piece of a stack that grows.
const FIRST_BYTES: usize = 64 << 10;

/// The memory of all stacks of a program.
#[derive(Default)]
pub(super) struct Stacks {
    list: Vec<Stack>,
    /// How many bytes all pieces have.
    bytes: usize,
}

/// One stack that grows. One with a capacity lies in the arena and has no pieces.
#[derive(Default)]
struct Stack {
    pieces: Vec<Piece>,
    /// The piece that the top is in.
    current: usize,
}

struct Piece {
    lines: Vec<Line>,
    /// How many items there is room for.
    items: usize,
}

/// Why a stack cannot take another item.
pub(super) enum Full {
    /// It was made for so many.
    Capacity(usize),
    /// The call would need `wanted` bytes, which the machine has not, or which is more than the limit.
    Memory {
        /// How many bytes.
        wanted: usize,
        /// The limit, if it is what stands in the way.
        limit: Option<usize>,
    },
}

/// How much memory a call may have, and what it has without stacks.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) used: usize,
    pub(super) most: Option<usize>,
}

impl Stacks {
    /// Room for the pieces of so many stacks.
    pub(super) fn new(count: usize) -> Stacks {
        Stacks { list: (0..count).map(|_| Stack::default()).collect(), bytes: 0 }
    }

    /// Takes all items away. `address` is where a stack with a capacity lies.
    pub(super) fn clear(&mut self, n: usize, plan: &StackPlan, address: *mut u8) -> StackState {
        let stack = &mut self.list[n];
        stack.current = 0;
        match plan.capacity {
            Some(capacity) => state(address, capacity * plan.stride),
            None => stack.pieces.first_mut().map_or_else(nowhere, |piece| piece.state(plan)),
        }
    }

    /// Makes room above a top that has reached the end.
    pub(super) fn grow(&mut self, n: usize, plan: &StackPlan, top: &mut StackState, limit: Limit) -> Result<(), Full> {
        if let Some(capacity) = plan.capacity {
            return Err(Full::Capacity(capacity));
        }
        let next = if self.list[n].pieces.is_empty() { 0 } else { self.list[n].current + 1 };
        if next == self.list[n].pieces.len() {
            let piece = self.piece(next, plan, limit)?;
            self.list[n].pieces.push(piece);
        }
        let stack = &mut self.list[n];
        stack.current = next;
        *top = StackState { len: top.len, ..stack.pieces[next].state(plan) };
        Ok(())
    }

    /// Goes below a beginning that the top has reached: to the piece before. If the stack is empty, the top stands above
    /// an item that is to be made zeros, and the answer is true.
    pub(super) fn back(
        &mut self,
        n: usize,
        plan: &StackPlan,
        top: &mut StackState,
        limit: Limit,
    ) -> Result<bool, Full> {
        if plan.capacity.is_none() && self.list[n].current > 0 {
            let stack = &mut self.list[n];
            stack.current -= 1;
            *top = StackState { len: top.len, ..stack.pieces[stack.current].state(plan) };
            top.top = top.end;
            return Ok(false);
        }
        if plan.capacity.is_none() && self.list[n].pieces.is_empty() {
            self.grow(n, plan, top, limit)?;
        }
        top.top = top.begin.wrapping_add(plan.stride);
        Ok(true)
    }

    /// How many items there are below a top.
    pub(super) fn len(&self, n: usize, plan: &StackPlan, top: &StackState) -> usize {
        let stack = &self.list[n];
        let below: usize = stack.pieces[..stack.current.min(stack.pieces.len())].iter().map(|piece| piece.items).sum();
        below + (top.top.addr() - top.begin.addr()) / plan.stride
    }

    /// The piece behind the first `number`: twice as large as the one before, if the limit allows.
    fn piece(&mut self, number: usize, plan: &StackPlan, limit: Limit) -> Result<Piece, Full> {
        let used = limit.used.saturating_add(self.bytes);
        let room = limit.most.map_or(usize::MAX, |most| most.saturating_sub(used));
        let doubled = FIRST_BYTES.checked_shl(number as u32).unwrap_or(usize::MAX).min(isize::MAX as usize / 2);
        let bytes = doubled.min(room).max(plan.stride);
        if bytes > room {
            return Err(Full::Memory { wanted: used.saturating_add(bytes), limit: limit.most });
        }
        let (mut lines, count) = (Vec::new(), bytes.div_ceil(size_of::<Line>()));
        let no_memory = |_| Full::Memory { wanted: used.saturating_add(bytes), limit: None };
        lines.try_reserve_exact(count).map_err(no_memory)?;
        lines.resize(count, Line([0; 64]));
        self.bytes += bytes;
        Ok(Piece { lines, items: bytes / plan.stride })
    }
}

impl Piece {
    fn state(&mut self, plan: &StackPlan) -> StackState {
        state(self.lines.as_mut_ptr().cast(), self.items * plan.stride)
    }
}

fn state(begin: *mut u8, bytes: usize) -> StackState {
    StackState { top: begin, begin, end: begin.wrapping_add(bytes), len: 0 }
}

/// A stack without memory: the first push asks for some.
fn nowhere() -> StackState {
    state(std::ptr::null_mut::<Line>().cast(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: Limit = Limit { used: 0, most: None };

    #[test]
    fn pieces_double_and_are_found_again_on_the_way_back() {
        let plan = StackPlan { stride: 48, capacity: None };
        let mut stacks = Stacks::new(1);
        let mut top = stacks.clear(0, &plan, std::ptr::null_mut());
        let mut addresses = vec![];
        for n in 0..10_000 {
            if top.top == top.end {
                assert!(stacks.grow(0, &plan, &mut top, NO_LIMIT).is_ok());
            }
            addresses.push(top.top);
            top.top = top.top.wrapping_add(plan.stride);
            assert_eq!(stacks.len(0, &plan, &top), n + 1);
        }
        assert_eq!(stacks.list[0].pieces.len(), 4, "64, 128, 256 and 512 KiB");
        for address in addresses.into_iter().rev() {
            if top.top == top.begin {
                assert!(stacks.back(0, &plan, &mut top, NO_LIMIT).is_ok_and(|zeros| !zeros));
            }
            top.top = top.top.wrapping_sub(plan.stride);
            assert_eq!(top.top, address);
        }
        assert!(stacks.back(0, &plan, &mut top, NO_LIMIT).is_ok_and(|zeros| zeros));
        let before = stacks.bytes;
        top = stacks.clear(0, &plan, std::ptr::null_mut());
        assert_eq!((stacks.len(0, &plan, &top), stacks.bytes), (0, before));
    }

    #[test]
    fn limits_are_kept() {
        let plan = StackPlan { stride: 1000, capacity: None };
        let mut stacks = Stacks::new(1);
        let mut top = stacks.clear(0, &plan, std::ptr::null_mut());
        let limit = Limit { used: 500, most: Some(3000) };
        assert!(stacks.grow(0, &plan, &mut top, limit).is_ok());
        assert_eq!((top.end.addr() - top.begin.addr(), stacks.bytes), (2000, 2500));
        top.top = top.end;
        assert!(matches!(
            stacks.grow(0, &plan, &mut top, limit),
            Err(Full::Memory { wanted: 4000, limit: Some(3000) })
        ));
        let fixed = StackPlan { stride: 8, capacity: Some(0) };
        assert!(matches!(stacks.grow(0, &fixed, &mut top, limit), Err(Full::Capacity(0))));
    }
}
