//! Random kernels: any mix of types, operations and loops gives native code with the bits of the interpreter.

use crate::check::{Numbers, check};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Index, KernelBuilder, LoopVar, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Binding, DType, Dim, Shape};

const DTYPES: [DType; 6] = [DType::F32, DType::F64, DType::I32, DType::I64, DType::U8, DType::Bool];

fn at(var: LoopVar) -> Index {
    Index::Affine(Affine::var(var))
}

/// Draws kernels.
struct Draw {
    numbers: Numbers,
}

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.numbers.next() as usize % n
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn dtype(&mut self) -> DType {
        // Most of real life is f32.
        if self.below(3) == 0 { self.pick(&DTYPES) } else { DType::F32 }
    }

    fn op(&mut self) -> LaneOp {
        match self.below(10) {
            0 => LaneOp::Powi(self.below(5) as i32 - 1),
            1 => LaneOp::Cast(self.dtype()),
            2 => LaneOp::Select,
            _ => self.pick(LaneOp::PLAIN),
        }
    }

    /// Adds operations on values chosen from those there are.
    fn ops(&mut self, k: &mut KernelBuilder, values: &mut Vec<Operand>, count: usize) {
        let mut left = count;
        while left > 0 {
            let op = self.op();
            let mut args: Vec<Operand> = (0..op.arity()).map(|_| values[self.below(values.len())]).collect();
            if self.below(5) == 0 {
                let last = args.len() - 1;
                let dtype = k.dtype(&args[last]);
                args[last] = Operand::Const(self.numbers.scalar(dtype));
            }
            let types: Vec<DType> = args.iter().map(|arg| k.dtype(arg)).collect();
            // Faults have tests of their own.
            if op.result_type(&types).is_ok() && !op.can_fault(types[0]) {
                values.push(k.lane(op, &args));
                left -= 1;
            }
        }
    }

    /// A nest of two loops over `A` and `B`, some extents known, with loads of all broadcasts and a few stores.
    fn nest(&mut self, name: String, a: i64, b: i64) -> tracelift_kernel::loops::Kernel {
        let extent = |this: &mut Self, sym: &str, n: i64| if this.below(2) == 0 { Dim::sym(sym) } else { Dim::from(n) };
        let (rows, columns) = (extent(self, "A", a), extent(self, "B", b));
        let mut k = KernelBuilder::new(name);
        let loads: Vec<(DType, usize)> = (0..1 + self.below(3)).map(|_| (self.dtype(), self.below(5))).collect();
        let bases: Vec<_> = loads
            .iter()
            .enumerate()
            .map(|(n, (dtype, form))| {
                let shape = match form {
                    0 | 1 => vec![rows.clone(), columns.clone()],
                    2 => vec![columns.clone()],
                    3 => vec![rows.clone()],
                    _ => vec![columns.clone(), rows.clone()],
                };
                k.param(format!("x{n}"), *dtype, Shape::from(shape), Access::Read)
            })
            .collect();
        let scalar_dtype = self.dtype();
        let scalar = k.scalar("s", scalar_dtype);
        let load = |k: &mut KernelBuilder, i: LoopVar, j: LoopVar| -> Vec<Operand> {
            let indices = |form: &usize| match form {
                0 | 1 => vec![at(i), at(j)],
                2 => vec![at(j)],
                3 => vec![at(i)],
                _ => vec![at(j), at(i)],
            };
            let loaded = bases.iter().zip(&loads).map(|(base, (_, form))| k.load(*base, indices(form)));
            loaded.collect::<Vec<_>>()
        };
        let outputs = 1 + self.below(2);
        let i = k.par(rows.clone());
        let mut outer = vec![scalar];
        // A reduction of the row first, whose result the elementwise part may use.
        if self.below(2) == 0 {
            let order = self.pick(&[ReduceOrder::Lanes, ReduceOrder::Chain]);
            let mut trial = vec![];
            let kinds = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Prod, ReduceKind::ArgMin, ReduceKind::Any];
            let kind = self.pick(&kinds);
            // What is reduced has to be known when the loop opens: find a value of a fitting type first.
            let mut scratchpad = KernelBuilder::new("trial");
            for (dtype, _) in &loads {
                trial.push(scratchpad.scalar("x", *dtype));
            }
            let fits = |k: &KernelBuilder, value: &Operand| kind.result_type(k.dtype(value)).is_ok();
            let count = self.below(6);
            if let Some(n) = (0..trial.len()).find(|n| fits(&scratchpad, &trial[*n])) {
                let j = k.reduce(&[kind], order, std::slice::from_ref(&columns))[0];
                let mut values = load(&mut k, i, j);
                let mut value = values[n];
                values.push(scalar);
                self.ops(&mut k, &mut values, count);
                if let Some(better) = values.iter().rev().find(|value| fits(&k, value)) {
                    value = *better;
                }
                outer.extend(k.end_reduce(&[value]));
            }
        }
        let j = k.par(columns.clone());
        let mut values = load(&mut k, i, j);
        values.extend(outer);
        let count = 1 + self.below(14);
        self.ops(&mut k, &mut values, count);
        if self.below(6) == 0 {
            values.push(k.index(Affine::var(j).strided(&Dim::from(2usize), 3)));
        }
        for n in 0..outputs {
            let value = values[values.len() - 1 - n % values.len()];
            let dtype = k.dtype(&value);
            let shape = Shape::from([rows.clone(), columns.clone()]);
            let y = k.param(format!("y{n}"), dtype, shape, Access::Write);
            k.store(y, [at(i), at(j)], value);
        }
        k.end();
        k.end();
        k.finish(&[])
    }
}

