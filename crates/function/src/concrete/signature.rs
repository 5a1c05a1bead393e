//! The signature of a concrete function: names and types of what it takes and gives.

use std::fmt;

use tracelift_ir::{Type, Value};

use super::{Argument, ConcreteFunction, Hidden};
use crate::TensorSpec;

/// Arguments, captured tensors and variables, and results of a concrete function.
///
/// ```
/// use tracelift_function::{ArgumentKind, Function, Result, Tensor, Variable, tensor};
///
/// let total = Variable::new(0.0).named("total");
/// let add = Function::new(move |x: &Tensor| -> Result<Tensor> { total.assign_add(x) });
/// let signature = add.concrete(&tensor(1.0))?.signature();
/// assert_eq!(signature.to_string(), "(x: f32[], total: resource f32[]) -> (f32[])");
/// assert_eq!(signature.inputs[1].dtype_name(), "resource");
/// assert_eq!(signature.inputs[1].kind, ArgumentKind::CapturedVariable);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionSignature {
    /// What it takes: the arguments, then what the closure captures.
    pub inputs: Vec<SignatureArgument>,
    /// The tensors it gives.
    pub outputs: Vec<SignatureArgument>,
}

/// One input or output of a concrete function.
#[derive(Clone, PartialEq, Debug)]
pub struct SignatureArgument {
    /// Its name in the graph.
    pub name: String,
    /// Its type; of a variable, that of its value.
    pub spec: TensorSpec,
    /// What it is.
    pub kind: ArgumentKind,
}

/// What an input is, or an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentKind {
    /// A tensor.
    Tensor,
    /// A variable among the arguments.
    Variable,
    /// A tensor that the closure holds.
    CapturedTensor,
    /// A variable that the closure holds.
    CapturedVariable,
}

impl SignatureArgument {
    /// `resource` for variables, else the name of the element type.
    pub fn dtype_name(&self) -> String {
        match self.kind {
            ArgumentKind::Variable | ArgumentKind::CapturedVariable => "resource".to_owned(),
            ArgumentKind::Tensor | ArgumentKind::CapturedTensor => self.spec.dtype.to_string(),
        }
    }
}

impl ConcreteFunction {
    /// Names and types of what it takes and gives.
    pub fn signature(&self) -> FunctionSignature {
        let mut params = self.graph.params().iter();
        let mut inputs = Vec::new();
        for argument in &self.arguments {
            inputs.extend(match argument {
                Argument::Tensor(_) => params.next().and_then(|&param| self.named(param, ArgumentKind::Tensor)),
                Argument::Variable { name, first, .. } => Some(SignatureArgument {
                    name: name.clone(),
                    spec: TensorSpec::from(&first.ty()),
                    kind: ArgumentKind::Variable,
                }),
            });
        }
        for (hidden, &param) in self.hidden.iter().zip(params) {
            let kind = match hidden {
                Hidden::Array(..) => ArgumentKind::CapturedTensor,
                // An argument, too, and the trace is for no other variable.
                Hidden::Variable(variable) if self.is_argument(variable) => continue,
                Hidden::Variable(_) => ArgumentKind::CapturedVariable,
                Hidden::Argument(_) => continue,
            };
            inputs.extend(self.named(param, kind));
        }
        let names = self.graph.operations();
        let outputs = self.graph.results().iter().take(self.tensor_results()).filter_map(|&result| {
            let output = self.named(result, ArgumentKind::Tensor)?;
            Some(SignatureArgument { name: names[result.node.index()].name().to_owned(), ..output })
        });
        FunctionSignature { inputs, outputs: outputs.collect() }
    }

    fn is_argument(&self, variable: &crate::Variable) -> bool {
        let same = |argument: &Argument| matches!(argument, Argument::Variable { first, .. } if first.same(variable));
        self.arguments.iter().any(same)
    }

    fn named(&self, value: Value, kind: ArgumentKind) -> Option<SignatureArgument> {
        let Type::Tensor(ty) = self.graph.ty(value) else { return None };
        let name = self.graph.name_of(value).map_or_else(String::new, ToString::to_string);
        Some(SignatureArgument { name, spec: TensorSpec::from(ty), kind })
    }
}

impl fmt::Display for FunctionSignature {
    /// `(x: f32[None, 3], counter: resource i32[]) -> (f32[None, 3])`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = |SignatureArgument { name, spec, kind }: &SignatureArgument| match kind {
            ArgumentKind::Tensor | ArgumentKind::CapturedTensor => format!("{name}: {spec}"),
            ArgumentKind::Variable | ArgumentKind::CapturedVariable => format!("{name}: resource {spec}"),
        };
        let inputs: Vec<String> = self.inputs.iter().map(input).collect();
        let outputs: Vec<String> = self.outputs.iter().map(|output| output.spec.to_string()).collect();
        write!(f, "({}) -> ({})", inputs.join(", "), outputs.join(", "))
    }
}
