//! What one call needs besides its arguments: memory for intermediate values and the tables native code reads.
//!
//! A lease is taken from a free list and given back, so calls after the first allocate nothing. What lies in it stays
//! there, except for a large arena, which between calls is in the pool of [`memory`], so that functions share it.

use super::native::Native;
use super::plan::Plan;
use super::stacks::Stacks;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use tracelift_codegen::driver::Layout;
use tracelift_kernel::program::*;
use tracelift_tensor::memory::{self, Block};
use tracelift_tensor::{Array, Error, Result};

/// Arenas of so many bytes are in the pool between calls.
const LARGE_ARENA: usize = 1 << 20;

/// One cache line of a stack.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// The memory of one call.
pub struct Lease {
    /// Whose it is: the number of its executable.
    owner: u64,
    /// The address of each table entry.
    pub(super) table: Vec<usize>,
    /// One slot per result of the program.
    pub(super) results: Vec<u64>,
    /// The locking order of the variables.
    pub(super) order: Vec<u32>,
    /// The value of each state on entry.
    pub(super) values: Vec<Option<Array>>,
    /// Where the next value of each state is written, if not in place.
    pub(super) nexts: Vec<Option<Array>>,
    /// Values that were replaced while somebody else held them; memory for a later next value.
    pub(super) spares: Vec<Option<Array>>,
    /// The argument slots of all launches.
    pub(super) args: Vec<u64>,
    /// What each launch calls.
    pub(super) launchers: Vec<usize>,
    /// The memory of stacks that grow.
    pub(super) stacks: Stacks,
    /// Argument slots with the table entry whose address they hold, for buffers that are the call's own.
    from_call: Vec<(u32, u32)>,
    /// The same for buffers in the arena, constants and scratch rows.
    from_plan: Vec<(u32, u32)>,
    /// None before the first call, and while it is in the pool.
    arena: Option<Block>,
    /// Where the arena lay when the tables were made.
    base: usize,
    /// The plan whose addresses stand in the table; taken out during a call.
    pub(super) planned: Option<Arc<Plan>>,
    /// The results of this call, written over what lies there: what the caller gave, or small results of the last call,
    /// if the caller has dropped them.
    pub(super) made: Vec<Option<Array>>,
}

impl Lease {
    fn new(owner: u64, program: &Program, layout: &Layout) -> Lease {
        let mut table = vec![std::mem::align_of::<Line>(); layout.buffers + layout.scratch.len()];
        for (entry, buffer) in table.iter_mut().zip(&program.buffers) {
            if let Role::Constant(value) = &buffer.role {
                *entry = value.bytes().as_ptr() as usize;
            }
        }
        let (mut from_call, mut from_plan) = (vec![], vec![]);
        for launch in &layout.launches {
            let slot = |n: usize| (launch.first_slot + n) as u32;
            for (param, id) in launch.buffers.iter().enumerate() {
                let owner = program.owner(*id);
                let of_call = !matches!(program.buffer(owner).role, Role::Arena | Role::Constant(_));
                let list = if of_call { &mut from_call } else { &mut from_plan };
                list.push((slot(launch.abi.param_slot(param)), owner.0));
            }
            for (n, row) in launch.scratch_rows.clone().enumerate() {
                from_plan.push((slot(launch.abi.scratch_slot(n)), (layout.buffers + row) as u32));
            }
        }
        let states = program.states.len();
        Lease {
            owner,
            table,
            results: vec![0; program.results.len()],
            order: Vec::with_capacity(states),
            values: Vec::with_capacity(states),
            nexts: vec![None; states],
            spares: vec![None; states],
            args: vec![0; layout.slots],
            launchers: vec![],
            stacks: Stacks::new(layout.stacks.len()),
            from_call,
            from_plan,
            arena: None,
            base: 0,
            planned: None,
            made: vec![None; program.results.len()],
        }
    }

    /// The number of the executable whose tables it has.
    #[inline]
    pub(super) fn owner(&self) -> u64 {
        self.owner
    }

    /// Writes what follows from the plan into the tables, after growing the arena where the plan needs more.
    pub(super) fn settle(&mut self, plan: &Plan, layout: &Layout, native: &Native) -> Result {
        let base = self.place_arena(plan.arena_bytes)?;
        self.base = base;
        for (entry, offset) in self.table.iter_mut().zip(&plan.offsets) {
            if let Some(offset) = offset {
                *entry = base + offset;
            }
        }
        for (slot, entry) in &self.from_plan {
            self.args[*slot as usize] = self.table[*entry as usize] as u64;
        }
        for (number, launch) in layout.launches.iter().enumerate() {
            self.args[launch.first_slot - 1] = number as u64;
            for (n, extent) in launch.abi.extents.iter().enumerate() {
                let slot = launch.first_slot + launch.abi.extent_slot(n);
                self.args[slot] = layout.value(extent, &plan.sizes) as u64;
            }
        }
        self.launchers.clear();
        self.launchers.extend(native.launchers(layout, plan));
        Ok(())
    }

