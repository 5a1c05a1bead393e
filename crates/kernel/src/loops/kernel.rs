//! The data of a kernel.

use crate::lane::{LaneOp, Scalar};
use crate::meaning::{ReduceKind, ReduceOrder};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tracelift_tensor::{DType, Dim, Shape};

/// A register of a kernel body: one lane's value. Assigned once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reg(pub u32);

/// The running index of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LoopVar(pub u32);

/// A loop nest with everything it reads and writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// Its name in texts and profiles.
    pub name: String,
    /// The buffers it is given, in the order of the call.
    pub params: Vec<Param>,
    /// Rank-0 values it is given; each is a register that is set at the start.
    pub scalars: Vec<ScalarParam>,
    /// Rows of memory of its own, not kept between iterations of the outermost loop.
    pub scratch: Vec<Scratch>,
    /// The element types of its rank-0 results; the body yields as many.
    pub results: Vec<DType>,
    /// The element type of each register.
    pub registers: Vec<DType>,
    /// How many loop variables there are.
    pub loop_vars: u32,
    /// What it does.
    pub body: Block,
}

/// A buffer that a kernel reads or writes; row-major and dense in its shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Param {
    /// Its name in texts.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// The shape under which the kernel indexes it (a view of the caller's shape, of as many elements).
    pub shape: Shape,
    /// Whether it is read, written, or both.
    pub access: Access,
}

/// What a kernel does with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Only loads.
    Read,
    /// Only stores; every element is stored.
    Write,
    /// Loads and stores, or stores of some elements only: the old content counts.
    Update,
}

/// A rank-0 value handed to a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScalarParam {
    /// Its name in texts.
    pub name: String,
    /// The register that holds it.
    pub reg: Reg,
}

/// A row of a kernel's own memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scratch {
    /// Its name in texts.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// How many elements.
    pub extent: Dim,
}

/// Statements, then the values handed to what encloses them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// In program order.
    pub stmts: Vec<Stmt>,
    /// What the block hands out: to its `reduce` or `seq` loop, or as the kernel's results.
    pub yields: SmallVec<[Operand; 1]>,
}

/// A register or a literal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operand {
    /// A register's value.
    Reg(Reg),
    /// A literal; its text carries its type (`1.0` is f32, `1` is i32, `1.0f64`, `1i64`, `1u8`, `true`).
    Const(Scalar),
}

/// One statement of a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stmt {
    /// `%dst = load %x[%i, 0]`.
    Load {
        /// The register set.
        dst: Reg,
        /// What is read.
        from: Place,
    },
    /// `store %y[%i], %v`.
    Store {
        /// What is written.
        to: Place,
        /// The value.
        value: Operand,
    },
    /// `%dst = add %a, %b`.
    Lane {
        /// The register set.
        dst: Reg,
        /// The scalar operation.
        op: LaneOp,
        /// Its operands.
        args: SmallVec<[Operand; 3]>,
    },
    /// `%dst = index 2*%i + 1`, an i64: a loop variable as a value.
    Index {
        /// The register set.
        dst: Reg,
        /// The number.
        value: Affine,
    },
    /// A loop.
    Loop(Loop),
}

/// An element of a buffer or of a scratch row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Which memory.
    pub base: Base,
    /// One index per axis.
    pub index: SmallVec<[Index; 4]>,
}

/// Memory that a kernel may index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Base {
    /// The n-th of [`Kernel::params`].
    Param(u32),
    /// The n-th of [`Kernel::scratch`].
    Scratch(u32),
}

/// The position on one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Index {
    /// Known from the loop variables alone.
    Affine(Affine),
    /// Read from a register of type i32 or i64, which a `check` before the kernel has found in bounds.
    Indirect(Reg),
}

/// `Σ coefficient · loop variable + offset`; each loop variable occurs at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Affine {
    /// The loop variables with their coefficients (which may be sizes, and negative).
    pub terms: SmallVec<[(LoopVar, Dim); 2]>,
    /// The constant part.
    pub offset: Dim,
}

impl Affine {
    /// `var`.
    pub fn var(var: LoopVar) -> Affine {
        Affine { terms: SmallVec::from_iter([(var, Dim::from(1usize))]), offset: Dim::from(0usize) }
    }

    /// A size that does not depend on a loop.
    pub fn constant(offset: impl Into<Dim>) -> Affine {
        Affine { terms: SmallVec::new(), offset: offset.into() }
    }

    /// `step * self + start`.
    pub fn strided(&self, start: &Dim, step: i64) -> Affine {
        let step = Dim::from(step);
        Affine {
            terms: self.terms.iter().map(|(var, c)| (*var, c * &step)).collect(),
            offset: &(&self.offset * &step) + start,
        }
    }

