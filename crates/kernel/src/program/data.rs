//! The data of a program.

use super::stacks::StackStep;
use crate::guard::Guard;
use crate::lane::{LaneOp, Scalar};
use crate::loops::Kernel;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Origin, Shape, Sym};

/// A buffer of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BufferId(pub u32);

/// A register of a program: a rank-0 value. Assigned once, apart from what loops carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegisterId(pub u32);

/// The n-th of [`Program::kernels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelId(pub u32);

/// The n-th of [`Program::sites`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SiteId(pub u32);

/// A scheduled function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// Where the size of each unknown is read from at a call.
    pub unknowns: Vec<Unknown>,
    /// What must hold of the sizes.
    pub guards: Vec<Guard>,
    /// Everything in memory.
    pub buffers: Vec<Buffer>,
    /// The element type of each register.
    pub registers: Vec<DType>,
    /// The kernels that steps launch.
    pub kernels: Vec<Arc<Kernel>>,
    /// How many states (variables) it reads or changes; state n is read in [`Role::State`] n.
    pub states: Vec<State>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What it answers.
    pub results: Vec<ResultPlace>,
    /// Places in the user's program that faults point at.
    pub sites: Vec<Site>,
}

/// An unknown size and the argument axis it is read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unknown {
    /// The unknown.
    pub sym: Sym,
    /// The input (of [`Role::Input`]) or, with `state`, the state that has it.
    pub index: u32,
    /// Whether `index` counts states rather than inputs.
    pub state: bool,
    /// Which axis.
    pub axis: u32,
}

/// A state: a variable's value on entry and, if it is changed, on exit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State {
    /// The variable's name.
    pub name: String,
    /// Whether a [`Role::NextState`] buffer of it exists, which the program fills.
    pub written: bool,
}

/// A piece of memory, row-major and dense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    /// Its name in texts.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Its sizes.
    pub shape: Shape,
    /// Who owns it.
    pub role: Role,
}

/// Who owns a buffer, and when it may be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Role {
    /// The n-th argument; read only.
    Input(u32),
    /// The n-th result; the caller gives fresh memory.
    Output(u32),
    /// The value of state n on entry; read only.
    State(u32),
    /// The value of state n on exit. May be the very memory of [`Role::State`] n (the state is donated), so it is
    /// written only when the old value is not needed any more, and never before a step that may fault.
    NextState(u32),
    /// Space in the arena, at an offset that is planned for each binding of the unknowns.
    Arena,
    /// The same bytes as another buffer, with another shape.
    View(BufferId),
    /// A literal of at most 16 elements.
    Constant(Array),
    /// A stack of items of this type: see [`StackStep`]. With a capacity it lies in the arena; without, it grows.
    Stack(Option<Dim>),
}

/// A rank-0 operand of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ScalarArg {
    /// A register.
    Register(RegisterId),
    /// A literal.
    Const(Scalar),
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// `%s = launch @k0($x, $y, %a)`.
    Launch(Launch),
    /// `lib matmul $x, $w -> $h`.
    Library(LibraryCall),
    /// `%m = scalar div %s, %n`.
    Scalar {
        /// The register set.
        dst: RegisterId,
        /// The operation.
        op: LaneOp,
        /// Its operands.
        args: Vec<ScalarArg>,
        /// Where the user wrote it, if it may fault.
        site: Option<SiteId>,
    },
    /// `%n = dim B`, an i64.
    Dim {
        /// The register set.
        dst: RegisterId,
        /// The size.
        dim: Dim,
    },
    /// `%v = read $x`: the one element of a rank-0 buffer.
    Read {
        /// The register set.
        dst: RegisterId,
        /// A buffer of one element.
        from: BufferId,
    },
    /// `write $y, %v`: sets the one element of a rank-0 buffer.
    Write {
        /// A buffer of one element.
        to: BufferId,
        /// The value.
        value: ScalarArg,
    },
    /// May fault: see [`Check`].
    Check {
        /// What is tested.
        check: Check,
        /// Where the user wrote it.
        site: SiteId,
    },
    /// `copy $a -> $b`: equal element types and numbers of elements.
    Copy {
        /// Read.
        from: BufferId,
        /// Written.
        to: BufferId,
    },
    /// `swap $a, $b`: exchanges the addresses of two arena buffers of equal size.
    Swap {
        /// One.
        a: BufferId,
        /// The other.
        b: BufferId,
    },
    /// `commit $w <- $w2`: a copy into a [`Role::NextState`] buffer; nothing after it can fault.
    Commit {
        /// A `NextState` buffer.
        to: BufferId,
        /// The new value.
        from: BufferId,
    },
    /// `if %c { … } else { … }`; buffers that both arms fill are written by steps inside.
    If {
        /// A bool.
        condition: ScalarArg,
        /// Runs when true; yields the results.
        then: StepBlock,
        /// Runs when false; yields the results.
        otherwise: StepBlock,
        /// Registers set afterwards.
        results: Vec<RegisterId>,
    },
    /// `loop %i = 0, … while { … } %c do { … }`.
    Loop(LoopStep),
    /// `stack push $s, $x` and the like.
    Stack(StackStep),
    /// `print "…" $x %y`: ordered among the other prints.
    Print {
        /// The text before the values.
        message: String,
        /// What is shown.
        values: Vec<PrintArg>,
    },
}

