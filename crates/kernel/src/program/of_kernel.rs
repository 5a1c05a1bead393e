//! A program that does nothing but run one kernel, so that whatever runs programs runs kernels, too.

use super::data::*;
use crate::loops::{Access, Kernel};
use std::sync::Arc;
use tracelift_tensor::{DType, Error, Result, Shape};

impl Program {
    /// Runs the kernel once.
    ///
    /// Inputs are what it reads (`inout` ones, too), then its rank-0 arguments; results are what it writes, then its
    /// rank-0 results. Each unknown size must be the size of an axis of an input.
    pub fn of_kernel(kernel: &Arc<Kernel>) -> Result<Program> {
        let mut program = Program {
            name: kernel.name.clone(),
            unknowns: vec![],
            guards: vec![],
            buffers: vec![],
            registers: vec![],
            kernels: vec![kernel.clone()],
            states: vec![],
            steps: vec![],
            results: vec![],
            sites: vec![Site { op: kernel.name.clone(), ..Site::default() }],
        };
        let (mut buffers, mut scalars, mut results) = (vec![], vec![], vec![]);
        let mut inputs = 0;
        for param in &kernel.params {
            let mut read = None;
            if param.access != Access::Write {
                let name = format!("in/{}", param.name);
                read = Some(program.add(name, param.dtype, param.shape.clone(), Role::Input(inputs)));
                program.find_unknowns(inputs, &param.shape);
                inputs += 1;
            }
            if param.access == Access::Read {
                buffers.extend(read);
                continue;
            }
            let role = Role::Output(program.results.len() as u32);
            let to = program.add(format!("out/{}", param.name), param.dtype, param.shape.clone(), role);
            program.steps.extend(read.map(|from| Step::Copy { from, to }));
            program.results.push(ResultPlace::Buffer(to));
            buffers.push(to);
        }
        for scalar in &kernel.scalars {
            let dtype = kernel.registers[scalar.reg.0 as usize];
            let from = program.add(format!("scalar/{}", scalar.name), dtype, Shape::scalar(), Role::Input(inputs));
            inputs += 1;
            let dst = program.register(dtype);
            program.steps.push(Step::Read { dst, from });
            scalars.push(ScalarArg::Register(dst));
        }
        for dtype in &kernel.results {
            let register = program.register(*dtype);
            results.push(register);
            program.results.push(ResultPlace::Scalar(ScalarArg::Register(register)));
        }
        let site = kernel.can_fault().then_some(SiteId(0));
        program.steps.push(Step::Launch(Launch { kernel: KernelId(0), buffers, scalars, results, site }));
        program
            .check()
            .map_err(|error| Error::invalid(format!("`@{}` cannot be run by itself", kernel.name)).and(error))?;
        Ok(program)
    }

    fn add(&mut self, name: String, dtype: DType, shape: Shape, role: Role) -> BufferId {
        self.buffers.push(Buffer { name, dtype, shape, role });
        BufferId(self.buffers.len() as u32 - 1)
    }

    fn register(&mut self, dtype: DType) -> RegisterId {
        self.registers.push(dtype);
        RegisterId(self.registers.len() as u32 - 1)
    }

    fn find_unknowns(&mut self, index: u32, shape: &Shape) {
        for (axis, size) in shape.iter().enumerate() {
            if let Some(sym) = size.as_sym()
                && !self.unknowns.iter().any(|unknown| unknown.sym == sym)
            {
                self.unknowns.push(Unknown { sym, index, state: false, axis: axis as u32 });
            }
        }
    }

    /// The types of the inputs, then those of the states.
    pub fn input_types(&self) -> Vec<(DType, Shape)> {
        let of = |role: &dyn Fn(u32) -> Role| {
            let find = |n| self.buffers.iter().find(|buffer| buffer.role == role(n));
            (0..).map_while(find).map(|buffer| (buffer.dtype, buffer.shape.clone())).collect::<Vec<_>>()
        };
        [of(&Role::Input), of(&Role::State)].concat()
    }

    /// The types of the results.
    pub fn result_types(&self) -> Vec<(DType, Shape)> {
        let type_of = |place: &ResultPlace| match place {
            ResultPlace::Buffer(id) => (self.buffer(*id).dtype, self.buffer(*id).shape.clone()),
            ResultPlace::Scalar(value) => (self.dtype(value), Shape::scalar()),
        };
        self.results.iter().map(type_of).collect()
    }
}
