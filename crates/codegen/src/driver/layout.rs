//! Where a driver finds things: the numbering of sizes, table entries, launches and helper calls of a program.
//!
//! The host that fills a [`Context`](super::Context) and the code that reads it are both written from a [`Layout`].

use crate::abi::KernelAbi;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tracelift_kernel::program::*;
use tracelift_tensor::{DType, Dim};

/// The numbering that a driver and its host share.
///
/// Launches, library calls, checks, copies, prints and steps on stacks are numbered in program order, as
/// [`Program::for_each_step`] visits them; an epilogue is the launch numbered where its library call stands.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The sizes that the host evaluates for each binding; known ones are immediates and not listed.
    pub sizes: Vec<Dim>,
    /// How many table entries are buffers; the scratch rows follow them.
    pub buffers: usize,
    /// The scratch rows of all launches.
    pub scratch: Vec<ScratchRow>,
    /// Every launch of a kernel.
    pub launches: Vec<LaunchPlace>,
    /// Every library call.
    pub libraries: Vec<LibraryPlace>,
    /// Every check over a whole buffer.
    pub checks: Vec<(Check, SiteId)>,
    /// Every copy, from and to.
    pub copies: Vec<(BufferId, BufferId)>,
    /// Every print.
    pub prints: Vec<PrintPlace>,
    /// The buffers that are stacks.
    pub stacks: Vec<BufferId>,
    /// Every step on a stack.
    pub stack_steps: Vec<StackPlace>,
    /// Launches, library calls, checks over buffers and copies in program order; epilogues belong to their calls.
    pub work: Vec<Work>,
    /// How many argument slots all launches and prints have together.
    pub slots: usize,
    /// Which buffers change places during a call, so that launches write their addresses themselves.
    pub swapped: Vec<bool>,
    numbers: FxHashMap<Dim, u32>,
}

/// Memory of its own that a launch hands to its kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct ScratchRow {
    /// The launch it belongs to.
    pub launch: u32,
    /// Element type.
    pub dtype: DType,
    /// How many elements.
    pub extent: Dim,
}

/// A launch as its host sees it.
#[derive(Clone, Debug)]
pub struct LaunchPlace {
    /// Which kernel.
    pub kernel: KernelId,
    /// What stands in which of its argument slots.
    pub abi: Arc<KernelAbi>,
    /// Its first argument slot; [`LaunchPlace::HEADER`] slots before it are the host's own.
    pub first_slot: usize,
    /// The buffers of its parameters.
    pub buffers: Vec<BufferId>,
    /// Its rows among [`Layout::scratch`].
    pub scratch_rows: std::ops::Range<usize>,
    /// How far the range goes that may be split ([`Kernel::range`](tracelift_kernel::loops::Kernel::range)).
    pub outer: Option<Dim>,
}

impl LaunchPlace {
    /// How many slots before those of a launch are the host's.
    pub const HEADER: usize = 2;
}

/// A step that its host could take by itself, with its number among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A launch.
    Launch(usize),
    /// A library call.
    Library(usize),
    /// A check over a whole buffer.
    Check(usize),
    /// A copy.
    Copy(usize),
}

/// Steps one after the other that the host takes by itself: in a long row each would be code that runs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The first of them in [`Layout::work`].
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Series {
    /// A row shorter than this is code.
    pub(super) const FEWEST: usize = 24;

    /// The series as the index that a helper is given.
    ///
    /// ```
    /// use tracelift_codegen::driver::Series;
    /// let series = Series { first: 7, count: 100 };
    /// assert_eq!(Series::of_index(series.index()), series);
    /// ```
    pub fn index(self) -> i64 {
        (u64::from(self.first) << 32 | u64::from(self.count)).cast_signed()
    }

    /// The series of an index.
    pub fn of_index(index: i64) -> Series {
        let index = index.cast_unsigned();
        Series { first: (index >> 32) as u32, count: index as u32 }
    }
}

/// A print as its host sees it.
#[derive(Clone, Debug)]
pub struct PrintPlace {
    /// The text before the values.
    pub message: String,
    /// What is shown.
    pub values: Vec<PrintArg>,
    /// The slot of the first value; rank-0 values are written there.
    pub first_slot: usize,
}

/// A library call as its host sees it.
#[derive(Clone, Debug)]
pub struct LibraryPlace {
    /// The step.
    pub call: LibraryCall,
    /// The launch of its epilogue.
    pub epilogue: Option<usize>,
}

/// A step on a stack as its host sees it.
#[derive(Clone, Debug)]
pub struct StackPlace {
    /// The step.
    pub step: StackStep,
    /// The number of its stack among [`Layout::stacks`].
    pub stack: usize,
}

