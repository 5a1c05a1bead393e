//! Lengths of vectors, and what keeps numbers within bounds.

use tracelift_tensor::{DType, Error};

use crate::{Axes, Operand, Tensor, dispatch::refuse, ops::select, scope};

/// Which length of a vector: numbers are the power, `f64::INFINITY` the largest magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// The sum of magnitudes.
    One,
    /// The root of the sum of squares.
    Two,
    /// The largest magnitude.
    Largest,
    /// The root of the sum of magnitudes to this power.
    Power(f64),
}

impl From<i32> for Norm {
    fn from(power: i32) -> Norm {
        f64::from(power).into()
    }
}

impl From<f64> for Norm {
    fn from(power: f64) -> Norm {
        match power {
            1.0 => Norm::One,
            2.0 => Norm::Two,
            f64::INFINITY => Norm::Largest,
            power => Norm::Power(power),
        }
    }
}

impl Tensor {
    /// The length of the vectors along some axes; over all of them that of all elements.
    ///
    /// At a vector of zeros nothing flows back through its length, which has no slope there.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let x = tensor([[3., -4.], [0., 5.]]);
    /// assert_eq!(x.norm(2, 1).to_vec::<f32>()?, [5., 5.]);
    /// assert_eq!(x.norm(1, ..).item::<f32>()?, 12.);
    /// assert_eq!(x.norm(f64::INFINITY, 0).to_vec::<f32>()?, [3., 5.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn norm(&self, order: impl Into<Norm>, axes: impl Into<Axes>) -> Tensor {
        let (_here, axes) = (scope::here(), axes.into());
        norm(self, order.into(), &|x: Tensor| x.sum(axes.clone()), &|x: Tensor| x.max(axes.clone()))
    }

    /// The length of the vectors along some axes, which stay with size one.
    #[track_caller]
    #[must_use]
    pub fn norm_keep(&self, order: impl Into<Norm>, axes: impl Into<Axes>) -> Tensor {
        let (_here, axes) = (scope::here(), axes.into());
        norm(self, order.into(), &|x: Tensor| x.sum_keep(axes.clone()), &|x: Tensor| x.max_keep(axes.clone()))
    }

    /// Scaled down to a length, where it is longer.
    #[track_caller]
    #[must_use]
    pub fn clip_by_norm(&self, length: impl Operand) -> Tensor {
        let _here = scope::here();
        let length = length.operand(self);
        let own = self.norm_keep(2, ..);
        self * &length / own.maximum(&length)
    }

    /// With 0 for NaN, and the largest and smallest numbers of the dtype for the infinities.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let x = tensor([f32::NAN, f32::INFINITY, -f32::INFINITY, 1.]);
    /// assert_eq!(x.nan_to_num().to_vec::<f32>()?, [0., f32::MAX, f32::MIN, 1.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn nan_to_num(&self) -> Tensor {
        if self.error().is_some() || !self.dtype().is_float() {
            return self.snapshot();
        }
        let _here = scope::here();
        let largest = if self.dtype() == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
        let number = select(&self.is_nan(), 0., self);
        let number = select(&self.eq(f64::INFINITY), largest, number);
        select(&self.eq(f64::NEG_INFINITY), -largest, number)
    }
}

/// The square root, through which nothing flows back at zero.
#[track_caller]
fn root(square: &Tensor) -> Tensor {
    let is_zero = square.eq(0);
    let safe = is_zero.select(square.ones_like(), square);
    is_zero.select(square, safe.sqrt())
}

#[track_caller]
fn norm(x: &Tensor, order: Norm, sum: &dyn Fn(Tensor) -> Tensor, max: &dyn Fn(Tensor) -> Tensor) -> Tensor {
    if !x.dtype().is_float() && x.error().is_none() {
        let error = Error::type_(format!("wants floats, got {}", x.ty())).help("cast first: `.cast(F32)`");
        return refuse("norm", error, &[x]);
    }
    match order {
        Norm::One => sum(x.abs()),
        Norm::Two => root(&sum(x.square())),
        Norm::Largest => max(x.abs()),
        Norm::Power(p) if p > 0.0 => sum(x.abs().pow(p)).pow(1.0 / p),
        Norm::Power(p) => refuse("norm", Error::invalid(format!("has no length by the power {p}")), &[x]),
    }
}

/// Tensors scaled down together so that the length of all their elements is at most `length`; also gives that length as it
/// was. What is not finite makes them all NaN.
///
/// ```
/// use tracelift_function::{clip_by_global_norm, tensor};
///
/// let (clipped, norm) = clip_by_global_norm(&[tensor([3.]), tensor([4.])], 1.);
/// assert_eq!(norm.item::<f32>()?, 5.);
/// assert_eq!(clipped[1].to_vec::<f32>()?, [0.8]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn clip_by_global_norm(tensors: &[Tensor], length: f64) -> (Vec<Tensor>, Tensor) {
    let _here = scope::here();
    let squares: Vec<Tensor> = tensors.iter().map(|tensor| tensor.square().sum(..)).collect();
    let norm = root(&super::add_n(&squares));
    let scale = norm.reciprocal().minimum(1.0 / length) * length;
    let scale = select(&norm.is_finite(), scale, f64::NAN);
    (tensors.iter().map(|tensor| tensor * &scale).collect(), norm)
}
