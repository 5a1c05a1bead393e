//! Pooling: of windows, and of all places at once.

use tracelift_function::{PerAxis, Sliding, Tensor};

use super::middle::check_rank;
use crate::{Call, Layer, Module, Padding, module::no_weights, name::Name};

/// The largest element of each window along one axis: `f32[batch, steps, channels]` becomes shorter.
///
/// ```
/// use tracelift_nn::{Layer, MaxPooling1D, Tensor};
///
/// assert_eq!(MaxPooling1D::new(2).apply(&Tensor::ones([1, 9, 4])).shape(), [1, 4, 4]);
/// ```
pub type MaxPooling1D = Pooling<Max, 1>;

/// The largest element of each window of images: `f32[batch, height, width, channels]`.
///
/// ```
/// use tracelift_nn::{Layer, MaxPooling2D, Padding, Tensor};
///
/// let images = Tensor::ones([1, 9, 8, 3]);
/// assert_eq!(MaxPooling2D::new(2).apply(&images).shape(), [1, 4, 4, 3]);
/// let overlapping = MaxPooling2D::new([3, 2]).strides(2).padding(Padding::Same);
/// assert_eq!(overlapping.apply(&images).shape(), [1, 5, 4, 3]);
/// ```
pub type MaxPooling2D = Pooling<Max, 2>;

/// The largest element of each window of volumes: `f32[batch, depth, height, width, channels]`.
///
/// ```
/// use tracelift_nn::{Layer, MaxPooling3D, Tensor};
///
/// assert_eq!(MaxPooling3D::new(2).apply(&Tensor::ones([1, 4, 4, 4, 3])).shape(), [1, 2, 2, 2, 3]);
/// ```
pub type MaxPooling3D = Pooling<Max, 3>;

/// The mean of each window along one axis.
///
/// ```
/// use tracelift_nn::{AveragePooling1D, Layer, tensor};
///
/// let x = tensor([[[1.], [3.], [2.], [4.]]]);
/// assert_eq!(AveragePooling1D::new(2).apply(&x).to_vec::<f32>()?, [2., 3.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub type AveragePooling1D = Pooling<Average, 1>;

/// The mean of each window of images.
///
/// ```
/// use tracelift_nn::{AveragePooling2D, Layer, Tensor};
///
/// assert_eq!(AveragePooling2D::new(2).apply(&Tensor::ones([1, 8, 8, 3])).shape(), [1, 4, 4, 3]);
/// ```
pub type AveragePooling2D = Pooling<Average, 2>;

/// The mean of each window of volumes.
///
/// ```
/// use tracelift_nn::{AveragePooling3D, Layer, Tensor};
///
/// assert_eq!(AveragePooling3D::new(2).apply(&Tensor::ones([1, 4, 4, 4, 3])).shape(), [1, 2, 2, 2, 3]);
/// ```
pub type AveragePooling3D = Pooling<Average, 3>;

/// The largest element of all steps: `f32[batch, steps, channels]` becomes `f32[batch, channels]`.
///
/// ```
/// use tracelift_nn::{GlobalMaxPooling1D, Layer, tensor};
///
/// let x = tensor([[[1., 8.], [3., 2.]]]);
/// assert_eq!(GlobalMaxPooling1D::new().apply(&x).to_vec::<f32>()?, [3., 8.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub type GlobalMaxPooling1D = GlobalPooling<Max, 1>;

/// The largest element of each image, per channel.
///
/// ```
/// use tracelift_nn::{GlobalMaxPooling2D, Layer, Tensor};
///
/// assert_eq!(GlobalMaxPooling2D::new().apply(&Tensor::ones([2, 8, 8, 3])).shape(), [2, 3]);
/// ```
pub type GlobalMaxPooling2D = GlobalPooling<Max, 2>;