/// Steps and the rank-0 values they hand out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepBlock {
    /// In order.
    pub steps: Vec<Step>,
    /// What is handed out.
    pub yields: Vec<ScalarArg>,
}

/// A call of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Which kernel.
    pub kernel: KernelId,
    /// Its buffers, as [`Kernel::params`].
    pub buffers: Vec<BufferId>,
    /// Its rank-0 arguments, as [`Kernel::scalars`].
    pub scalars: Vec<ScalarArg>,
    /// Registers for its rank-0 results.
    pub results: Vec<RegisterId>,
    /// Where the user wrote it, if it may fault.
    pub site: Option<SiteId>,
}

/// A call of a library kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LibraryCall {
    /// Which one.
    pub op: LibraryOp,
    /// What it reads.
    pub operands: Vec<BufferId>,
    /// What it writes, whole.
    pub result: BufferId,
    /// A kernel that runs over each block of finished rows while they are hot.
    pub epilogue: Option<Epilogue>,
}

/// A kernel over the rows of a library call's result. Its outermost loop is `par` over the rows (`batch * m`),
/// and what it reads of computed rows is of the same row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epilogue {
    /// Which kernel.
    pub kernel: KernelId,
    /// Its buffers; the result of the product may be among them.
    pub buffers: Vec<BufferId>,
    /// Its rank-0 arguments.
    pub scalars: Vec<ScalarArg>,
}

/// The library kernels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LibraryOp {
    /// `c[b, i, j] = Σ_k a[b, i, k] · b[b, k, j]`, one fma chain per element with k ascending.
    MatMul(Box<MatMulSpec>),
    /// Where the elements of each row of the last axis are in order, as i32; equal ones keep theirs.
    ArgSort {
        /// Whether the largest come first.
        descending: bool,
    },
}

/// Sizes and strides (in elements) of a matrix product; the result is dense `[batch, m, n]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MatMulSpec {
    /// Element type of all three.
    pub dtype: DType,
    /// How many products.
    pub batch: Dim,
    /// Rows of the left side and of the result.
    pub m: Dim,
    /// The axis summed over.
    pub k: Dim,
    /// Columns of the right side and of the result.
    pub n: Dim,
    /// Strides of the left side: batch, row, k.
    pub a: [Dim; 3],
    /// Strides of the right side: batch, k, column.
    pub b: [Dim; 3],
    /// The right side is known to have one column: 16 lanes along k and the fixed tree instead of one chain.
    pub vector: bool,
    /// Where the rows and the steps along k of the left side lie if they are not evenly spaced, as those of windows are
    /// not; `a` then says it of the batch alone.
    pub spread: Option<Spread>,
}

/// Rows and steps of an operand as several axes each: size and stride, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spread {
    /// The axes whose sizes multiply to the number of rows.
    pub rows: Vec<(Dim, Dim)>,
    /// The axes whose sizes multiply to the number of steps.
    pub steps: Vec<(Dim, Dim)>,
}

/// What a [`Step::Check`] tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Check {
    /// Every element of an index buffer is in `0..extent`.
    Bounds {
        /// A buffer of i32 or i64.
        indices: BufferId,
        /// The bound.
        extent: Dim,
    },
    /// One index is in `0..extent`.
    IndexBounds {
        /// An i32 or i64.
        index: ScalarArg,
        /// The bound.
        extent: Dim,
    },
    /// A bool is true.
    Assert {
        /// The condition.
        condition: ScalarArg,
        /// What the error says.
        message: String,
    },
    /// Every element of a bool buffer is true.
    AssertAll {
        /// The conditions.
        conditions: BufferId,
        /// What the error says.
        message: String,
    },
}