/// A size in code: an immediate or an entry of [`Layout::sizes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Known when the code is made.
    Known(i64),
    /// Evaluated for each binding.
    Slot(u32),
}

impl Layout {
    /// Numbers a program.
    pub fn of(program: &Program) -> Layout {
        let abis: Vec<Arc<KernelAbi>> = program.kernels.iter().map(|kernel| Arc::new(KernelAbi::of(kernel))).collect();
        let buffers = program.buffers.len();
        let stacks = (0..buffers).filter(|n| matches!(program.buffers[*n].role, Role::Stack(_)));
        let stacks = stacks.map(|n| BufferId(n as u32)).collect();
        let mut layout = Layout { buffers, stacks, swapped: vec![false; buffers], ..Layout::default() };
        program.for_each_step(&mut |step| layout.visit(step, program, &abis));
        layout
    }

    /// How a size is reached.
    ///
    /// # Panics
    /// If the size does not occur in the program.
    pub fn size(&self, dim: &Dim) -> Size {
        match dim.known() {
            Some(known) => Size::Known(known),
            None => Size::Slot(self.numbers[dim]),
        }
    }

    /// The value of a size, given those of [`Layout::sizes`].
    pub fn value(&self, dim: &Dim, sizes: &[i64]) -> i64 {
        match self.size(dim) {
            Size::Known(known) => known,
            Size::Slot(slot) => sizes[slot as usize],
        }
    }

    fn visit(&mut self, step: &Step, program: &Program, abis: &[Arc<KernelAbi>]) {
        match step {
            Step::Launch(launch) => {
                let launch = self.launch(launch.kernel, &launch.buffers, program, abis);
                self.work.push(Work::Launch(launch));
            }
            Step::Library(call) => {
                let epilogue = call.epilogue.as_ref();
                let epilogue = epilogue.map(|launch| self.launch(launch.kernel, &launch.buffers, program, abis));
                self.work.push(Work::Library(self.libraries.len()));
                self.libraries.push(LibraryPlace { call: call.clone(), epilogue });
            }
            Step::Dim { dim, .. } => self.number(dim),
            Step::Check { check, site } => match check {
                Check::IndexBounds { extent, .. } => self.number(extent),
                Check::Assert { .. } => {}
                Check::Bounds { extent, .. } => {
                    self.number(extent);
                    self.check(check, *site);
                }
                Check::AssertAll { .. } => self.check(check, *site),
            },
            Step::Copy { from, to } | Step::Commit { from, to } => {
                self.work.push(Work::Copy(self.copies.len()));
                self.copies.push((*from, *to));
            }
            Step::Print { message, values } => {
                let first_slot = self.slots;
                self.slots += values.len();
                self.prints.push(PrintPlace { message: message.clone(), values: values.clone(), first_slot });
            }
            Step::Stack(step) => {
                let stack = self.stacks.iter().position(|id| *id == step.stack).expect("only stacks are pushed to");
                self.stack_steps.push(StackPlace { step: step.clone(), stack });
            }
            Step::Swap { a, b } => {
                for id in [a, b] {
                    self.swapped[program.owner(*id).0 as usize] = true;
                }
            }
            Step::Scalar { .. } | Step::Read { .. } | Step::Write { .. } | Step::If { .. } | Step::Loop(_) => {}
        }
    }

    fn check(&mut self, check: &Check, site: SiteId) {
        self.work.push(Work::Check(self.checks.len()));
        self.checks.push((check.clone(), site));
    }

    fn launch(&mut self, id: KernelId, buffers: &[BufferId], program: &Program, abis: &[Arc<KernelAbi>]) -> usize {
        let number = self.launches.len();
        let abi = &abis[id.0 as usize];
        abi.extents.iter().for_each(|extent| self.number(extent));
        let first_row = self.scratch.len();
        for (dtype, extent) in &abi.scratch {
            self.scratch.push(ScratchRow { launch: number as u32, dtype: *dtype, extent: extent.clone() });
        }
        let outer = program.kernel(id).range();
        if let Some(extent) = &outer {
            self.number(extent);
        }
        self.slots += LaunchPlace::HEADER;
        self.launches.push(LaunchPlace {
            kernel: id,
            abi: Arc::clone(abi),
            first_slot: self.slots,
            buffers: buffers.to_vec(),
            scratch_rows: first_row..self.scratch.len(),
            outer,
        });
        self.slots += abi.num_slots();
        number
    }

    fn number(&mut self, dim: &Dim) {
        if dim.known().is_none() && !self.numbers.contains_key(dim) {
            self.numbers.insert(dim.clone(), self.sizes.len() as u32);
            self.sizes.push(dim.clone());
        }
    }
}
