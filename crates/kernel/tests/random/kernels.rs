//! Random kernels that pass their verifier.

use crate::choices::Choices;
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Base, Index, Kernel, KernelBuilder, LoopVar, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Array, Bool, DType, Dim, F32, F64, I32, I64, Shape, U8};

/// Operations with a parameter; the others come from the list of all.
const PARAMETRIC: &[LaneOp] = &[
    LaneOp::Powi(-2),
    LaneOp::Powi(3),
    LaneOp::Cast(F32),
    LaneOp::Cast(F64),
    LaneOp::Cast(I32),
    LaneOp::Cast(I64),
    LaneOp::Cast(U8),
    LaneOp::Cast(Bool),
    LaneOp::RandomUniform(F32),
    LaneOp::RandomNormal(F64),
];

/// A kernel of up to three parts, each a loop over rows or over everything.
pub(crate) fn kernel(choices: &mut Choices<'_>, name: &str) -> Kernel {
    let mut writer = Writer { b: KernelBuilder::new(name), values: vec![], inputs: vec![], names: 0 };
    for _ in 0..choices.below(3) {
        let dtype = choices.of(&[F32, F64, I32, I64, U8, Bool]);
        let value = writer.b.scalar(choices.of(&["lr", "n", "0", "i1", "two words"]), dtype);
        writer.values.push(value);
    }
    let mut results = vec![];
    for _ in 0..1 + choices.below(3) {
        match choices.below(4) {
            0 => writer.rows(choices),
            1 => results.extend(writer.reduce(choices, &[dim("B"), dim("N")], &[])),
            2 => results.extend(writer.seq(choices)),
            _ => writer.flat(choices),
        }
    }
    results.truncate(choices.below(4));
    writer.b.finish(&results)
}

fn dim(text: &str) -> Dim {
    text.parse().unwrap()
}

struct Writer {
    b: KernelBuilder,
    /// What may be used here.
    values: Vec<Operand>,
    /// Buffers of shape [B, N] that are read.
    inputs: Vec<Base>,
    names: usize,
}

impl Writer {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    /// `par` over B, inside loops over N of all kinds, perhaps through a scratch row.
    fn rows(&mut self, choices: &mut Choices<'_>) {
        let row = choices.once_in(3).then(|| {
            let name = self.name();
            self.b.scratch(name, F32, dim("N"))
        });
        let i = self.b.par(dim("B"));
        let outside = self.values.len();
        if let Some(row) = row {
            let j = self.b.par(dim("N"));
            self.body(choices, &[i, j]);
            let value = self.of_type(choices, F32);
            self.b.store(row, [Index::Affine(Affine::var(j))], value);
            self.b.end();
            self.values.truncate(outside);
        }
        if choices.once_in(2) {
            let reduced = self.reduce(choices, &[dim("N")], &[i]);
            self.values.extend(reduced);
        }
        let j = self.b.par(dim("N"));
        self.body(choices, &[i, j]);
        if let Some(row) = row {
            let reversed = Affine::var(j).strided(&dim("N - 1"), -1);
            let value = self.b.load(row, [Index::Affine(reversed)]);
            self.values.push(value);
        }
        let value = self.any(choices);
        let (name, dtype) = (self.name(), self.b.dtype(&value));
        let access = choices.of(&[Access::Write, Access::Update]);
        let to = self.b.param(name, dtype, Shape::from([dim("B"), dim("N")]), access);
        let at = [Index::Affine(Affine::var(i)), Index::Affine(Affine::var(j))];
        if access == Access::Update {
            self.b.load(to, at.clone());
        }
        self.b.store(to, at, value);
        self.b.end();
        self.b.end();
        self.values.truncate(outside);
    }