/// A loop over steps. Registers are carried; carried buffers are arena buffers that the body swaps or overwrites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoopStep {
    /// Carried registers with their first values.
    pub carried: Vec<(RegisterId, ScalarArg)>,
    /// Runs before each iteration; yields one bool.
    pub condition: StepBlock,
    /// One iteration; yields the carried registers' next values.
    pub body: StepBlock,
    /// Registers set to the carried values when the condition is false.
    pub results: Vec<RegisterId>,
}

/// A value shown by [`Step::Print`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum PrintArg {
    /// A whole buffer.
    Buffer(BufferId),
    /// A rank-0 value.
    Scalar(ScalarArg),
}

/// Where a result is found when the program has run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ResultPlace {
    /// In a buffer: an [`Role::Output`], or an input or state handed through.
    Buffer(BufferId),
    /// A rank-0 value.
    Scalar(ScalarArg),
}

/// A place in the user's program, for messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// The operation.
    pub op: String,
    /// Where it was written.
    #[serde(skip)]
    pub origin: Origin,
}

impl Program {
    /// The buffer that owns the bytes of `id`: follows views.
    pub fn owner(&self, mut id: BufferId) -> BufferId {
        while let Role::View(of) = self.buffers[id.0 as usize].role {
            id = of;
        }
        id
    }

    /// A buffer's data.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0 as usize]
    }

    /// A kernel.
    pub fn kernel(&self, id: KernelId) -> &Arc<Kernel> {
        &self.kernels[id.0 as usize]
    }

    /// The element type of a rank-0 operand.
    pub fn dtype(&self, arg: &ScalarArg) -> DType {
        match arg {
            ScalarArg::Register(reg) => self.registers[reg.0 as usize],
            ScalarArg::Const(value) => value.dtype(),
        }
    }

    /// Visits every step, outer ones before the inner ones, in program order.
    pub fn for_each_step<'a>(&'a self, visit: &mut dyn FnMut(&'a Step)) {
        let mut pending: Vec<std::slice::Iter<'a, Step>> = vec![self.steps.iter()];
        while let Some(top) = pending.last_mut() {
            let Some(step) = top.next() else {
                pending.pop();
                continue;
            };
            visit(step);
            match step {
                Step::If { then, otherwise, .. } => {
                    pending.push(otherwise.steps.iter());
                    pending.push(then.steps.iter());
                }
                Step::Loop(inner) => {
                    pending.push(inner.body.steps.iter());
                    pending.push(inner.condition.steps.iter());
                }
                _ => {}
            }
        }
    }

    /// Visits every mention of a buffer in steps, results and views, to be changed.
    pub fn for_each_buffer_mut(&mut self, visit: &mut dyn FnMut(&mut BufferId)) {
        for buffer in &mut self.buffers {
            if let Role::View(of) = &mut buffer.role {
                visit(of);
            }
        }
        for result in &mut self.results {
            if let ResultPlace::Buffer(buffer) = result {
                visit(buffer);
            }
        }
        let mut pending: Vec<&mut Step> = self.steps.iter_mut().collect();
        while let Some(step) = pending.pop() {
            match step {
                Step::Launch(launch) => launch.buffers.iter_mut().for_each(&mut *visit),
                Step::Library(call) => {
                    call.operands.iter_mut().for_each(&mut *visit);
                    visit(&mut call.result);
                    if let Some(epilogue) = &mut call.epilogue {
                        epilogue.buffers.iter_mut().for_each(&mut *visit);
                    }
                }
                Step::Read { from: buffer, .. } | Step::Write { to: buffer, .. } => visit(buffer),
                Step::Copy { from: a, to: b } | Step::Commit { to: b, from: a } | Step::Swap { a, b } => {
                    visit(a);
                    visit(b);
                }
                Step::Check { check, .. } => match check {
                    Check::Bounds { indices: buffer, .. } | Check::AssertAll { conditions: buffer, .. } => {
                        visit(buffer)
                    }
                    Check::IndexBounds { .. } | Check::Assert { .. } => {}
                },
                Step::Print { values, .. } => values.iter_mut().for_each(|value| {
                    if let PrintArg::Buffer(buffer) = value {
                        visit(buffer);
                    }
                }),
                Step::Stack(stack) => stack.buffers_mut().for_each(&mut *visit),
                Step::If { then, otherwise, .. } => {
                    pending.extend(then.steps.iter_mut());
                    pending.extend(otherwise.steps.iter_mut());
                }
                Step::Loop(inner) => {
                    pending.extend(inner.condition.steps.iter_mut());
                    pending.extend(inner.body.steps.iter_mut());
                }
                Step::Scalar { .. } | Step::Dim { .. } => {}
            }
        }
    }
}