/// The mean of each image, per channel: `f32[batch, height, width, channels]` becomes `f32[batch, channels]`.
///
/// ```
/// use tracelift_nn::{GlobalAveragePooling2D, Layer, Tensor};
///
/// assert_eq!(GlobalAveragePooling2D::new().apply(&Tensor::ones([2, 8, 8, 3])).shape(), [2, 3]);
/// ```
pub type GlobalAveragePooling2D = GlobalPooling<Average, 2>;

/// The mean of each sequence, per channel: `f32[batch, steps, channels]` becomes `f32[batch, channels]`.
///
/// ```
/// use tracelift_nn::{GlobalAveragePooling1D, Layer, Tensor};
///
/// assert_eq!(GlobalAveragePooling1D::new().apply(&Tensor::ones([2, 8, 3])).shape(), [2, 3]);
/// ```
pub type GlobalAveragePooling1D = GlobalPooling<Average, 1>;

/// What pooling makes of some elements.
#[doc(hidden)]
pub trait PoolingKind: Module + Default {
    /// `MaxPooling`
    const TYPE: &'static str;
    /// `max_pooling`
    const BASE: &'static str;

    /// One number for each window.
    fn of_windows(x: &Tensor, size: PerAxis, how: Sliding) -> Tensor;

    /// One number for all elements along some axes.
    fn of_all(x: &Tensor, axes: Vec<i64>) -> Tensor;
}

/// The largest element.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Max;

/// The mean.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Average;

no_weights!(Max, Average);

impl PoolingKind for Max {
    const TYPE: &'static str = "MaxPooling";
    const BASE: &'static str = "max_pooling";

    fn of_windows(x: &Tensor, size: PerAxis, how: Sliding) -> Tensor {
        x.max_pool(size, how)
    }

    fn of_all(x: &Tensor, axes: Vec<i64>) -> Tensor {
        x.max(axes)
    }
}

impl PoolingKind for Average {
    const TYPE: &'static str = "AveragePooling";
    const BASE: &'static str = "average_pooling";

    fn of_windows(x: &Tensor, size: PerAxis, how: Sliding) -> Tensor {
        x.average_pool(size, how)
    }

    fn of_all(x: &Tensor, axes: Vec<i64>) -> Tensor {
        x.mean(axes)
    }
}

/// What [`MaxPooling2D`], [`AveragePooling2D`] and their likes are: one number for each window, per channel.
///
/// ```
/// use tracelift_nn::{Layer, MaxPooling1D, tensor};
///
/// let x = tensor([[[1.], [3.], [2.], [5.]]]);
/// assert_eq!(MaxPooling1D::new(2).strides(1).apply(&x).to_vec::<f32>()?, [3., 3., 5.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct Pooling<K: PoolingKind, const N: usize> {
    kind: K,
    pool_size: PerAxis,
    sliding: Sliding,
    name: Name,
}

impl<K: PoolingKind, const N: usize> Pooling<K, N> {
    /// A layer with windows of a size, `2` or `[2, 3]`, side by side.
    #[must_use]
    pub fn new(pool_size: impl Into<PerAxis>) -> Self {
        Pooling { kind: K::default(), pool_size: pool_size.into(), sliding: Sliding::new(), name: Name::default() }
    }

    /// With windows that begin so far from each other, along all axes or along each.
    #[must_use]
    pub fn strides(self, strides: impl Into<PerAxis>) -> Self {
        Pooling { sliding: self.sliding.strides(strides), ..self }
    }

    /// With something around the input, which has no say in the results.
    #[must_use]
    pub fn padding(self, padding: Padding) -> Self {
        Pooling { sliding: self.sliding.padding(padding), ..self }
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Pooling { name: Name::given(name), ..self }
    }
}

impl<K: PoolingKind, const N: usize> Layer for Pooling<K, N> {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        if let Err(error) = check_rank(self, x, N) {
            return Tensor::failed(error);
        }
        K::of_windows(x, self.pool_size.clone(), self.sliding.clone())
    }

    fn display_name(&self) -> String {
        self.name.or_numbered(&format!("{}{N}d", K::BASE)).to_owned()
    }

    fn description(&self) -> String {
        format!("{}{N}D, pool_size={}", K::TYPE, self.pool_size)
    }
}