    /// Writes the addresses of this call's arrays into the argument slots.
    pub(super) fn refresh(&mut self) {
        for (slot, entry) in &self.from_call {
            self.args[*slot as usize] = self.table[*entry as usize] as u64;
        }
    }

    /// Takes memory for the arena again, if it was given away; whether it lies where the tables say.
    pub(super) fn recall_arena(&mut self, plan: &Plan) -> Result<bool> {
        Ok(self.arena.is_some() || self.place_arena(plan.arena_bytes)? == self.base)
    }

    /// Gives a large arena to the pool until the next call. Where the pool has no room it stays.
    pub(super) fn part_with_arena(&mut self) {
        let bytes = self.arena.as_ref().map_or(0, |arena| arena.bytes().len());
        if bytes >= LARGE_ARENA && memory::has_room(bytes) {
            self.arena = None;
        }
    }

    /// The address of an arena of at least so many bytes.
    fn place_arena(&mut self, bytes: usize) -> Result<usize> {
        if self.arena.as_ref().is_none_or(|arena| arena.bytes().len() < bytes) {
            self.arena = None;
            let no_memory = |_| Error::out_of_memory(format!("there is no memory for {bytes} bytes"));
            self.arena = Some(Block::unspecified(bytes).map_err(no_memory)?);
        }
        let arena = self.arena.as_mut().expect("it was just made");
        Ok(arena.bytes_mut().as_mut_ptr() as usize)
    }

    /// Memory for the next value of state n: one that nobody holds any more, or a new array.
    pub(super) fn next_value(&mut self, n: usize, like: &Array) -> Result<Array> {
        // A call that failed has left its next values.
        match self.nexts[n].take().or_else(|| self.spares[n].take()) {
            Some(spare) if spare.is_unique() && (spare.dtype(), spare.shape()) == (like.dtype(), like.shape()) => {
                Ok(spare)
            }
            _ => Array::for_overwrite(like.dtype(), like.shape()),
        }
    }
}

/// The leases of an executable.
pub(super) struct Leases {
    /// The number of the executable, unique in the process.
    owner: u64,
    /// The one that calls which follow each other share; locked while a call uses it.
    first: Mutex<Option<Box<Lease>>>,
    /// Those of calls that found the first one in use.
    #[expect(clippy::vec_box, reason = "they are taken out and given back: moving one costs more than a small kernel")]
    others: Mutex<Vec<Box<Lease>>>,
}

impl Default for Leases {
    fn default() -> Leases {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let owner = NEXT.fetch_add(1, Ordering::Relaxed);
        Leases { owner, first: Mutex::default(), others: Mutex::default() }
    }
}

impl Leases {
    #[inline]
    pub(super) fn owner(&self) -> u64 {
        self.owner
    }

    /// A lease to be kept.
    pub(super) fn make(&self, program: &Program, layout: &Layout) -> Lease {
        Lease::new(self.owner, program, layout)
    }

    /// A lease, given back when dropped.
    pub(super) fn take(&self, program: &Program, layout: &Layout) -> Leased<'_> {
        let new = || Box::new(self.make(program, layout));
        let first = match self.first.try_lock() {
            Ok(first) => Some(first),
            // A call panicked: what it left behind is not used again.
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut first = poisoned.into_inner();
                *first = None;
                self.first.clear_poison();
                Some(first)
            }
            Err(TryLockError::WouldBlock) => None,
        };
        match first {
            Some(mut first) => {
                first.get_or_insert_with(new);
                Leased::First(first)
            }
            None => {
                let free = self.others.lock().unwrap_or_else(PoisonError::into_inner).pop();
                Leased::Other { home: self, lease: Some(free.unwrap_or_else(new)) }
            }
        }
    }
}

/// A lease in use.
pub(super) enum Leased<'a> {
    First(MutexGuard<'a, Option<Box<Lease>>>),
    Other { home: &'a Leases, lease: Option<Box<Lease>> },
}

const OUT: &str = "a lease is given back by drop alone";

impl Deref for Leased<'_> {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        match self {
            Leased::First(lease) => lease.as_ref().expect(OUT),
            Leased::Other { lease, .. } => lease.as_ref().expect(OUT),
        }
    }
}

impl DerefMut for Leased<'_> {
    fn deref_mut(&mut self) -> &mut Lease {
        match self {
            Leased::First(lease) => lease.as_mut().expect(OUT),
            Leased::Other { lease, .. } => lease.as_mut().expect(OUT),
        }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        if let Leased::Other { home, lease } = self {
            home.others.lock().unwrap_or_else(PoisonError::into_inner).extend(lease.take());
        }
    }
}