    /// One loop over B with an offset into a longer buffer.
    fn flat(&mut self, choices: &mut Choices<'_>) {
        let outside = self.values.len();
        let i = self.b.par(dim("B"));
        self.body(choices, &[i]);
        let value = self.any(choices);
        let (name, dtype) = (self.name(), self.b.dtype(&value));
        let to = self.b.param(name, dtype, Shape::from([dim("2*B + 1")]), Access::Update);
        let at = choices.of(&[
            Affine::var(i).strided(&dim("1"), 2),
            Affine::var(i).strided(&dim("2*B"), -1),
            Affine::var(i).strided(&dim("0"), 1),
        ]);
        self.b.store(to, [Index::Affine(at)], value);
        self.b.end();
        self.values.truncate(outside);
    }

    fn reduce(&mut self, choices: &mut Choices<'_>, extents: &[Dim], outer: &[LoopVar]) -> Vec<Operand> {
        let outside = self.values.len();
        let order = choices.of(&[ReduceOrder::Lanes, ReduceOrder::Chain]);
        // The kinds depend on the types of the values, which are made inside: decide on numbers now, on bools rarely.
        let bools = choices.once_in(4);
        let kinds: Vec<ReduceKind> = (0..1 + choices.below(2))
            .map(|_| match bools {
                true => choices.of(&[ReduceKind::Any, ReduceKind::All, ReduceKind::Max]),
                false => choices.of(&[
                    ReduceKind::Sum,
                    ReduceKind::Prod,
                    ReduceKind::Max,
                    ReduceKind::Min,
                    ReduceKind::ArgMax,
                ]),
            })
            .collect();
        let vars = self.b.reduce(&kinds, order, extents);
        let all: Vec<LoopVar> = outer.iter().copied().chain(vars).collect();
        self.body(choices, &all);
        let dtype = if bools { Bool } else { choices.of(&[F32, F64, I32, I64, U8]) };
        let yields: Vec<Operand> = kinds.iter().map(|_| self.of_type(choices, dtype)).collect();
        let results = self.b.end_reduce(&yields);
        self.values.truncate(outside);
        results.to_vec()
    }

    fn seq(&mut self, choices: &mut Choices<'_>) -> Vec<Operand> {
        let outside = self.values.len();
        let dtype = choices.of(&[F32, I64]);
        let first = self.of_type(choices, dtype);
        let (i, carried) = self.b.seq(dim("B"), &[first]);
        self.values.extend(carried);
        self.body(choices, &[i]);
        let next = self.of_type(choices, dtype);
        let last = self.b.end_seq(&[next]);
        self.values.truncate(outside);
        last.to_vec()
    }

    /// Loads and operations; the first two variables run over B and N.
    fn body(&mut self, choices: &mut Choices<'_>, vars: &[LoopVar]) {
        if choices.once_in(3) {
            let index = self.b.index(Affine::var(vars[0]).strided(&dim("N"), 3));
            self.values.push(index);
        }
        if let [i, j] = vars {
            let base = self.input(choices);
            let value = self.b.load(base, [Index::Affine(Affine::var(*i)), Index::Affine(Affine::var(*j))]);
            self.values.push(value);
            if choices.once_in(4) {
                let table = self.input(choices);
                let row = self.index_below_four();
                let name = self.name();
                let small = self.b.param(name, F32, Shape::from([Dim::from(4), dim("N")]), Access::Read);
                let value = self.b.load(small, [Index::Indirect(row), Index::Affine(Affine::var(*j))]);
                self.values.push(value);
                self.b.load(table, [Index::Affine(Affine::var(*i)), Index::Affine(Affine::var(*j))]);
            }
        }
        for _ in 0..choices.below(6) {
            self.lane(choices);
        }
    }

    /// An i32 in 0..4 made of any number.
    fn index_below_four(&mut self) -> tracelift_kernel::loops::Reg {
        let value = self.b.literal(Scalar::I32(7));
        let bits = self.b.lane(LaneOp::And, &[value, Operand::Const(Scalar::I32(3))]);
        match bits {
            Operand::Reg(reg) => reg,
            Operand::Const(_) => unreachable!("a lane operation sets a register"),
        }
    }

