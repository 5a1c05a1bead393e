//! The types of values: tensors of a dtype and a shape, ordering tokens, stacks.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::fmt;
use tracelift_tensor::{Array, Binding, DType, Dims, Result, Shape};

/// An element type and a shape, whose sizes may be unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TensorType {
    /// The type of the elements.
    pub dtype: DType,
    /// The sizes.
    pub shape: Shape,
}

/// The type of a [`Value`](crate::Value).
///
/// ```
/// use tracelift_ir::Type;
/// use tracelift_tensor::{Dim, F32, Shape};
///
/// let x = Type::tensor(F32, Shape::from([Dim::sym("B"), Dim::from(784)]));
/// assert_eq!(x.to_string(), "f32[B, 784]");
/// assert_eq!(Type::Token.to_string(), "token");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// Elements in row-major order.
    Tensor(TensorType),
    /// No data: its users come after what made it. Orders prints and assertions.
    Token,
    /// A stack of tensors, what a loop keeps for its gradient. Each of its states is used at most once.
    Stack(TensorType),
}

/// The types of an op's results.
pub type Types = SmallVec<[Type; 1]>;

impl TensorType {
    /// A dtype and a shape.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> TensorType {
        TensorType { dtype, shape: shape.into() }
    }

    /// The type of an array.
    pub fn of(array: &Array) -> TensorType {
        TensorType::new(array.dtype(), Shape::from(array.shape()))
    }

    /// The sizes of one call.
    pub fn dims(&self, sizes: &Binding) -> Result<Dims> {
        self.shape.eval(sizes)
    }
}

impl Type {
    /// A tensor.
    pub fn tensor(dtype: DType, shape: impl Into<Shape>) -> Type {
        Type::Tensor(TensorType::new(dtype, shape))
    }

    /// A tensor of rank 0.
    pub fn scalar(dtype: DType) -> Type {
        Type::Tensor(TensorType::new(dtype, Shape::scalar()))
    }

    /// The type of an array.
    pub fn of(array: &Array) -> Type {
        Type::Tensor(TensorType::of(array))
    }

    /// The tensor type, if it is one.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(tensor) => Some(tensor),
            Type::Token | Type::Stack(_) => None,
        }
    }

    /// The tensor type; of a stack, that of its items.
    pub fn held(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(tensor) | Type::Stack(tensor) => Some(tensor),
            Type::Token => None,
        }
    }

    /// Whether it is a stack.
    pub fn is_stack(&self) -> bool {
        matches!(self, Type::Stack(_))
    }

    /// Whether such a value has a cotangent: floats, and stacks of floats.
    pub fn has_cotangent(&self) -> bool {
        self.held().is_some_and(|tensor| tensor.dtype.is_float())
    }

    /// The element type. Inference lets tensors only reach places that ask; asking a token is a fault of ours.
    pub fn dtype(&self) -> DType {
        self.expect_tensor().dtype
    }

    /// The shape; asking a token is a fault of ours.
    pub fn shape(&self) -> &Shape {
        &self.expect_tensor().shape
    }

    /// The number of axes; asking a token is a fault of ours.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// Whether it is a tensor of floats: only such values have gradients.
    pub fn is_float(&self) -> bool {
        self.as_tensor().is_some_and(|tensor| tensor.dtype.is_float())
    }

    /// The same shape with other elements.
    pub fn with_dtype(&self, dtype: DType) -> Type {
        Type::tensor(dtype, self.shape().clone())
    }

    /// The same elements in another shape.
    pub fn with_shape(&self, shape: impl Into<Shape>) -> Type {
        Type::tensor(self.dtype(), shape)
    }

    fn expect_tensor(&self) -> &TensorType {
        match self {
            Type::Tensor(tensor) => tensor,
            other => panic!("a value of type {other} has neither dtype nor shape"),
        }
    }
}

impl From<TensorType> for Type {
    fn from(tensor: TensorType) -> Type {
        Type::Tensor(tensor)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Tensor(tensor) => tensor.fmt(f),
            Type::Token => f.write_str("token"),
            Type::Stack(item) => write!(f, "stack<{item}>"),
        }
    }
}
