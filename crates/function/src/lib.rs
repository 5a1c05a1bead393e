//! What users compute with: tensors that are eager or traced, variables, traced functions, gradients, control flow.
//!
//! A [`Tensor`] method is evaluated at once, or, while a closure is being traced, becomes a node of a graph. A
//! [`Function`] traces a closure once per signature and then calls compiled graphs. Mistakes are carried by tensors and
//! returned where data is read, where a function is called, and where a variable is changed.

mod scope;
mod slice;
mod tensor;
mod literal;
mod operand;
mod operators;
mod ops;
mod dispatch;
mod eager;
mod trace;
mod variable;
pub mod random;
mod tree;
mod parts;
mod outcome;
mod spec;
mod key;
mod signature;
mod slots;
mod front;
mod call_site;
mod retrace;
mod history;
mod cache;
mod concrete;
mod backend;
mod function;
mod tensor_array;
mod code;
mod once;
mod tape;
mod gradient;
mod custom_gradient;
mod recompute;
mod control;
mod vmap;
#[doc(hidden)]
pub mod autograph;
mod effects;

pub use backend::Compiled;
pub use code::{Code, ToCode, display_code};
pub use concrete::{
    ArgumentKind, ConcreteFunction, FunctionSignature, MemoryPlan, PlannedBuffer, Profile, SignatureArgument,
};
pub use control::{
    IntoTensorRange, ShapeInvariant, ShapeInvariants, TensorRange, WhileLoop, cond, for_range, map_fn, range_t, relax,
    scan, scan_reverse, switch_case, while_loop,
};
pub use custom_gradient::custom_gradient;
pub use effects::{assert_all, print};
pub use function::Function;
pub use gradient::{Objective, grad, value_and_grad, value_and_gradients};
pub use literal::{IntoTensor, tensor};
pub use operand::Operand;
pub use ops::{
    Cumulation, Norm, Padding, PerAxis, Sliding, Window, add_n, clip_by_global_norm, concat, einsum, range, select,
    stack,
};
pub use outcome::Outcome;
pub use recompute::{recompute, save_residuals};
pub use retrace::{Difference, Explanation, Retrace, SignatureInfo};
pub use scope::{LayerScope, layer_path, push_layer, push_layer_at};
pub use signature::{Signature, Traceable};
pub use slice::{Axes, Slice, SliceItem};
pub use spec::{Spec, SpecItem, SpecSource, Specs, TensorSpec};
pub use tape::{
    AsSource, GradientTape, PersistentTape, Sources, TapeGradient, Targets, Unconnected, hessian, jacobian, jvp,
};
pub use tensor::Tensor;
pub use tensor_array::TensorArray;
pub use trace::{eagerly, is_tracing};
pub use tracelift_codegen::live_code_bytes;
pub use tracelift_runtime::{Engine, Options, PrintSink, StopToken, num_threads, print_line, set_num_threads};
pub use tracelift_tensor::{
    Array, Bool, DType, Dim, Element, Error, ErrorKind, F32, F64, I32, I64, Origin, Result, Shape, U8, memory,
};
pub use tree::{LeafSource, Leaves, Tree};
pub use variable::{IndexedSlices, Variable, VariableSlice};
pub use vmap::{Vmap, vmap};

/// What macros expand to and layers are trained with; not for users.
#[doc(hidden)]
pub mod __rt {
    pub use crate::{
        __and as and, __check as check, __compare as compare, __each as each, __given as given, __join as join,
        __keep as keep, __mixed as mixed, __or as or, __slots as slots,
    };
    pub use crate::{Code, LeafSource, Leaves, Tensor, Tree, autograph as ag, eager::flushing, operators::arithmetic};
    pub use tracelift_runtime::pool;
}

const fn crosses_threads<T: Send + Sync>() {}
const _: () = {
    crosses_threads::<Tensor>();
    crosses_threads::<Variable>();
    crosses_threads::<Function<fn(&Tensor) -> Tensor>>();
    crosses_threads::<ConcreteFunction>();
    crosses_threads::<random::Generator>();
};