    fn input(&mut self, choices: &mut Choices<'_>) -> Base {
        if !self.inputs.is_empty() && choices.once_in(2) {
            return choices.of(&self.inputs);
        }
        let (name, dtype) = (self.name(), choices.of(&[F32, F64, I32, I64, U8, Bool]));
        let base = self.b.param(name, dtype, Shape::from([dim("B"), dim("N")]), Access::Read);
        self.inputs.push(base);
        base
    }

    fn lane(&mut self, choices: &mut Choices<'_>) {
        let op = if choices.once_in(4) { choices.of(PARAMETRIC) } else { choices.of(LaneOp::PLAIN) };
        let args: Vec<Operand> = (0..op.arity()).map(|_| self.any(choices)).collect();
        let types: Vec<DType> = args.iter().map(|arg| self.b.dtype(arg)).collect();
        if op.result_type(&types).is_ok() {
            let value = self.b.lane(op, &args);
            self.values.push(value);
        }
    }

    fn any(&mut self, choices: &mut Choices<'_>) -> Operand {
        if self.values.is_empty() || choices.once_in(4) {
            let dtype = choices.of(&[F32, F64, I32, I64, U8, Bool]);
            return Operand::Const(literal(choices, dtype));
        }
        choices.of(&self.values)
    }

    /// The last value of a type, or a literal.
    fn of_type(&mut self, choices: &mut Choices<'_>, dtype: DType) -> Operand {
        let found = self.values.iter().rev().find(|value| self.b.dtype(value) == dtype).copied();
        found.unwrap_or_else(|| Operand::Const(literal(choices, dtype)))
    }
}

pub(crate) fn literal(choices: &mut Choices<'_>, dtype: DType) -> Scalar {
    match dtype {
        F32 => Scalar::F32(choices.of(&[1.0, -0.0, 0.1, f32::NAN, f32::NEG_INFINITY, 1e-45, 3e38])),
        F64 => Scalar::F64(choices.of(&[1.0, -0.0, 0.1, f64::NAN, f64::INFINITY, 5e-324])),
        I32 => Scalar::I32(choices.of(&[1, 0, -1, i32::MIN])),
        I64 => Scalar::I64(choices.of(&[1, 0, i64::MAX, i64::MIN])),
        U8 => Scalar::U8(choices.of(&[1, 0, 255])),
        _ => Scalar::Bool(choices.once_in(2)),
    }
}

/// An array whose elements differ.
pub(crate) fn array(dtype: DType, shape: &[usize], seed: usize) -> Array {
    let count: usize = shape.iter().product();
    let numbers = (0..count).map(|n| ((n * 37 + seed * 101) % 23) as i32 - 11);
    match dtype {
        F32 => Array::new(shape, numbers.map(|n| n as f32 * 0.37).collect::<Vec<_>>()),
        F64 => Array::new(shape, numbers.map(|n| f64::from(n) * 0.37).collect::<Vec<_>>()),
        I32 => Array::new(shape, numbers.collect::<Vec<_>>()),
        I64 => Array::new(shape, numbers.map(i64::from).collect::<Vec<_>>()),
        U8 => Array::new(shape, numbers.map(|n| n as u8).collect::<Vec<_>>()),
        _ => Array::new(shape, numbers.map(|n| n % 2 == 0).collect::<Vec<_>>()),
    }
    .unwrap()
}

/// Rank-0 arguments for a kernel.
pub(crate) fn scalars(kernel: &Kernel) -> Vec<Scalar> {
    let types = kernel.scalars.iter().map(|scalar| kernel.registers[scalar.reg.0 as usize]);
    types.map(|dtype| Scalar::from_bits(dtype, if dtype.is_float() { 0 } else { 1 })).collect()
}

pub(crate) fn rank_0(value: Scalar) -> Array {
    match value {
        Scalar::F32(x) => Array::scalar(x),
        Scalar::F64(x) => Array::scalar(x),
        Scalar::I32(x) => Array::scalar(x),
        Scalar::I64(x) => Array::scalar(x),
        Scalar::U8(x) => Array::scalar(x),
        Scalar::Bool(x) => Array::scalar(x),
    }
}
