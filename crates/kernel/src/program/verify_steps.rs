//! Whether a step fits its kernel and its operands.

use super::data::*;
use super::verify::Verifier;
use super::verify_head::{differ, differ_by};
use crate::loops::{Access, Kernel};
use tracelift_tensor::{DType, Dim};

impl<'p> Verifier<'p> {
    /// A step without blocks.
    pub(super) fn plain_step(&mut self, step: &'p Step) {
        match step {
            Step::Launch(launch) => self.launch(step, launch),
            Step::Library(call) => self.library(step, call),
            Step::Scalar { dst, op, args, site } => {
                let types: Vec<DType> = args.iter().map(|arg| self.read_scalar(step, arg, None)).collect();
                match op.result_type(&types) {
                    Ok(dtype) => {
                        self.define(step, *dst, Some(dtype));
                        if op.can_fault(types[0]) && site.is_none() {
                            self.report(step, "this may fail and does not say where it was written");
                        }
                    }
                    Err(message) => {
                        self.report(step, message);
                        self.define(step, *dst, None);
                    }
                }
            }
            Step::Dim { dst, .. } => self.define(step, *dst, Some(DType::I64)),
            Step::Read { dst, from } => {
                self.one_element(step, *from);
                self.read(step, *from);
                let dtype = self.program.buffer(*from).dtype;
                self.define(step, *dst, Some(dtype));
            }
            Step::Write { to, value } => {
                self.one_element(step, *to);
                self.read_scalar(step, value, Some(self.program.buffer(*to).dtype));
                self.write(step, *to);
            }
            Step::Check { check, .. } => self.verify_check(step, check),
            Step::Copy { from, to } => self.copy(step, *from, *to),
            Step::Commit { to, from } => {
                if !matches!(self.program.buffer(self.program.owner(*to)).role, Role::NextState(_)) {
                    self.report(step, "only the next value of a state is committed");
                }
                self.copy(step, *from, *to);
            }
            Step::Swap { a, b } => self.swap(step, *a, *b),
            Step::Stack(stack) => self.stack_step(step, stack),
            Step::Print { values, .. } => {
                for value in values {
                    match value {
                        PrintArg::Buffer(id) => self.read(step, *id),
                        PrintArg::Scalar(value) => drop(self.read_scalar(step, value, None)),
                    }
                }
            }
            Step::If { .. } | Step::Loop(_) => unreachable!("steps with blocks are walked elsewhere"),
        }
    }

    fn launch(&mut self, step: &Step, launch: &Launch) {
        let kernel = self.program.kernel(launch.kernel);
        if kernel.can_fault() && launch.site.is_none() {
            self.report(step, "this may fail and does not say where it was written");
        }
        self.call(step, kernel, &launch.buffers, &launch.scalars);
        if launch.results.len() != kernel.results.len() {
            let (sets, gives) = (launch.results.len(), kernel.results.len());
            self.report(step, format!("it sets {sets} registers, the kernel has {gives} results"));
        }
        for (n, register) in launch.results.iter().enumerate() {
            self.define(step, *register, kernel.results.get(n).copied());
        }
    }

    /// What a kernel is given: types, numbers of elements, and no buffer that it both writes and uses otherwise.
    pub(super) fn call(&mut self, step: &Step, kernel: &Kernel, buffers: &[BufferId], scalars: &[ScalarArg]) {
        let (program, name) = (self.program, &kernel.name);
        if buffers.len() != kernel.params.len() {
            let wanted = kernel.params.len();
            return self.report(step, format!("`@{name}` takes {wanted} buffers, not {}", buffers.len()));
        }
        for (id, param) in buffers.iter().zip(&kernel.params) {
            let buffer = program.buffer(*id);
            if buffer.dtype != param.dtype || differ(&buffer.shape, &param.shape) {
                let given = format!("`{}` is {}{}", program.buffer_text(*id), buffer.dtype, buffer.shape);
                self.report(step, format!("{given}, `%{}` of `@{name}` is {}{}", param.name, param.dtype, param.shape));
            }
        }
        let wanted: Vec<DType> = kernel.scalars.iter().map(|s| kernel.registers[s.reg.0 as usize]).collect();
        if scalars.len() != wanted.len() {
            let message = format!("`@{name}` takes {} rank-0 arguments, not {}", wanted.len(), scalars.len());
            self.report(step, message);
        }
        for (arg, wanted) in scalars.iter().zip(wanted) {
            self.read_scalar(step, arg, Some(wanted));
        }
        let params = || buffers.iter().zip(&kernel.params);
        for (id, param) in params() {
            if param.access != Access::Write {
                self.read(step, *id);
            }
        }
        for (n, (id, param)) in params().enumerate() {
            if param.access == Access::Read {
                continue;
            }
            for (m, (other, other_param)) in params().enumerate() {
                let both_written = other_param.access != Access::Read;
                let overlap = m != n && self.may_share(*id, *other) && !(both_written && m > n);
                if overlap && (both_written || param.access == Access::Update || !kernel.may_overwrite(m, n)) {
                    let (a, b) = (program.buffer_text(*id), program.buffer_text(*other));
                    self.report(step, format!("`@{name}` writes `{a}` while it uses `{b}` in the same memory"));
                }
            }
        }
        for (id, param) in params() {
            if param.access != Access::Read {
                self.write(step, *id);
            }
        }
    }

