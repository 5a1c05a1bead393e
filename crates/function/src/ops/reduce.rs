//! Sums, means, extremes and the like over axes.

use tracelift_ir::ops;
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{Array, DType, Error, Result};

use crate::{
    Axes, Tensor,
    dispatch::{apply, refuse},
    scope,
};

/// Whether reduced axes stay, with size one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    No,
    Yes,
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $keep:ident $function:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[doc = ""]
            #[doc = "Axes are `..` for all, a number (from the end if negative), or an array of them."]
            #[track_caller]
            #[must_use]
            pub fn $name(&self, axes: impl Into<Axes>) -> Tensor {
                on_axes(stringify!($name), self, axes.into(), Keep::No, $function)
            }

            $(#[$doc])*
            #[doc = ""]
            #[doc = "The reduced axes stay, with size one."]
            #[track_caller]
            #[must_use]
            pub fn $keep(&self, axes: impl Into<Axes>) -> Tensor {
                on_axes(stringify!($name), self, axes.into(), Keep::Yes, $function)
            }
        )*}
    };
}

reductions! {
    /// The sum.
    sum sum_keep |x, axes, keep| reduce(ReduceKind::Sum, x, axes, keep);
    /// The product.
    prod prod_keep |x, axes, keep| reduce(ReduceKind::Prod, x, axes, keep);
    /// The largest element; equal ones share the gradient.
    max max_keep |x, axes, keep| reduce(ReduceKind::Max, x, axes, keep);
    /// The smallest element; equal ones share the gradient.
    min min_keep |x, axes, keep| reduce(ReduceKind::Min, x, axes, keep);
    /// Whether any element is true.
    any any_keep |x, axes, keep| reduce(ReduceKind::Any, x, axes, keep);
    /// Whether all elements are true.
    all all_keep |x, axes, keep| reduce(ReduceKind::All, x, axes, keep);
    /// The mean: the sum, divided once.
    mean mean_keep |x, axes, keep| mean(x, axes, keep);
    /// The mean squared distance from the mean.
    variance variance_keep |x, axes, keep| mean(&(x - mean(x, axes, Keep::Yes)).square(), axes, keep);
    /// The root of the variance.
    std std_keep |x, axes, keep| mean(&(x - mean(x, axes, Keep::Yes)).square(), axes, keep).sqrt();
    /// The logarithm of the sum of exponentials, without overflow.
    logsumexp logsumexp_keep |x, axes, keep| logsumexp(x, axes, keep);
}

/// Checks the axes, then reduces.
#[track_caller]
fn on_axes(
    op: &str,
    x: &Tensor,
    axes: Axes,
    keep: Keep,
    body: impl FnOnce(&Tensor, &[usize], Keep) -> Tensor,
) -> Tensor {
    let _here = scope::here();
    if x.error().is_some() {
        return x.snapshot();
    }
    match resolve(x, axes) {
        Ok(axes) => body(&x.snapshot(), &axes, keep),
        Err(error) => refuse(op, error, &[x]),
    }
}

fn resolve(x: &Tensor, axes: Axes) -> Result<Vec<usize>> {
    let shape = x.shape();
    let mut axes = match axes {
        Axes::All => (0..shape.rank()).collect(),
        Axes::Some(axes) => axes.into_iter().map(|axis| shape.axis(axis)).collect::<Result<Vec<_>>>()?,
    };
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid("names an axis twice"));
    }
    Ok(axes)
}

#[track_caller]
fn reduce(kind: ReduceKind, x: &Tensor, axes: &[usize], keep: Keep) -> Tensor {
    apply(ops::Reduce::new(kind, axes, keep == Keep::Yes, x.rank()), &[x])
}

#[track_caller]
fn mean(x: &Tensor, axes: &[usize], keep: Keep) -> Tensor {
    if !x.dtype().is_float() && x.error().is_none() {
        let error = Error::type_(format!("wants floats, got {}", x.ty())).help("cast first: `.cast(F32)`");
        return refuse("mean", error, &[x]);
    }
    reduce(ReduceKind::Sum, x, axes, keep) / count(x, axes, x.dtype())
}

#[track_caller]
fn logsumexp(x: &Tensor, axes: &[usize], keep: Keep) -> Tensor {
    let largest = reduce(ReduceKind::Max, x, axes, Keep::Yes).stop_gradient();
    // Infinities would give NaN when subtracted from themselves; they are kept out of the shift.
    let shift = largest.is_finite().select(&largest, largest.zeros_like());
    let sum = reduce(ReduceKind::Sum, &(x - &shift).exp(), axes, keep).log();
    let shift = if keep == Keep::Yes { shift } else { reduce(ReduceKind::Sum, &shift, axes, Keep::No) };
    sum + shift
}

/// How many elements are reduced into one.
#[track_caller]
fn count(x: &Tensor, axes: &[usize], dtype: DType) -> Tensor {
    let shape = x.shape();
    let sizes = axes.iter().map(|axis| shape[*axis].known());
    let known: i64 = sizes.flatten().product();
    let unknown: Vec<&usize> = axes.iter().filter(|axis| shape[**axis].known().is_none()).collect();
    if unknown.is_empty() {
        return Tensor::from_array(Array::full(dtype, [], known));
    }
    // Counted in i64, so that the number is rounded once.
    let sizes = unknown.into_iter().map(|axis| x.dim(*axis as i32).cast(DType::I64));
    sizes.fold(Tensor::from(known), |product, size| product * size).cast(dtype)
}

impl Tensor {
    /// Where the largest element of an axis is, as i64; the first of several.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([[1., 3., 2.], [5., 4., 5.]]).argmax(-1).to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn argmax(&self, axis: i32) -> Tensor {
        on_axes("argmax", self, axis.into(), Keep::No, |x, axes, keep| reduce(ReduceKind::ArgMax, x, axes, keep))
    }

    /// Where the smallest element of an axis is, as i64; the first of several.
    #[track_caller]
    #[must_use]
    pub fn argmin(&self, axis: i32) -> Tensor {
        on_axes("argmin", self, axis.into(), Keep::No, |x, axes, keep| reduce(ReduceKind::ArgMin, x, axes, keep))
    }

    /// Mean and variance, the axes kept with size one.
    #[track_caller]
    #[must_use]
    pub fn moments_keep(&self, axes: impl Into<Axes>) -> (Tensor, Tensor) {
        let axes = axes.into();
        let mean = self.mean_keep(axes.clone());
        let variance = (self - &mean).square().mean_keep(axes);
        (mean, variance)
    }

    /// How many elements it has, as i32.
    #[track_caller]
    #[must_use]
    pub fn size(&self) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        let _here = scope::here();
        let axes: Vec<usize> = (0..self.rank()).collect();
        count(self, &axes, DType::I32)
    }

    /// The size of an axis, as i32; the way to compute with a size that the trace does not know.
    #[track_caller]
    #[must_use]
    pub fn dim(&self, axis: i32) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        match self.shape().axis(axis.into()) {
            Ok(axis) => apply(ops::Dim { axis }, &[self]),
            Err(error) => refuse("dim", error, &[self]),
        }
    }

    /// The shape as a vector of i32, for sizes that the trace does not know.
    #[track_caller]
    #[must_use]
    pub fn dynamic_shape(&self) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        let _here = scope::here();
        let sizes: Vec<Tensor> = (0..self.rank()).map(|axis| self.dim(axis as i32)).collect();
        match sizes.len() {
            0 => Tensor::from(Vec::<i32>::new()),
            _ => super::stack(&sizes.iter().collect::<Vec<_>>(), 0),
        }
    }
}