impl Draw {
    /// A loop over columns, around a reduction or a sequence down the rows, of values with all broadcasts.
    fn columns(&mut self, name: String, a: i64, b: i64) -> tracelift_kernel::loops::Kernel {
        let extent = |this: &mut Self, sym: &str, n: i64| if this.below(2) == 0 { Dim::sym(sym) } else { Dim::from(n) };
        let (rows, columns) = (extent(self, "A", a), extent(self, "B", b));
        let mut k = KernelBuilder::new(name);
        let forms: Vec<(DType, usize)> = (0..1 + self.below(3)).map(|_| (self.dtype(), self.below(4))).collect();
        let shape = |form: usize| match form {
            0 | 1 => vec![rows.clone(), columns.clone()],
            2 => vec![columns.clone()],
            _ => vec![rows.clone()],
        };
        let bases: Vec<_> = forms
            .iter()
            .enumerate()
            .map(|(n, (dtype, form))| k.param(format!("x{n}"), *dtype, Shape::from(shape(*form)), Access::Read))
            .collect();
        let load = |k: &mut KernelBuilder, i: LoopVar, j: LoopVar| -> Vec<Operand> {
            let indices = |form: &usize| match form {
                0 | 1 => vec![at(i), at(j)],
                2 => vec![at(j)],
                _ => vec![at(i)],
            };
            bases.iter().zip(&forms).map(|(base, (_, form))| k.load(*base, indices(form))).collect()
        };
        let j = k.par(columns.clone());
        let count = self.below(8);
        let first = self.numbers.scalar(forms[0].0);
        let is_sequence = self.below(3) == 0;
        let results = if is_sequence {
            let (i, carried) = k.seq(rows.clone(), &[Operand::Const(first)]);
            let mut values = load(&mut k, i, j);
            values.push(carried[0]);
            self.ops(&mut k, &mut values, count);
            let next = values.iter().rev().find(|value| k.dtype(value) == forms[0].0);
            let next = *next.expect("the first load has this type");
            k.end_seq(&[next])
        } else {
            // What is reduced has to be known when the loop opens: the first load.
            let kinds = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Prod, ReduceKind::Min, ReduceKind::All];
            let fitting: Vec<ReduceKind> =
                kinds.into_iter().filter(|kind| kind.result_type(forms[0].0).is_ok()).collect();
            let kinds = [self.pick(&fitting), self.pick(&fitting)];
            let i = k.reduce(&kinds, ReduceOrder::Chain, std::slice::from_ref(&rows))[0];
            let mut values = load(&mut k, i, j);
            let loaded = values[0];
            self.ops(&mut k, &mut values, count);
            let last = *values.iter().rev().find(|value| k.dtype(value) == forms[0].0).unwrap_or(&loaded);
            k.end_reduce(&[loaded, last])
        };
        let mut values = results.to_vec();
        self.ops(&mut k, &mut values, 3);
        for n in 0..2 {
            let value = values[values.len() - 1 - n % values.len()];
            let dtype = k.dtype(&value);
            let y = k.param(format!("y{n}"), dtype, Shape::from([columns.clone()]), Access::Write);
            k.store(y, [at(j)], value);
        }
        k.end();
        k.finish(&[])
    }
}

#[test]
fn random_columns_have_the_bits_of_the_interpreter() {
    let mut draw = Draw { numbers: Numbers(777) };
    for case in 0..150 {
        let (a, b) = (draw.below(12) as i64 + 1, draw.pick(&[1, 5, 16, 31, 64, 70, 257]));
        let kernel = draw.columns(format!("random columns {case}"), a, b);
        check(kernel, &[], &[Binding::from_iter([("A", a), ("B", b)])]);
    }
}

#[test]
fn random_kernels_have_the_bits_of_the_interpreter() {
    let mut draw = Draw { numbers: Numbers(4242) };
    for case in 0..400 {
        let (a, b) = (draw.below(4) as i64 + 1, draw.pick(&[1, 3, 4, 5, 7, 8, 12, 31, 33, 70]));
        let kernel = draw.nest(format!("random {case}"), a, b);
        let scalars: Vec<Scalar> =
            kernel.scalars.iter().map(|param| draw.numbers.scalar(kernel.registers[param.reg.0 as usize])).collect();
        check(kernel, &scalars, &[Binding::from_iter([("A", a), ("B", b)])]);
    }
}
