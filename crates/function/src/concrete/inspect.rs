//! Looking into a concrete function: its operations, what it becomes at each stage, its code and memory.

use std::{fmt, sync::Arc};

use comfy_table::{Table, presets};
use tracelift_codegen::{CodegenOptions, Inspection, driver::inspect_driver, inspect_kernel};
use tracelift_ir::{NamedTensor, Operation};
use tracelift_kernel::{
    loops::Kernel,
    program::{Program, Role},
};
use tracelift_passes::Stage;
use tracelift_runtime::CallError;
use tracelift_tensor::{Array, Error, Result};

use super::{ArgumentKind, ConcreteFunction};
use crate::{Tensor, backend, tree::Leaves};

/// The memory of a call: which buffer lies where, and how much is needed at once. Printed as a table.
#[derive(Clone, PartialEq, Debug)]
pub struct MemoryPlan {
    /// The buffers of the program, in its order.
    pub buffers: Vec<PlannedBuffer>,
    /// Bytes for all intermediate values at once.
    pub arena_bytes: usize,
    /// Bytes of the intermediate values that are in use at once: what no placing of them can go below.
    pub live_bytes: usize,
    /// Bytes for intermediate values and results at once.
    pub peak_bytes: usize,
}

/// A buffer of a program.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedBuffer {
    /// Its name in the program's text.
    pub name: String,
    /// `input`, `output`, `state`, `arena` and so on.
    pub role: &'static str,
    /// Its size.
    pub bytes: usize,
    /// Where it begins in the arena, if it lies there.
    pub offset: Option<usize>,
}

impl ConcreteFunction {
    /// The operations of the graph as traced, in creation order, under unique names.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, spec};
    ///
    /// let f = Function::new(|x: &Tensor| (x + 1) * 2).argument_names(&["x"]);
    /// let f = f.concrete(spec!(f32[]))?;
    /// let names: Vec<String> = f.operations().iter().map(|op| op.name().to_owned()).collect();
    /// assert_eq!(names, ["x", "const", "add", "const_1", "mul", "identity"]);
    /// assert_eq!(f.operation("mul")?.inputs()[0].name, "add:0");
    /// assert_eq!(f.tensor("identity:0")?.ty.to_string(), "f32[]");
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    pub fn operations(&self) -> Vec<Operation<'_>> {
        self.graph.operations()
    }

    /// An operation by its name; an error of kind `Key` if there is none.
    pub fn operation(&self, name: &str) -> Result<Operation<'_>> {
        self.graph.operation(name)
    }

    /// A value by the operation's name and the number of the result, as in `add_1:0`.
    pub fn tensor(&self, name: &str) -> Result<NamedTensor> {
        self.graph.tensor(name)
    }

    /// The text of the graph or program after a stage: `trace`, `cse`, `simplify`, `fold`, `inline`, `fuse`, `schedule`,
    /// `plan`.
    pub fn text_after(&self, stage: &str) -> Result<String> {
        backend::text_after(&self.graph, &self.options, stage.parse()?)
    }

    /// The text after each stage, in their order; of a function whose loops change shapes, which has no program, after
    /// those that rewrite its graph.
    pub fn stages(&self) -> Result<Vec<(&'static str, String)>> {
        let has_program = !self.graph.finds_sizes();
        Stage::ALL
            .iter()
            .filter(|stage| has_program || !stage.is_of_programs())
            .map(|&stage| Ok((stage.name(), backend::text_after(&self.graph, &self.options, stage)?)))
            .collect()
    }

    /// The scheduled program; an error on the engine that evaluates op by op, and of a function with a loop whose shapes
    /// change from round to round, which is evaluated op by op on every engine.
    pub fn program(&self) -> Result<&Program> {
        self.compiled()?.program().ok_or_else(|| {
            if self.graph.finds_sizes() {
                let message = "has a loop whose shapes change from round to round, and is evaluated op by op: \
                               there is no program";
                return Error::invalid(message)
                    .op(self.graph.name())
                    .help("write rows into a `TensorArray` of known size, which is compiled");
            }
            Error::invalid("is evaluated op by op, so that there is no program")
                .op(self.graph.name())
                .help("take the engine `fused`, `unfused` or `interpreter`")
        })
    }

    /// The kernels of the program.
    pub fn kernels(&self) -> Result<&[Arc<Kernel>]> {
        Ok(&self.program()?.kernels)
    }

    /// The CLIF of each kernel and of the driver, which Cranelift compiles.
    pub fn clif(&self) -> Result<String> {
        self.inspected(|inspection| inspection.clif)
    }

    /// The assembly of each kernel and of the driver.
    pub fn assembly(&self) -> Result<String> {
        self.inspected(|inspection| inspection.assembly)
    }

    fn inspected(&self, text: impl Fn(Inspection) -> String) -> Result<String> {
        let (program, options) = (self.program()?, CodegenOptions::default());
        let mut texts = Vec::new();
        for kernel in &program.kernels {
            texts.push(format!("; kernel @{}\n{}", kernel.name, text(inspect_kernel(kernel, &options)?)));
        }
        texts.push(format!("; program @{}\n{}", program.name, text(inspect_driver(program, &options)?)));
        Ok(texts.join("\n"))
    }

    /// Which buffers a call with these tensors has, where they lie, and how much memory that takes.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, spec};
    ///
    /// let f = Function::new(|x: &Tensor| x.matmul(x.t()).sum(..)).concrete(spec!(f32[None, 4]))?;
    /// let plan = f.memory_plan(&[&Tensor::ones([8, 4])])?;
    /// assert!(plan.arena_bytes >= 8 * 8 * 4, "{plan}");
    /// assert!(f.memory_plan(&[&Tensor::ones([80, 4])])?.peak_bytes > plan.peak_bytes);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    pub fn memory_plan(&self, arguments: &[&Tensor]) -> Result<MemoryPlan> {
        let program = self.program()?;
        let plan = self.with_arrays(arguments, |executable, arrays, states| {
            let values = states.iter().map(|state| state.value()).collect::<Result<Vec<Array>>>()?;
            executable.plan_for(arrays, &values)
        })?;
        let buffers = program.buffers.iter().enumerate().map(|(n, buffer)| PlannedBuffer {
            name: format!("${}", buffer.name),
            role: role_name(&buffer.role),
            bytes: plan.bytes[n],
            offset: plan.offsets[n],
        });
        Ok(MemoryPlan {
            buffers: buffers.collect(),
            arena_bytes: plan.arena_bytes,
            live_bytes: plan.live_bytes,
            peak_bytes: plan.peak_bytes,
        })
    }

    /// Does something with the executable on the arrays and variables of a call.
    pub(super) fn with_arrays<R>(
        &self,
        arguments: &[&Tensor],
        work: impl FnOnce(&tracelift_runtime::Executable, &[&Array], &[super::Cell]) -> Result<R, CallError>,
    ) -> Result<R> {
        self.program()?;
        let executable = self.compiled()?.executable();
        let executable = executable.ok_or_else(|| Error::internal("a program is kept without its executable"))?;
        let mut leaves = Leaves::default();
        self.check(arguments, &mut leaves)?;
        let (arrays, cells) = (self.arrays(&leaves)?, self.cells(&leaves)?);
        work(executable, &arrays, &cells).map_err(|error| self.mistake(error))
    }
}

