//! `reduce` loops: what is accumulated and how two results become one; chains, one element after the other.

use super::Emitter;
use super::lanes::Lanes;
use super::tree::BLOCK;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::{SmallVec, smallvec};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Loop, LoopVar};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{DType, Dim, Result};

/// One of the reductions that a loop makes.
#[derive(Clone, Debug)]
pub(super) struct Reducer {
    pub kind: ReduceKind,
    /// The type of what is reduced.
    pub dtype: DType,
    /// Whether each lane of the enclosing loop has its own.
    pub packed: bool,
}

impl Reducer {
    /// The types of what is accumulated: for `argmax` and `argmin` the value and its place.
    pub(super) fn parts(&self) -> SmallVec<[DType; 2]> {
        if self.is_place() { smallvec![self.dtype, DType::I64] } else { smallvec![self.dtype] }
    }

    pub(super) fn is_place(&self) -> bool {
        matches!(self.kind, ReduceKind::ArgMax | ReduceKind::ArgMin)
    }

    /// Starting values, one per part, that change nothing.
    pub(super) fn identity(&self) -> SmallVec<[Scalar; 2]> {
        let smallest = |dtype| match dtype {
            DType::F32 => Scalar::F32(f32::NEG_INFINITY),
            DType::F64 => Scalar::F64(f64::NEG_INFINITY),
            DType::I32 => Scalar::I32(i32::MIN),
            DType::I64 => Scalar::I64(i64::MIN),
            DType::U8 => Scalar::U8(0),
            _ => Scalar::Bool(false),
        };
        let largest = |dtype| match dtype {
            DType::F32 => Scalar::F32(f32::INFINITY),
            DType::F64 => Scalar::F64(f64::INFINITY),
            DType::I32 => Scalar::I32(i32::MAX),
            DType::I64 => Scalar::I64(i64::MAX),
            DType::U8 => Scalar::U8(u8::MAX),
            _ => Scalar::Bool(true),
        };
        match self.kind {
            // −0.0 + x is x for every x; 0.0 + −0.0 is not.
            ReduceKind::Sum => smallvec![whole(self.dtype, 0, -0.0)],
            ReduceKind::Prod => smallvec![whole(self.dtype, 1, 1.0)],
            ReduceKind::Min => smallvec![largest(self.dtype)],
            ReduceKind::Max => smallvec![smallest(self.dtype)],
            ReduceKind::Any => smallvec![Scalar::Bool(false)],
            ReduceKind::All => smallvec![Scalar::Bool(true)],
            // Every place is before this one, so that any element wins.
            ReduceKind::ArgMax => smallvec![smallest(self.dtype), Scalar::I64(i64::MAX)],
            ReduceKind::ArgMin => smallvec![largest(self.dtype), Scalar::I64(i64::MAX)],
        }
    }
}

/// A whole number in any numeric type.
fn whole(dtype: DType, int: i64, float: f64) -> Scalar {
    match dtype {
        DType::F32 => Scalar::F32(float as f32),
        DType::F64 => Scalar::F64(float),
        DType::I32 => Scalar::I32(int as i32),
        DType::I64 => Scalar::I64(int),
        DType::U8 => Scalar::U8(int as u8),
        _ => Scalar::Bool(int != 0),
    }
}

/// What has been accumulated: the parts of each reduction, in order.
#[derive(Clone, Debug)]
pub(super) struct Accumulators(pub SmallVec<[Lanes; 2]>);

impl Accumulators {
    /// The CLIF values they are made of.
    pub(super) fn values(&self) -> SmallVec<[Value; 8]> {
        self.0.iter().flat_map(|part| part.values().iter().copied()).collect()
    }

    /// The same form with other values.
    pub(super) fn with(&self, values: &[Value]) -> Accumulators {
        let mut rest = values;
        let parts = self.0.iter().map(|part| {
            let (mine, others) = rest.split_at(part.values().len());
            rest = others;
            part.with(mine)
        });
        Accumulators(parts.collect())
    }
}

/// The axes of a reduction as few nested ones: each a variable with the factors of its extent.
pub(super) type Axes = SmallVec<[(LoopVar, SmallVec<[Dim; 2]>); 2]>;

