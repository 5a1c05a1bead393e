//! The matrix product.

use tracelift_ir::ops::DotGeneral;
use tracelift_tensor::{Error, Shape};

use super::broadcast::common_shape;
use crate::{
    Operand, Tensor,
    dispatch::{apply, refuse},
    scope,
};

impl Tensor {
    /// The matrix product over the last two axes; a vector is a row on the left and a column on the right.
    ///
    /// The axes before are batch axes, which are broadcast.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let t = tensor([[1., 2., 3.], [4., 5., 6.]]);
    /// assert_eq!(t.matmul(t.t()).to_vec::<f32>()?, [14., 32., 32., 77.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn matmul(&self, other: impl Operand) -> Tensor {
        let _here = scope::here();
        product(self, &other.operand(self))
    }
}

#[track_caller]
fn product(a: &Tensor, b: &Tensor) -> Tensor {
    if let Some(poisoned) = crate::dispatch::poison(&[a, b]) {
        return poisoned;
    }
    let (x, y) = (a.ty(), b.ty());
    let refused = |message: String| refuse("matmul", Error::invalid(message), &[a, b]);
    if x.dtype != y.dtype {
        let help = format!("cast one of them: `.cast({})`", x.dtype.to_string().to_uppercase());
        let message = format!("takes operands of one dtype, got {x} and {y}");
        return refuse("matmul", Error::invalid(message).help(help), &[a, b]);
    }
    if x.shape.is_empty() || y.shape.is_empty() {
        return refused(format!("cannot multiply {x} by {y}: a scalar is no matrix"));
    }
    let inner = (&x.shape[x.shape.rank() - 1], &y.shape[y.shape.rank().saturating_sub(2)]);
    if let (Some(m), Some(n)) = (inner.0.known(), inner.1.known())
        && m != n
    {
        return refused(format!("cannot multiply {x} by {y}: inner axes are {m} and {n}"));
    }
    let (rank_x, rank_y) = (x.shape.rank(), y.shape.rank());
    if rank_x == 1 {
        let row = product(&a.expand_dims(0), b);
        return if row.rank() == 1 { row.squeeze(0) } else { row.squeeze(-2) };
    }
    if rank_y == 1 {
        return product(a, &b.expand_dims(-1)).squeeze(-1);
    }
    if rank_x == 2 && rank_y == 2 {
        return apply(DotGeneral::matmul(2, 2), &[a, b]);
    }
    let (batch_x, batch_y) = (Shape::from(&x.shape[..rank_x - 2]), Shape::from(&y.shape[..rank_y - 2]));
    if batch_y.is_empty() {
        // One matrix for all batches is one product with more rows.
        let rows = a.reshape([x.shape[..rank_x - 1].iter().product(), inner.0.clone()]);
        let mut shape: Vec<_> = x.shape[..rank_x - 1].to_vec();
        shape.push(y.shape[1].clone());
        return product(&rows, b).reshape(shape);
    }
    let Ok(batch) = common_shape(&batch_x, &batch_y) else {
        return refused(format!("cannot multiply {x} by {y}: batch axes {batch_x} and {batch_y} are incompatible"));
    };
    let with = |matrix: &[tracelift_tensor::Dim]| -> Shape { batch.iter().chain(matrix).cloned().collect() };
    let a = a.broadcast_to(with(&x.shape[rank_x - 2..]));
    let b = b.broadcast_to(with(&y.shape[rank_y - 2..]));
    apply(DotGeneral::matmul(a.rank(), b.rank()), &[&a, &b])
}