    /// Whether two buffers may be the same memory: one and the same, or a state before and after.
    pub(super) fn may_share(&self, a: BufferId, b: BufferId) -> bool {
        let (a, b) = (self.program.owner(a), self.program.owner(b));
        let roles = (&self.program.buffer(a).role, &self.program.buffer(b).role);
        let same_state = match roles {
            (Role::State(n), Role::NextState(m)) | (Role::NextState(n), Role::State(m)) => n == m,
            _ => false,
        };
        a == b || same_state
    }

    fn one_element(&mut self, step: &Step, id: BufferId) {
        let shape = &self.program.buffer(id).shape;
        if differ_by(&shape.num_elements(), &Dim::ONE) {
            let message = format!("`{}` has the shape {shape}, not one element", self.program.buffer_text(id));
            self.report(step, message);
        }
    }

    fn verify_check(&mut self, step: &Step, check: &Check) {
        match check {
            Check::Bounds { indices, .. } => {
                self.read(step, *indices);
                let dtype = self.program.buffer(*indices).dtype;
                if !matches!(dtype, DType::I32 | DType::I64) {
                    self.report(step, format!("indices are i32 or i64, not {dtype}"));
                }
            }
            Check::IndexBounds { index, .. } => {
                let dtype = self.read_scalar(step, index, None);
                if !matches!(dtype, DType::I32 | DType::I64) {
                    self.report(step, format!("an index is i32 or i64, not {dtype}"));
                }
            }
            Check::Assert { condition, .. } => drop(self.read_scalar(step, condition, Some(DType::Bool))),
            Check::AssertAll { conditions, .. } => {
                self.read(step, *conditions);
                let dtype = self.program.buffer(*conditions).dtype;
                if dtype != DType::Bool {
                    self.report(step, format!("conditions are bool, not {dtype}"));
                }
            }
        }
    }

    fn copy(&mut self, step: &Step, from: BufferId, to: BufferId) {
        self.equal(step, from, to);
        self.read(step, from);
        self.write(step, to);
    }

    /// Equal types and numbers of elements.
    fn equal(&mut self, step: &Step, a: BufferId, b: BufferId) {
        let (a, b) = (self.program.buffer(a), self.program.buffer(b));
        if a.dtype != b.dtype || differ(&a.shape, &b.shape) {
            let types = format!("{}{} and {}{}", a.dtype, a.shape, b.dtype, b.shape);
            self.report(step, format!("the buffers are {types}"));
        }
    }

    fn swap(&mut self, step: &Step, a: BufferId, b: BufferId) {
        self.equal(step, a, b);
        for id in [a, b] {
            if self.program.buffer(id).role != Role::Arena {
                let name = self.program.buffer_text(id);
                return self.report(step, format!("`{name}` is not in the arena and keeps its memory"));
            }
        }
        // Each name now stands for what the other one stood for.
        let [of_a, of_b] = [a, b].map(|id| self.now.holds[id.0 as usize]);
        let renamed =
            |holder: Option<BufferId>, from, to| holder.map(|holder| if holder == from { to } else { holder });
        self.now.holds[a.0 as usize] = renamed(of_b, b, a);
        self.now.holds[b.0 as usize] = renamed(of_a, a, b);
    }
}
