//! Whether a library call fits its operands, and its epilogue the rows that it runs over.

use super::data::*;
use super::verify::Verifier;
use super::verify_head::differ_by;
use crate::loops::{Access, Affine, Base, Index, Kernel, Place, Stmt};
use tracelift_tensor::{DType, Dim};

impl Verifier<'_> {
    pub(super) fn library(&mut self, step: &Step, call: &LibraryCall) {
        match &call.op {
            LibraryOp::MatMul(spec) => self.product(step, call, spec),
            LibraryOp::ArgSort { .. } => self.sort(step, call),
        }
    }

    fn sort(&mut self, step: &Step, call: &LibraryCall) {
        let [x] = call.operands[..] else {
            return self.report(step, format!("sorting has one operand, not {}", call.operands.len()));
        };
        let (given, result) = (self.program.buffer(x), self.program.buffer(call.result));
        if given.shape.is_empty() || result.dtype != DType::I32 || given.shape != result.shape {
            let message = format!("the order of {}{} is no {}{}", given.dtype, given.shape, result.dtype, result.shape);
            self.report(step, message);
        }
        if call.epilogue.is_some() {
            self.report(step, "sorting has no epilogue".to_string());
        }
        self.read(step, x);
        if self.may_share(x, call.result) {
            self.report(step, format!("`{}` is overwritten while it is sorted", self.program.buffer_text(x)));
        }
        self.write(step, call.result);
    }

    fn product(&mut self, step: &Step, call: &LibraryCall, spec: &MatMulSpec) {
        let program = self.program;
        let [a, b] = call.operands[..] else {
            return self.report(step, format!("a product has two operands, not {}", call.operands.len()));
        };
        let even = |strides: &[Dim; 3], sizes: [&Dim; 3]| -> Vec<(Dim, Dim)> {
            sizes.into_iter().cloned().zip(strides.iter().cloned()).collect()
        };
        let left = match &spec.spread {
            Some(spread) => {
                self.spread(step, spec, spread);
                let batch = (spec.batch.clone(), spec.a[0].clone());
                std::iter::once(batch).chain(spread.rows.iter().chain(&spread.steps).cloned()).collect()
            }
            None => even(&spec.a, [&spec.batch, &spec.m, &spec.k]),
        };
        for (id, axes) in [(a, left), (b, even(&spec.b, [&spec.batch, &spec.k, &spec.n]))] {
            let buffer = program.buffer(id);
            let name = program.buffer_text(id);
            if buffer.dtype != spec.dtype {
                self.report(step, format!("`{name}` is {}, the product {}", buffer.dtype, spec.dtype));
            }
            let reach: Dim = axes.iter().map(|(size, stride)| stride * (size - 1i64)).sum();
            let empty = axes.iter().any(|(size, _)| size.is_zero());
            if !empty && (&reach - buffer.shape.num_elements()).known().is_some_and(|beyond| beyond >= 0) {
                self.report(
                    step,
                    format!("the product reaches element {reach} of `{name}`, which has shape {}", buffer.shape),
                );
            }
            self.read(step, id);
            if self.may_share(id, call.result) {
                self.report(step, format!("`{name}` is overwritten while it is multiplied"));
            }
        }
        let result = program.buffer(call.result);
        let rows = &spec.batch * &spec.m;
        if result.dtype != spec.dtype || differ_by(&result.shape.num_elements(), &(&rows * &spec.n)) {
            let shape = format!("[{}, {}, {}]", spec.batch, spec.m, spec.n);
            self.report(
                step,
                format!("the result is {}{}, the product {}{shape}", result.dtype, result.shape, spec.dtype),
            );
        }
        if spec.vector && !spec.n.is_one() {
            self.report(step, format!("`vector` is for a right side with one column, not {}", spec.n));
        }
        self.write(step, call.result);
        if let Some(epilogue) = &call.epilogue {
            self.epilogue(step, call, epilogue, &rows);
        }
    }

    /// That the axes of a left side are its rows and its steps, in a product that takes them so.
    fn spread(&mut self, step: &Step, spec: &MatMulSpec, spread: &Spread) {
        for (what, axes, size) in [("rows", &spread.rows, &spec.m), ("steps", &spread.steps, &spec.k)] {
            let product: Dim = axes.iter().map(|(size, _)| size.clone()).product();
            if axes.is_empty() || differ_by(&product, size) {
                self.report(step, format!("the axes of the {what} have {product} elements, the product has {size}"));
            }
        }
        if !spec.dtype.is_float() || spec.vector {
            self.report(step, format!("only products of floats in one chain have `rows`, not those of {}", spec.dtype));
        }
    }

    fn epilogue(&mut self, step: &Step, call: &LibraryCall, epilogue: &Epilogue, rows: &Dim) {
        let kernel = self.program.kernel(epilogue.kernel);
        let name = &kernel.name;
        match kernel.outer_par() {
            Some(outer) if !differ_by(&outer.axes[0].1, rows) => {}
            _ => return self.report(step, format!("the epilogue `@{name}` is no `par` loop over the {rows} rows")),
        }
        if !kernel.results.is_empty() || kernel.can_fault() {
            self.report(step, format!("the epilogue `@{name}` has results or may fail"));
        }
        let mut operands = vec![];
        for (n, (id, param)) in epilogue.buffers.iter().zip(&kernel.params).enumerate() {
            if self.may_share(*id, call.result) && !stays_in_row(kernel, n) {
                self.report(step, format!("the epilogue `@{name}` reaches other rows through `%{}`", param.name));
            }
            let written = param.access != Access::Read;
            if written && call.operands.iter().any(|operand| self.may_share(*operand, *id)) {
                operands.push(self.program.buffer_text(*id));
            }
        }
        for operand in operands {
            self.report(step, format!("the epilogue `@{name}` overwrites `{operand}`, which later rows need"));
        }
        self.call(step, kernel, &epilogue.buffers, &epilogue.scalars);
    }
}

/// Whether all accesses of a parameter are in the row of the outermost loop.
fn stays_in_row(kernel: &Kernel, param: usize) -> bool {
    let Some(outer) = kernel.outer_par() else { return false };
    let row = Index::Affine(Affine::var(outer.axes[0].0));
    let base = Base::Param(param as u32);
    let in_row = |place: &Place| place.base != base || place.index.first() == Some(&row);
    let mut stays = true;
    kernel.for_each_stmt(&mut |stmt| {
        if let Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } = stmt {
            stays &= in_row(place);
        }
    });
    stays && kernel.params[param].shape.first().is_some_and(|rows| !differ_by(rows, &outer.axes[0].1))
}
