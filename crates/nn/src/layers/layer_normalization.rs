//! The layer that gives each example mean zero and variance one.

use tracelift_function::{Dim, Error, Result, Shape, Tensor};

use crate::{AnyInitializer, Build, Call, Layer, Module, Weight, name::Name, objects::IntoAny};

/// Layer normalization: along some axes, mean 0 and variance 1, then times `gamma` plus `beta`.
///
/// Input and output `f32[..., n]`; `gamma` and `beta` are `f32[n]`, or have the sizes of the given axes.
///
/// ```
/// use tracelift_nn::{Layer, LayerNormalization, tensor};
///
/// let y = LayerNormalization::new().epsilon(0.0).apply(&tensor([[1., 3.], [20., 10.]]));
/// assert_eq!(y.to_vec::<f32>()?, [-1., 1., 1., -1.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct LayerNormalization {
    axes: Vec<i32>,
    /// What is added to the variance.
    pub epsilon: f64,
    gamma: Option<Weight>,
    beta: Option<Weight>,
    name: Name,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        LayerNormalization {
            axes: vec![-1],
            epsilon: 1e-3,
            gamma: Some(Weight::new("ones")),
            beta: Some(Weight::new("zeros")),
            name: Name::default(),
        }
    }
}

impl LayerNormalization {
    /// Along the last axis, with a scale of ones and an offset of zeros; 0.001 is added to the variance.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Along another axis, or several together: `.axes([1, 2])`; from the end if negative.
    ///
    /// `gamma` and `beta` have the sizes of the axes in the order of these numbers, as in Keras: `-1` comes before `1`.
    #[must_use]
    pub fn axes(self, axes: impl IntoIterator<Item = i32>) -> Self {
        let mut axes: Vec<i32> = axes.into_iter().collect();
        axes.sort_unstable();
        LayerNormalization { axes, ..self }
    }

    /// With another number that is added to the variance.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        LayerNormalization { epsilon, ..self }
    }

    /// Without the offset `beta`.
    #[must_use]
    pub fn without_center(self) -> Self {
        LayerNormalization { beta: None, ..self }
    }

    /// Without the factor `gamma`.
    #[must_use]
    pub fn without_scale(self) -> Self {
        LayerNormalization { gamma: None, ..self }
    }

    /// With other first values of the offset.
    #[must_use]
    pub fn beta_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        LayerNormalization { beta: self.beta.map(|beta| beta.initializer(initializer)), ..self }
    }

    /// With other first values of the factor.
    #[must_use]
    pub fn gamma_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        LayerNormalization { gamma: self.gamma.map(|gamma| gamma.initializer(initializer)), ..self }
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        LayerNormalization { name: Name::given(name), ..self }
    }

    /// The axes counted from the front, in the order of `gamma`'s.
    fn numbered(&self, shape: &Shape) -> Result<Vec<usize>> {
        let axes = self.axes.iter().map(|axis| shape.axis((*axis).into())).collect::<Result<Vec<usize>>>();
        let axes = axes.map_err(|error| error.op("LayerNormalization"))?;
        if axes.is_empty() || (1..axes.len()).any(|n| axes[..n].contains(&axes[n])) {
            let message = format!("wants axes that differ, at least one, not {:?} of shape {shape}", self.axes);
            return Err(Error::value(message).op("LayerNormalization").help("the usual one is the last: -1"));
        }
        Ok(axes)
    }

    fn normalize(&self, x: &Tensor) -> Result<Tensor> {
        let shape = x.shape();
        let axes = self.numbered(&shape)?;
        // Weights of the last axes are broadcast as they are.
        let is_last = axes.iter().copied().eq(shape.rank() - axes.len()..shape.rank());
        let size = |axis: usize| if axes.contains(&axis) { shape[axis].clone() } else { Dim::from(1usize) };
        let beside = |weight: &Weight| match is_last {
            true => weight.value(),
            false => weight.reshape((0..shape.rank()).map(size).collect::<Shape>()),
        };
        let over = || axes.iter().map(|axis| *axis as i64).collect::<Vec<_>>();
        let centred = x - x.mean_keep(over());
        let mut y = &centred * (centred.square().mean_keep(over()) + self.epsilon).rsqrt();
        if let Some(gamma) = &self.gamma {
            y *= beside(gamma);
        }
        if let Some(beta) = &self.beta {
            y += beside(beta);
        }
        Ok(y)
    }
}

impl Layer for LayerNormalization {
    fn build(&self, input: &Shape, cx: &mut Build) -> Result {
        let sizes: Shape = self.numbered(input)?.into_iter().map(|axis| input[axis].clone()).collect();
        self.gamma.iter().chain(&self.beta).try_for_each(|weight| cx.add_weight(weight, sizes.clone()))
    }

    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        if x.error().is_some() {
            return x.clone();
        }
        self.normalize(x).unwrap_or_else(Tensor::failed)
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("layer_normalization").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_function::tensor;

    #[test]
    fn each_row_has_mean_zero_and_variance_one() {
        let norm = LayerNormalization::new().epsilon(0.0);
        let x = tensor([[1., 2., 3., 6.], [-5., 0., 5., 0.]]);
        let y = norm.apply(&x);
        assert!(y.mean(-1).abs().max(..).item::<f32>().unwrap() < 1e-6);
        assert!((y.variance(-1) - 1.0).abs().max(..).item::<f32>().unwrap() < 1e-6);
        assert_eq!(norm.variables().iter().map(|v| v.shape()).collect::<Vec<_>>(), [[4], [4]]);
        let zeros = LayerNormalization::new().apply(&Tensor::full([2, 3], 7.0f32));
        assert_eq!(zeros.to_vec::<f32>().unwrap(), [0.0; 6]);
    }

    #[test]
    fn several_axes_have_weights_of_their_sizes() {
        let norm = LayerNormalization::new().axes([-1, 1]).gamma_initializer("zeros").beta_initializer("ones");
        assert_eq!(norm.apply(&Tensor::ones([2, 3, 4, 5])).to_vec::<f32>().unwrap(), [1.0; 120]);
        assert_eq!(norm.variables()[0].shape(), [5, 3]);
        let bare = LayerNormalization::new().without_scale().without_center().axes([0]);
        assert_eq!(bare.apply(&tensor([[1., 2.], [1., 2.]])).to_vec::<f32>().unwrap(), [0.0; 4]);
        assert!(bare.variables().is_empty());
    }

    #[test]
    fn wrong_axes_are_errors() {
        let text = |axes: &[i32]| {
            let norm = LayerNormalization::new().axes(axes.iter().copied());
            norm.apply(&Tensor::ones([2, 3])).ok().unwrap_err().to_string()
        };
        assert!(text(&[2]).contains("`LayerNormalization`"), "{}", text(&[2]));
        assert!(text(&[-1, 1]).contains("wants axes that differ, at least one, not [-1, 1] of shape [2, 3]"));
        assert!(text(&[]).contains("in layer `layer_normalization"));
    }
}
