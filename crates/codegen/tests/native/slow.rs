//! A kernel run the slow way: every statement on plain values, in the defined order. What native code is held to.

use tracelift_kernel::lane::{LaneOp, Scalar, eval_scalar};
use tracelift_kernel::loops::{Affine, Base, Block, Index, Kernel, Loop, LoopKind, Operand, Place, Stmt};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Array, Binding, DType};

/// The state of a run.
pub(crate) struct Oracle<'k> {
    kernel: &'k Kernel,
    sizes: &'k Binding,
    buffers: Vec<Vec<Scalar>>,
    scratch: Vec<Vec<Scalar>>,
    regs: Vec<Option<Scalar>>,
    vars: Vec<i64>,
}

/// Runs a kernel; answers the rank-0 results and leaves what it wrote in `buffers`.
pub(crate) fn run(kernel: &Kernel, buffers: &mut [Array], scalars: &[Scalar], sizes: &Binding) -> Vec<Scalar> {
    let mut oracle = Oracle {
        kernel,
        sizes,
        buffers: buffers.iter().map(scalars_of).collect(),
        scratch: kernel
            .scratch
            .iter()
            .map(|row| vec![Scalar::from_bits(row.dtype, 0); row.extent.eval(sizes).unwrap() as usize])
            .collect(),
        regs: vec![None; kernel.registers.len()],
        vars: vec![0; kernel.loop_vars as usize],
    };
    for (param, value) in kernel.scalars.iter().zip(scalars) {
        oracle.regs[param.reg.0 as usize] = Some(*value);
    }
    oracle.block(&kernel.body);
    let results = kernel.body.yields.iter().map(|value| oracle.value(value)).collect();
    for (array, values) in buffers.iter_mut().zip(&oracle.buffers) {
        *array = array_of(array.dtype(), array.shape(), values);
    }
    results
}

fn bytes_of(value: Scalar) -> Vec<u8> {
    value.bits().to_le_bytes()[..value.dtype().size()].to_vec()
}

pub(crate) fn scalars_of(array: &Array) -> Vec<Scalar> {
    let size = array.dtype().size();
    let bits = |chunk: &[u8]| chunk.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    array.bytes()[..array.len() * size].chunks(size).map(|c| Scalar::from_bits(array.dtype(), bits(c))).collect()
}

pub(crate) fn array_of(dtype: DType, shape: &[usize], values: &[Scalar]) -> Array {
    let mut array = Array::zeros(dtype, shape).unwrap();
    let bytes: Vec<u8> = values.iter().flat_map(|v| bytes_of(*v)).collect();
    array.bytes_mut()[..bytes.len()].copy_from_slice(&bytes);
    array
}

impl Oracle<'_> {
    fn value(&self, operand: &Operand) -> Scalar {
        match operand {
            Operand::Reg(reg) => self.regs[reg.0 as usize].expect("set before use"),
            Operand::Const(value) => *value,
        }
    }

    fn affine(&self, affine: &Affine) -> i64 {
        let terms = affine.terms.iter().map(|(var, c)| c.eval(self.sizes).unwrap() * self.vars[var.0 as usize]);
        affine.offset.eval(self.sizes).unwrap() + terms.sum::<i64>()
    }

    fn element(&self, place: &Place) -> usize {
        let shape: Vec<i64> = match place.base {
            Base::Param(n) => {
                self.kernel.params[n as usize].shape.iter().map(|d| d.eval(self.sizes).unwrap()).collect()
            }
            Base::Scratch(n) => vec![self.scratch[n as usize].len() as i64],
        };
        let mut element = 0;
        for (index, extent) in place.index.iter().zip(&shape) {
            let at = match index {
                Index::Affine(affine) => self.affine(affine),
                Index::Indirect(reg) => match self.regs[reg.0 as usize] {
                    Some(Scalar::I32(at)) => at.into(),
                    Some(Scalar::I64(at)) => at,
                    other => panic!("{other:?} is no index"),
                },
            };
            assert!((0..*extent).contains(&at), "index {at} of {extent}");
            element = element * extent + at;
        }
        element as usize
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Load { dst, from } => {
                    let element = self.element(from);
                    let value = match from.base {
                        Base::Param(n) => self.buffers[n as usize][element],
                        Base::Scratch(n) => self.scratch[n as usize][element],
                    };
                    self.regs[dst.0 as usize] = Some(value);
                }
                Stmt::Store { to, value } => {
                    let element = self.element(to);
                    let value = self.value(value);
                    match to.base {
                        Base::Param(n) => self.buffers[n as usize][element] = value,
                        Base::Scratch(n) => self.scratch[n as usize][element] = value,
                    }
                }
                Stmt::Lane { dst, op, args } => {
                    let args: Vec<Scalar> = args.iter().map(|arg| self.value(arg)).collect();
                    self.regs[dst.0 as usize] = Some(eval_scalar(*op, &args).unwrap());
                }
                Stmt::Index { dst, value } => self.regs[dst.0 as usize] = Some(Scalar::I64(self.affine(value))),
                Stmt::Loop(inner) => self.run_loop(inner),
            }
        }
    }

    fn run_loop(&mut self, inner: &Loop) {
        let extents: Vec<i64> = inner.axes.iter().map(|(_, extent)| extent.eval(self.sizes).unwrap()).collect();
        match &inner.kind {
            LoopKind::Par => {
                for i in 0..extents[0] {
                    self.vars[inner.axes[0].0.0 as usize] = i;
                    self.block(&inner.body);
                }
            }
            LoopKind::Seq => {
                let mut carried: Vec<Scalar> = inner.carried.iter().map(|(_, first)| self.value(first)).collect();
                for i in 0..extents[0] {
                    self.vars[inner.axes[0].0.0 as usize] = i;
                    for ((reg, _), value) in inner.carried.iter().zip(&carried) {
                        self.regs[reg.0 as usize] = Some(*value);
                    }
                    self.block(&inner.body);
                    carried = inner.body.yields.iter().map(|value| self.value(value)).collect();
                }
                for (dst, value) in inner.results.iter().zip(carried) {
                    self.regs[dst.0 as usize] = Some(value);
                }
            }
            LoopKind::Reduce { kinds, order } => {
                let n: i64 = extents.iter().product();
                let mut elements: Vec<Vec<Scalar>> = vec![vec![]; kinds.len()];
                for flat in 0..n {
                    let mut rest = flat;
                    for ((var, _), extent) in inner.axes.iter().zip(&extents).rev() {
                        self.vars[var.0 as usize] = rest % extent;
                        rest /= extent;
                    }
                    self.block(&inner.body);
                    for (list, value) in elements.iter_mut().zip(&inner.body.yields) {
                        list.push(self.value(value));
                    }
                }
                for (n, kind) in kinds.iter().enumerate() {
                    let dtype = self.kernel.dtype(&inner.body.yields[n]);
                    let result = reduce(*kind, *order, dtype, &elements[n]);
                    self.regs[inner.results[n].0 as usize] = Some(result);
                }
            }
        }
    }
}

