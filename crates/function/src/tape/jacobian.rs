//! Gradients of each element, second derivatives, and derivatives along a direction.

use tracelift_ir::ops::Identity;
use tracelift_tensor::{Array, DType, Dim, Error, Origin, Result, Shape};

use super::{
    GradientTape, Sources, Unconnected,
    inner::{How, Tape, Want},
};
use crate::{Tensor, dispatch::apply_at, gradient::unconnected, once::in_trace, scope};

/// The gradients of each element of a function of one tensor: a closure whose result has the shape of the function's value,
/// then that of its argument.
///
/// There is one walk back, put over all elements of the value at once.
///
/// ```
/// use tracelift_function::{Tensor, jacobian, tensor};
///
/// let products = jacobian(|x: &Tensor| x.slice(..2) * x.slice(1..));
/// assert_eq!(products(&tensor([1., 2., 3.])).to_vec::<f32>()?, [2., 1., 0., 0., 3., 2.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn jacobian(f: impl Fn(&Tensor) -> Tensor) -> impl Fn(&Tensor) -> Tensor {
    let origin = scope::origin();
    move |x| {
        in_trace("jacobian", || {
            let (tape, x) = watched(x, &origin);
            let y = f(&x);
            tape.tape.jacobian(&y, &&x, &or_zeros(None), &origin)
        })
    }
}

/// The second derivatives of a function of one tensor, by each pair of its elements: shape `[…x, …x]`. If its value is no
/// scalar, those of the sum.
///
/// ```
/// use tracelift_function::{Tensor, hessian, tensor};
///
/// let curvature = hessian(|x: &Tensor| x.powi(3).sum(..) + x.slice(0) * x.slice(1));
/// assert_eq!(curvature(&tensor([1., 2.])).to_vec::<f32>()?, [6., 1., 1., 12.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn hessian(f: impl Fn(&Tensor) -> Tensor) -> impl Fn(&Tensor) -> Tensor {
    let origin = scope::origin();
    jacobian(move |x| {
        let tape = GradientTape::new();
        tape.watch(x);
        let y = f(x);
        tape.tape.gradient(&&y, &x, &or_zeros(None), &origin)
    })
}

/// The value of a function of one tensor, and how fast it changes as its argument moves in a direction.
///
/// It is the gradient of a gradient, whose unused first half is left out when it is compiled.
///
/// ```
/// use tracelift_function::{Tensor, jvp, tensor};
///
/// let (y, dy) = jvp(Tensor::square, &tensor([1., 2.]), &tensor([1., 10.]));
/// assert_eq!(y.to_vec::<f32>()?, [1., 4.]);
/// assert_eq!(dy.to_vec::<f32>()?, [2., 40.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn jvp(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, direction: &Tensor) -> (Tensor, Tensor) {
    let origin = scope::origin();
    in_trace("jvp", || {
        let (inner, x) = watched(x, &origin);
        let y = f(&x);
        // x' = uᵀ J is linear in u; its gradient along the direction is J · direction.
        let (outer, u) = watched(&y.zeros_like(), &origin);
        let back = inner.tape.gradient(&&y, &&x, &or_zeros(Some(&u)), &origin);
        let dy = outer.tape.gradient(&&back, &&u, &or_zeros(Some(direction)), &origin);
        (y, dy)
    })
}

/// Zeros where no path leads; what the gradient starts from.
fn or_zeros(cotangent: Option<&Tensor>) -> How {
    How { unconnected: Unconnected::Zero, cotangents: cotangent.map(|tensor| vec![tensor.clone()]) }
}

/// A tape, and a tensor that it watches.
fn watched(x: &Tensor, origin: &Origin) -> (GradientTape, Tensor) {
    let x = apply_at(Identity, &[x], origin.clone());
    let tape = GradientTape::new();
    tape.watch(&x);
    (tape, x)
}