impl Emitter<'_, '_> {
    /// A `reduce` loop.
    pub(super) fn reduce(&mut self, inner: &Loop, kinds: &[ReduceKind], order: ReduceOrder) -> Result {
        for (var, _) in &inner.axes {
            let zero = self.int(0);
            self.nest.push(*var);
            self.vars[var.0 as usize] = Some(zero);
        }
        let reducers: SmallVec<[Reducer; 2]> = kinds
            .iter()
            .zip(&inner.body.yields)
            .map(|(kind, value)| Reducer {
                kind: *kind,
                dtype: self.kernel.dtype(value),
                packed: matches!(value, tracelift_kernel::loops::Operand::Reg(reg) if self.varies(*reg)),
            })
            .collect();
        let axes = self.merged_axes(inner);
        let (mut n, mut known) = self.extent_of(&axes);
        // A reduction of a single block is never asked for in parts.
        if let Some((begin, end)) = self.range.take().filter(|_| known.is_none_or(|n| n > BLOCK)) {
            (n, known) = (self.builder.ins().isub(end, begin), None);
            self.first = Some(begin);
        }
        let result = match order {
            ReduceOrder::Chain => self.blocks(n, known, &reducers, &mut |this, start, end| {
                let first = this.identities(&reducers);
                let last = this.counted(start, end, 1, &first.values(), &mut |this, i, values| {
                    this.set_axes(&axes, i);
                    this.stmts(&inner.body)?;
                    let element = this.element(inner, &reducers, i);
                    Ok(this.combine(&reducers, &first.with(values), &element)?.values())
                })?;
                Ok(first.with(&last))
            })?,
            ReduceOrder::Lanes => self.reduce_lanes(inner, &reducers, &axes, n, known)?,
        };
        self.first = None;
        let mut parts = result.0.into_iter();
        for (reducer, dst) in reducers.iter().zip(&inner.results) {
            let mut value = parts.next().expect("every reduction has a part");
            if reducer.is_place() {
                value = parts.next().expect("a place has two parts");
            }
            if reducer.kind == ReduceKind::Sum && reducer.dtype.is_float() && known.is_none_or(|n| n == 0) {
                value = self.empty_sum(reducer, n, value)?;
            }
            self.set(*dst, value);
        }
        for (var, _) in &inner.axes {
            self.nest.pop();
            self.vars[var.0 as usize] = None;
        }
        Ok(())
    }

    /// The sum of nothing is +0.0, though sums start from −0.0.
    fn empty_sum(&mut self, reducer: &Reducer, n: Value, sum: Lanes) -> Result<Lanes> {
        let zero = self.literal(whole(reducer.dtype, 0, 0.0));
        if let Lanes::Uniform(sum) = sum {
            return Ok(Lanes::Uniform(self.if_empty(n, zero, sum)));
        }
        let empty = self.builder.ins().icmp_imm_s(cranelift_codegen::ir::condcodes::IntCC::Equal, n, 0);
        let args = [Lanes::Uniform(empty), Lanes::Uniform(zero), sum];
        self.lane_op(LaneOp::Select, &[DType::Bool, reducer.dtype, reducer.dtype], &args)
    }

    /// The axes with those that walk on through memory merged and those of extent 1 left out.
    fn merged_axes(&mut self, inner: &Loop) -> Axes {
        let mut axes = Axes::new();
        for (var, extent) in &inner.axes {
            if extent.is_one() {
                continue;
            }
            let next = (*var, extent.clone());
            match axes.last_mut() {
                Some(last) if self.accesses.mergeable(last.0, &next, &inner.body) => {
                    last.0 = *var;
                    last.1.push(extent.clone());
                }
                _ => axes.push((*var, smallvec![extent.clone()])),
            }
        }
        if axes.is_empty() {
            axes.push((inner.axes[0].0, smallvec![Dim::from(1usize)]));
        }
        axes
    }

    /// How many elements axes have in all.
    fn extent_of(&mut self, axes: &Axes) -> (Value, Option<i64>) {
        let factors: SmallVec<[Dim; 4]> = axes.iter().flat_map(|(_, factors)| factors.clone()).collect();
        let known = factors.iter().try_fold(1i64, |product, dim| product.checked_mul(dim.known()?));
        let n = match known {
            Some(known) => self.int(known),
            None => self.product(&factors),
        };
        (n, known)
    }

    fn product(&mut self, factors: &[Dim]) -> Value {
        let one = self.int(1);
        factors.iter().fold(one, |product, factor| self.scaled(product, factor))
    }

    /// Sets the variables for the i-th element.
    pub(super) fn set_axes(&mut self, axes: &Axes, i: Value) {
        let mut rest = i;
        for (n, (var, factors)) in axes.iter().enumerate().rev() {
            let value = if n == 0 {
                rest
            } else {
                let extent = self.product(factors);
                let value = self.builder.ins().urem(rest, extent);
                rest = self.builder.ins().udiv(rest, extent);
                value
            };
            self.vars[var.0 as usize] = Some(value);
        }
    }