/// A reduction in the defined order, as R1 of the design words it.
pub(crate) fn reduce(kind: ReduceKind, order: ReduceOrder, dtype: DType, x: &[Scalar]) -> Scalar {
    let op = match kind {
        ReduceKind::ArgMax | ReduceKind::ArgMin => return place(kind, x),
        ReduceKind::Sum => LaneOp::Add,
        ReduceKind::Prod => LaneOp::Mul,
        ReduceKind::Min => LaneOp::Min,
        ReduceKind::Max => LaneOp::Max,
        ReduceKind::Any => LaneOp::Or,
        ReduceKind::All => LaneOp::And,
    };
    let join = |a: Scalar, b: Scalar| eval_scalar(op, &[a, b]).unwrap();
    let blocks = x.chunks(4096).map(|block| match order {
        ReduceOrder::Chain => block.iter().copied().reduce(join),
        ReduceOrder::Lanes => {
            let mut lanes: Vec<Option<Scalar>> = vec![None; 32];
            for (j, x) in block.iter().enumerate() {
                lanes[j % 32] = Some(lanes[j % 32].map_or(*x, |lane| join(lane, *x)));
            }
            for width in [16, 8, 4, 2, 1] {
                for lane in 0..width {
                    lanes[lane] = match (lanes[lane], lanes[lane + width]) {
                        (Some(a), Some(b)) => Some(join(a, b)),
                        (a, _) => a,
                    };
                }
            }
            lanes[0]
        }
    });
    let mut level: Vec<Scalar> = blocks.flatten().collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| pair.iter().copied().reduce(join).unwrap()).collect();
    }
    level.pop().unwrap_or_else(|| match (kind, dtype) {
        (ReduceKind::Sum, _) | (ReduceKind::Any, _) => Scalar::from_bits(dtype, 0),
        (ReduceKind::All, _) => Scalar::Bool(true),
        (ReduceKind::Prod, DType::F32) => Scalar::F32(1.0),
        (ReduceKind::Prod, DType::F64) => Scalar::F64(1.0),
        (ReduceKind::Prod, _) => Scalar::from_bits(dtype, 1),
        _ => panic!("{kind} of nothing"),
    })
}

fn place(kind: ReduceKind, x: &[Scalar]) -> Scalar {
    let beats = if kind == ReduceKind::ArgMax { LaneOp::Gt } else { LaneOp::Lt };
    let mut best = 0;
    for n in 1..x.len() {
        let better = eval_scalar(beats, &[x[n], x[best]]) == Ok(Scalar::Bool(true));
        if better || (x[n].is_nan() && !x[best].is_nan()) {
            best = n;
        }
    }
    Scalar::I64(best as i64)
}

/// Whether two buffers agree to the bit, all NaNs counting as one.
pub(crate) fn assert_same(what: &str, got: &Array, expect: &Array) {
    if got.bit_eq(expect) {
        return;
    }
    let (got, expect) = (scalars_of(got), scalars_of(expect));
    for (n, (got, expect)) in got.iter().zip(&expect).enumerate() {
        assert!(got.same(*expect), "{what}: element {n} of {} is {got}, not {expect}", expect.dtype());
    }
    panic!("{what}: shapes differ");
}