impl Tape {
    /// The gradients of each element of a target.
    pub(super) fn jacobian<S: Sources>(
        &self,
        target: &Tensor,
        sources: &S,
        how: &How,
        origin: &Origin,
    ) -> S::Gradients {
        let made = target_of(target, how).and_then(|target| {
            let size = elements(&target.shape(), &target)?;
            let cotangents = self.pause(|| identity(size, target.dtype(), &target.shape()))?;
            let sources = sources.tensors();
            let rows = self.pull(Want::Rows { target: &target, cotangents: &cotangents, size }, &sources, origin)?;
            let shaped = rows.into_iter().zip(sources).map(|(rows, source)| {
                let shape: Vec<_> = target.shape().iter().chain(source.shape().iter()).cloned().collect();
                rows.map(|rows| rows.reshape(shape))
            });
            Ok(shaped.collect())
        });
        self.answer(made, sources, origin, |source| missing(target, source, how))
    }

    /// The jacobian of each row of a target by the same row of a source.
    pub(super) fn batch_jacobian(&self, target: &Tensor, source: &Tensor, how: &How, origin: &Origin) -> Tensor {
        let made = target_of(target, how).and_then(|target| {
            let (ty, by) = (target.ty(), source.ty());
            let rows = ty.shape.first().filter(|rows| by.shape.first() == Some(rows)).cloned().ok_or_else(|| {
                Error::invalid(format!("has no rows in common: the target is {ty}, the source {by}"))
                    .help("both have the rows along their first axis")
            })?;
            let (inner, by) = (&ty.shape[1..], &by.shape[1..]);
            // Row j of the cotangents picks element j of each row of the target.
            let size = elements(&inner.iter().cloned().collect(), &target)?;
            let picks = self.pause(|| {
                let shape =
                    |rows: Dim| [size.into(), rows].into_iter().chain(inner.iter().cloned()).collect::<Vec<_>>();
                let pick = identity(size, ty.dtype, inner)?.reshape(shape(1usize.into()));
                pick.broadcast_to(shape(rows.clone())).ok()
            })?;
            let found = self.pull(Want::Rows { target: &target, cotangents: &picks, size }, &[source], origin)?;
            let shape: Vec<_> = std::iter::once(&rows).chain(inner).chain(by).cloned().collect();
            let order: Vec<i32> =
                (0..=by.len() as i32 + 1).map(|axis| if axis < 2 { 1 - axis } else { axis }).collect();
            Ok(found.into_iter().map(|found| found.map(|rows| rows.transpose(&order).reshape(shape.clone()))).collect())
        });
        self.answer(made, &source, origin, |source| missing(target, source, how))
    }
}

fn target_of(target: &Tensor, how: &How) -> Result<Tensor> {
    if how.cotangents.is_some() {
        return Err(Error::invalid("takes no output gradients for a jacobian").help("multiply the target by them"));
    }
    let (target, _) = How::default().targets(&[target])?.swap_remove(0);
    Ok(target)
}

/// How many elements a shape has.
fn elements(shape: &Shape, target: &Tensor) -> Result<usize> {
    shape.num_elements().known_len().ok_or_else(|| {
        Error::invalid(format!("needs to know how many elements the target has, which is {}", target.ty()))
            .op("jacobian")
            .help("`batch_jacobian` serves any number of rows")
    })
}

/// For each of `n` elements of a shape, ones there and zeros elsewhere: shape `[n, …]`.
fn identity(n: usize, dtype: DType, shape: &[Dim]) -> Result<Tensor> {
    let mut array = Array::zeros(dtype, [n, n])?;
    let one = Array::full(dtype, [1], 1.0)?;
    for i in 0..n {
        array.bytes_mut()[(i * n + i) * dtype.size()..][..dtype.size()].copy_from_slice(one.bytes());
    }
    let shape: Vec<Dim> = std::iter::once(n.into()).chain(shape.iter().cloned()).collect();
    Tensor::from(array).reshape(shape).ok()
}

fn missing(target: &Tensor, source: &Tensor, how: &How) -> Tensor {
    match how.unconnected {
        Unconnected::None => unconnected(source),
        Unconnected::Zero => {
            let shape: Vec<_> = target.shape().iter().chain(source.shape().iter()).cloned().collect();
            (source.zeros_like().sum(..)).broadcast_to(shape)
        }
    }
}