/// What [`GlobalMaxPooling2D`], [`GlobalAveragePooling2D`] and their likes are: one number for all places, per channel.
///
/// ```
/// use tracelift_nn::{GlobalAveragePooling2D, Layer, tensor};
///
/// let image = tensor([[[[1.], [3.]], [[2.], [6.]]]]);
/// assert_eq!(GlobalAveragePooling2D::new().apply(&image).to_vec::<f32>()?, [3.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module, Default)]
pub struct GlobalPooling<K: PoolingKind, const N: usize> {
    kind: K,
    name: Name,
}

impl<K: PoolingKind, const N: usize> GlobalPooling<K, N> {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        GlobalPooling { name: Name::given(name), ..self }
    }
}

impl<K: PoolingKind, const N: usize> Layer for GlobalPooling<K, N> {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        if let Err(error) = check_rank(self, x, N) {
            return Tensor::failed(error);
        }
        K::of_all(x, (1..=N as i64).collect())
    }

    fn display_name(&self) -> String {
        self.name.or_numbered(&format!("global_{}{N}d", K::BASE)).to_owned()
    }

    fn description(&self) -> String {
        format!("Global{}{N}D", K::TYPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stand_side_by_side_unless_told() {
        let x = Tensor::from((0..16).map(|i| i as f32).collect::<Vec<f32>>()).reshape([1, 4, 4, 1]);
        assert_eq!(MaxPooling2D::new(2).apply(&x).to_vec::<f32>().unwrap(), [5., 7., 13., 15.]);
        assert_eq!(AveragePooling2D::new([1, 4]).apply(&x).to_vec::<f32>().unwrap(), [1.5, 5.5, 9.5, 13.5]);
        let same = MaxPooling2D::new(3).strides(2).padding(Padding::Same);
        assert_eq!(same.apply(&x).to_vec::<f32>().unwrap(), [10., 11., 14., 15.]);
        assert_eq!(GlobalMaxPooling2D::new().apply(&x).to_vec::<f32>().unwrap(), [15.]);
    }

    #[test]
    fn they_have_keras_names() {
        let name = |layer: &dyn Fn() -> (String, String), base: &str, description: &str| {
            let (name, text) = layer();
            assert!(
                name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_').starts_with(base),
                "{name}"
            );
            assert_eq!(text, description);
        };
        let of = |layer: &dyn Layer| (layer.display_name(), layer.description());
        name(&|| of(&MaxPooling2D::new(2)), "max_pooling2d", "MaxPooling2D, pool_size=2");
        name(&|| of(&AveragePooling1D::new([3])), "average_pooling1d", "AveragePooling1D, pool_size=3");
        name(&|| of(&GlobalAveragePooling2D::new()), "global_average_pooling2d", "GlobalAveragePooling2D");
        assert_eq!(MaxPooling3D::new([1, 2, 2]).name("third").display_name(), "third");
    }

    #[test]
    fn mistakes_are_errors() {
        let text = |y: Tensor| y.ok().unwrap_err().to_string();
        let flat = text(MaxPooling2D::new(2).name("pool").apply(&Tensor::ones([2, 28, 28])));
        assert!(flat.contains("`MaxPooling2D` takes [batch, height, width, channels], not f32[2, 28, 28]"), "{flat}");
        assert!(flat.contains("in layer `pool` (MaxPooling2D, pool_size=2)"), "{flat}");
        let x = Tensor::ones([2, 4, 4, 1]);
        assert!(text(MaxPooling2D::new(0).apply(&x)).contains("wants windows of at least one element"));
        assert!(text(MaxPooling2D::new([1, 2, 3]).apply(&x)).contains("wants a size for each of the 2 middle axes"));
        assert!(text(AveragePooling2D::new(5).apply(&x)).contains("cannot take windows of 5 elements from axis 1"));
        assert!(text(GlobalMaxPooling1D::new().apply(&x)).contains("takes [batch, steps, channels]"));
    }
}