    /// `self + other`.
    pub fn plus(&self, other: &Affine) -> Affine {
        let mut sum = Affine { terms: self.terms.clone(), offset: &self.offset + &other.offset };
        for (var, c) in &other.terms {
            match sum.terms.iter_mut().find(|(v, _)| v == var) {
                Some((_, coefficient)) => *coefficient = &*coefficient + c,
                None => sum.terms.push((*var, c.clone())),
            }
        }
        sum.terms.retain(|(_, c)| !c.is_zero());
        sum
    }

    /// The coefficient of a loop variable; 0 if it does not occur.
    pub fn coefficient(&self, var: LoopVar) -> Dim {
        self.terms.iter().find(|(v, _)| *v == var).map_or(Dim::from(0usize), |(_, c)| c.clone())
    }
}

/// What order the iterations of a loop have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LoopKind {
    /// Any order, any grouping: iterations store to different elements and see nothing of each other.
    Par,
    /// One after the other; registers may be carried.
    Seq,
    /// The defined order of a reduction over all axes of the loop, row-major; the body yields a value per kind.
    Reduce {
        /// One or more reductions made in the same pass.
        kinds: SmallVec<[ReduceKind; 1]>,
        /// Lanes or chain; never changed by a pass.
        order: ReduceOrder,
    },
}

/// A loop over one axis, or a `reduce` over several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loop {
    /// In which order it runs.
    pub kind: LoopKind,
    /// Variables and extents, outermost first; exactly one for `par` and `seq`.
    pub axes: SmallVec<[(LoopVar, Dim); 1]>,
    /// For `seq`: the registers carried from one iteration to the next, with their first values.
    pub carried: SmallVec<[(Reg, Operand); 1]>,
    /// One iteration; yields the carried registers' next values (`seq`) or the values to reduce (`reduce`).
    pub body: Block,
    /// Registers set when the loop has ended: the last carried values, or the reductions.
    pub results: SmallVec<[Reg; 1]>,
}

impl Kernel {
    /// The element type of an operand.
    pub fn dtype(&self, operand: &Operand) -> DType {
        match operand {
            Operand::Reg(reg) => self.registers[reg.0 as usize],
            Operand::Const(value) => value.dtype(),
        }
    }

    /// The outermost `par` loop if the kernel consists of nothing else, so that its range may be split over threads.
    pub fn outer_par(&self) -> Option<&Loop> {
        match self.body.stmts.as_slice() {
            [Stmt::Loop(outer)] if outer.kind == LoopKind::Par => Some(outer),
            _ => None,
        }
    }

    /// The reduction that a kernel consists of, with nothing but its results handed out, if ranges of it that begin and
    /// end at block borders may be computed by themselves and joined: by the tree over block numbers, since each is a
    /// subtree of it.
    pub fn whole_reduce(&self) -> Option<&Loop> {
        let [Stmt::Loop(whole)] = self.body.stmts.as_slice() else { return None };
        let LoopKind::Reduce { kinds, .. } = &whole.kind else { return None };
        let results = whole.results.iter().map(|reg| Operand::Reg(*reg));
        let joins = !kinds.iter().any(|kind| kind.answers_position());
        (joins && results.eq(self.body.yields.iter().copied()) && !self.can_fault()).then_some(whole)
    }

    /// How far the range goes of which a caller may ask for a part: the iterations of the outermost `par` loop, or the
    /// elements of a reduction that is all there is.
    pub fn range(&self) -> Option<Dim> {
        let whole = || self.whole_reduce().map(|whole| whole.axes.iter().map(|(_, extent)| extent.clone()).product());
        self.outer_par().map(|outer| outer.axes[0].1.clone()).or_else(whole)
    }

    /// Whether running it may fail (an integer division by zero).
    pub fn can_fault(&self) -> bool {
        let mut faults = false;
        self.for_each_stmt(&mut |stmt| {
            if let Stmt::Lane { op, args, .. } = stmt {
                faults |= op.can_fault(self.dtype(&args[0]));
            }
        });
        faults
    }

    /// Visits every statement, outer ones before the inner ones, in program order.
    pub fn for_each_stmt(&self, visit: &mut dyn FnMut(&Stmt)) {
        let mut pending: Vec<std::slice::Iter<'_, Stmt>> = vec![self.body.stmts.iter()];
        while let Some(top) = pending.last_mut() {
            match top.next() {
                None => drop(pending.pop()),
                Some(stmt) => {
                    visit(stmt);
                    if let Stmt::Loop(inner) = stmt {
                        pending.push(inner.body.stmts.iter());
                    }
                }
            }
        }
    }
}