fn role_name(role: &Role) -> &'static str {
    match role {
        Role::Input(_) => "input",
        Role::Output(_) => "output",
        Role::State(_) => "state",
        Role::NextState(_) => "next state",
        Role::Arena => "arena",
        Role::Stack(_) => "stack",
        Role::View(_) => "view",
        Role::Constant(_) => "constant",
    }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["buffer", "role", "bytes", "offset"]);
        for PlannedBuffer { name, role, bytes, offset } in &self.buffers {
            let offset = offset.map_or_else(String::new, |offset| offset.to_string());
            table.add_row([name.clone(), (*role).to_owned(), bytes.to_string(), offset]);
        }
        writeln!(f, "{table}")?;
        write!(f, "arena {} bytes, peak {} bytes", self.arena_bytes, self.peak_bytes)
    }
}

impl fmt::Display for ConcreteFunction {
    /// Arguments, results and captures with their types, then the graph.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = self.signature();
        let captured =
            |kind: ArgumentKind| matches!(kind, ArgumentKind::CapturedTensor | ArgumentKind::CapturedVariable);
        let list = |title: &str, of: &mut dyn Iterator<Item = &super::SignatureArgument>| {
            let lines: Vec<String> = of
                .map(|argument| match argument.kind {
                    ArgumentKind::Variable | ArgumentKind::CapturedVariable => {
                        format!("\n    {}: resource {}", argument.name, argument.spec)
                    }
                    ArgumentKind::Tensor | ArgumentKind::CapturedTensor => {
                        format!("\n    {}: {}", argument.name, argument.spec)
                    }
                })
                .collect();
            format!("  {title}:{}\n", if lines.is_empty() { " none".to_owned() } else { lines.concat() })
        };
        writeln!(f, "ConcreteFunction {}", self.graph.name())?;
        f.write_str(&list("arguments", &mut signature.inputs.iter().filter(|input| !captured(input.kind))))?;
        f.write_str(&list("results", &mut signature.outputs.iter()))?;
        f.write_str(&list("captures", &mut signature.inputs.iter().filter(|input| captured(input.kind))))?;
        write!(f, "{}", self.graph)
    }
}
