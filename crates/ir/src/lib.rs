//! The graph of tracelift: operations, types, builder, text, verifier, reference evaluator.
//!
//! A [`Graph`] is made by a [`Builder`] alone and never changes afterwards.
//! Each operation of the list in [`Op`] has all its facts in one file of [`ops`]: type inference, meaning, gradient, batching, lowering, attributes, laws, samples.

mod types;
mod value;
mod attrs;
mod graph;
mod op;
mod found;
mod rename;
mod infer;
mod build;
mod vjp;
mod batch;
mod laws;
mod lowering;
mod kernels;
mod sample;
pub mod ops;
mod eval;
mod operations;
mod text;
mod verify;
mod dot;
mod json;
#[cfg(test)]
mod testing;

pub use attrs::{Attr, AttrReader, Attrs};
pub use batch::{Batch, BatchRule};
pub use build::{Builder, Expr, Gradients, MAX_DEPTH, Scope, with_exprs};
pub use eval::{EvalCx, Evaluator, evaluate};
pub use graph::{Graph, Node, Operands, ParamRole, StatePair};
pub use infer::Infer;
pub use laws::{Laws, Neutral};
pub use lowering::{AxisMap, CustomKernel, IndexMap, Library, Lowering, Reduction};
pub use op::{Op, OpDef};
pub use operations::{NamedTensor, Operation};
pub use sample::{Sample, plain_values, special_values};
pub use text::Module;
pub use tracelift_kernel::guard::{Guard, GuardOp};
pub use types::{TensorType, Type, Types};
pub use value::{NodeIndex, Value, ValueMap};
pub use verify::verify;
pub use vjp::{Vjp, VjpRule};