    /// What starts every accumulation.
    pub(super) fn identities(&mut self, reducers: &[Reducer]) -> Accumulators {
        let mut parts = SmallVec::new();
        for reducer in reducers {
            for (identity, dtype) in reducer.identity().into_iter().zip(reducer.parts()) {
                let value = Lanes::Uniform(self.literal(identity));
                parts.push(if reducer.packed { Lanes::Packed(self.vectors(&value, dtype)) } else { value });
            }
        }
        Accumulators(parts)
    }

    /// What the body yields, the i-th element of the reduction, as something to accumulate.
    pub(super) fn element(&mut self, inner: &Loop, reducers: &[Reducer], i: Value) -> Accumulators {
        let mut parts = SmallVec::new();
        for (reducer, value) in reducers.iter().zip(&inner.body.yields) {
            let value = self.operand(value);
            let value = if reducer.packed { Lanes::Packed(self.vectors(&value, reducer.dtype)) } else { value };
            parts.push(value);
            if reducer.is_place() {
                let place = if reducer.packed { self.places(inner, i) } else { Lanes::Uniform(i) };
                parts.push(place);
            }
        }
        Accumulators(parts)
    }

    /// The places of the lanes: consecutive ones if they are lanes of this very loop, else one and the same.
    fn places(&mut self, inner: &Loop, i: Value) -> Lanes {
        let own = self.wide.is_some_and(|wide| inner.axes.iter().any(|(var, _)| *var == wide.var));
        let lanes: SmallVec<[Value; 8]> = (0..self.lane_count() as i64)
            .map(|lane| if own { self.builder.ins().iadd_imm_s(i, lane) } else { i })
            .collect();
        debug_assert!(lanes.iter().all(|v| self.builder.func.dfg.value_type(*v) == I64));
        Lanes::Packed(self.gathered(&lanes, DType::I64))
    }

    /// Joins two accumulations, `a` of earlier elements than `b` or of a lower lane.
    pub(super) fn combine(&mut self, reducers: &[Reducer], a: &Accumulators, b: &Accumulators) -> Result<Accumulators> {
        let mut parts = SmallVec::new();
        let mut pairs = a.0.iter().zip(&b.0);
        for reducer in reducers {
            let (a, b) = pairs.next().expect("every reduction has a part");
            if reducer.is_place() {
                let (place_a, place_b) = pairs.next().expect("a place has two parts");
                let take = self.comes_first(reducer, (a, place_a), (b, place_b))?;
                for (dtype, a, b) in [(reducer.dtype, a, b), (DType::I64, place_a, place_b)] {
                    let args = [take.clone(), b.clone(), a.clone()];
                    parts.push(self.lane_op(LaneOp::Select, &[DType::Bool, dtype, dtype], &args)?);
                }
            } else {
                parts.push(self.lane_op(reducer.kind.join_op(), &[reducer.dtype; 2], &[a.clone(), b.clone()])?);
            }
        }
        Ok(Accumulators(parts))
    }

    /// Whether `b` is to be taken rather than `a`: it is larger (or smaller), or the first NaN, or equal and earlier.
    fn comes_first(&mut self, reducer: &Reducer, a: (&Lanes, &Lanes), b: (&Lanes, &Lanes)) -> Result<Lanes> {
        let compare = if reducer.kind == ReduceKind::ArgMax { LaneOp::Gt } else { LaneOp::Lt };
        let two = [reducer.dtype; 2];
        let bools = [DType::Bool; 2];
        let mut better = self.lane_op(compare, &two, &[b.0.clone(), a.0.clone()])?;
        let mut equal = self.lane_op(LaneOp::Eq, &two, &[a.0.clone(), b.0.clone()])?;
        if reducer.dtype.is_float() {
            let a_nan = self.lane_op(LaneOp::IsNan, &two[..1], std::slice::from_ref(a.0))?;
            let b_nan = self.lane_op(LaneOp::IsNan, &two[..1], std::slice::from_ref(b.0))?;
            let a_number = self.lane_op(LaneOp::Not, &bools[..1], std::slice::from_ref(&a_nan))?;
            let first_nan = self.lane_op(LaneOp::And, &bools, &[b_nan.clone(), a_number])?;
            better = self.lane_op(LaneOp::Or, &bools, &[better, first_nan])?;
            let both_nan = self.lane_op(LaneOp::And, &bools, &[a_nan, b_nan])?;
            equal = self.lane_op(LaneOp::Or, &bools, &[equal, both_nan])?;
        }
        let earlier = self.lane_op(LaneOp::Lt, &[DType::I64; 2], &[b.1.clone(), a.1.clone()])?;
        let tie = self.lane_op(LaneOp::And, &bools, &[equal, earlier])?;
        self.lane_op(LaneOp::Or, &bools, &[better, tie])
    }
}
