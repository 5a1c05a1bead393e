//! Gradients of closures: the closure is traced, and its trace goes on with the operations of its gradient.

use tracelift_autodiff::gradients;
use tracelift_ir::ops::Identity;
use tracelift_tensor::{Error, Origin, Result};

use crate::{Sources, Tensor, dispatch::apply_at, once::in_trace, scope, tensor::Handle, trace, tree::Tree};

/// The gradient of a function of one tensor; if its value is no scalar, the gradient of the sum.
///
/// ```
/// use tracelift_function::{Tensor, grad, tensor};
///
/// let slope = grad(|x: &Tensor| x.powi(3));
/// let curvature = grad(&slope);
/// assert_eq!(slope(&tensor(2.0)).item::<f32>()?, 12.0);
/// assert_eq!(curvature(&tensor(2.0)).item::<f32>()?, 12.0);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn grad(f: impl Fn(&Tensor) -> Tensor) -> impl Fn(&Tensor) -> Tensor {
    let both = value_and_grad(f);
    move |x| both(x).1
}

/// The value and the gradient of a function of one tensor.
#[track_caller]
pub fn value_and_grad(f: impl Fn(&Tensor) -> Tensor) -> impl Fn(&Tensor) -> (Tensor, Tensor) {
    // A closure does not know where it is called; where it was made is next best.
    let origin = scope::origin();
    move |x| {
        in_trace("value_and_grad", || {
            let x = apply_at(Identity, &[x], origin.clone());
            let y = f(&x);
            let dx = differentiate(&y, &[&x], origin.clone()).swap_remove(0);
            (y, dx)
        })
    }
}

/// What a closure gives whose gradient is taken: the target, alone or with more.
pub trait Objective: Tree {
    /// The tensor that is differentiated.
    fn target(&self) -> &Tensor;
}

impl Objective for Tensor {
    fn target(&self) -> &Tensor {
        self
    }
}

impl<T: Tree> Objective for (Tensor, T) {
    fn target(&self) -> &Tensor {
        &self.0
    }
}

/// What a closure gives, and the gradient of its target by variables and tensors that it reads.
///
/// A source that the target does not depend on gets a tensor that carries an `Unconnected` error: see
/// [`Tensor::connected`]. What the closure assigns is assigned.
///
/// ```
/// use tracelift_function::{Variable, value_and_gradients};
///
/// let (w, b) = (Variable::new(3.0), Variable::new(1.0));
/// let (loss, [dw, db]) = value_and_gradients(|| (&w * 2.0 + &b).square(), [&w, &b]);
/// assert_eq!(loss.item::<f32>()?, 49.0);
/// assert_eq!((dw.item::<f32>()?, db.item::<f32>()?), (28.0, 14.0));
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn value_and_gradients<R: Objective, S: Sources>(f: impl FnOnce() -> R, by: S) -> (R, S::Gradients) {
    let origin = scope::origin();
    let by = by.tensors();
    let (value, gradients) = in_trace("value_and_gradients", || {
        let sources: Vec<Tensor> = by.iter().map(|source| watch(source, &origin)).collect();
        let value = f();
        let gradients = differentiate(value.target(), &sources.iter().collect::<Vec<_>>(), origin);
        (value, gradients)
    });
    (value, S::gradients(gradients))
}

/// The current value of a variable under a name of its own, which reads from now on give; any other tensor is itself.
fn watch(source: &Tensor, origin: &Origin) -> Tensor {
    let watched = match &source.handle {
        Handle::Live(data) => trace::with_active(|stack| {
            let value = stack.read(data)?;
            let watched = stack.top_frame().builder.at(origin.clone()).push(Identity, &[value])?;
            stack.slot(data).current = watched;
            Ok(stack.top_frame().tensor(watched))
        }),
        _ => trace::with_active(|stack| {
            let value = stack.lift_param(source, origin)?;
            Ok(stack.top_frame().tensor(value))
        }),
    };
    let watched = watched.unwrap_or_else(|| Err(Error::internal("a gradient is taken outside of any trace")));
    watched.unwrap_or_else(|error| trace::fail(error, Some(source)))
}

/// The gradients of the sum of `y`, as further values of the active trace.
fn differentiate(y: &Tensor, sources: &[&Tensor], origin: Origin) -> Vec<Tensor> {
    let made = match y.error() {
        Some(error) => Err(error.clone()),
        None => push_gradients(y, sources, &origin),
    };
    match made {
        Ok(gradients) => gradients
            .into_iter()
            .zip(sources)
            .map(|(gradient, source)| gradient.unwrap_or_else(|| unconnected(source)))
            .collect(),
        Err(error) => {
            let error = if error.origin.is_unknown() { error.at(origin) } else { error };
            sources.iter().map(|source| trace::fail(error.clone(), Some(source))).collect()
        }
    }
}

fn push_gradients(y: &Tensor, sources: &[&Tensor], origin: &Origin) -> Result<Vec<Option<Tensor>>> {
    if !y.dtype().is_float() {
        let message = format!("cannot differentiate {}: only floats have gradients", y.ty());
        return Err(Error::type_(message).op("grad"));
    }
    trace::with_active(|stack| {
        let y = stack.lift(y, origin)?;
        let sources = sources.iter().map(|source| stack.lift(source, origin)).collect::<Result<Vec<_>>>()?;
        let frame = stack.top_frame();
        frame.builder.at(origin.clone());
        let one = frame.builder.scalar_like(y, 1.0)?;
        let gradients = gradients(&mut frame.builder, &[(y, one)], &sources)?;
        Ok(gradients.into_iter().map(|gradient| gradient.map(|value| frame.tensor(value))).collect())
    })
    .unwrap_or_else(|| Err(Error::internal("a gradient is taken outside of any trace")))
}

/// What stands for a gradient that does not exist.
pub(crate) fn unconnected(source: &Tensor) -> Tensor {
    let error =
        Error::unconnected(format!("has no gradient by this {}: it does not depend on it", source.ty())).op("grad");
    Tensor::poisoned(error.help("`connected()` tells; use zeros where a gradient is needed anyway"), source.ty())
}
