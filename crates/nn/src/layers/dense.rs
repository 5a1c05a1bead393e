//! The fully connected layer.

use tracelift_function::{Error, Result, Shape, Tensor};

use super::middle::skipped;
use crate::{
    AnyActivation, AnyConstraint, AnyInitializer, AnyRegularizer, Build, Call, Layer, Module, Weight, layer,
    module::type_text, name::Name, objects::IntoAny,
};

/// Fully connected layer: `activation(x @ kernel + bias)`.
///
/// Input `f32[..., n]`, output `f32[..., units]`.
///
/// ```
/// use tracelift_nn::{Dense, Layer, Tensor};
///
/// let y = Dense::new(4).activation("relu").apply(&Tensor::ones([2, 3]));
/// assert_eq!(y.shape(), [2, 4]);
/// ```
#[derive(Module)]
pub struct Dense {
    /// How many outputs it has.
    pub units: usize,
    activation: AnyActivation,
    kernel: Weight,
    bias: Option<Weight>,
    name: Name,
}

impl Dense {
    /// A layer with so many outputs: Glorot's uniform kernel, zero bias, no activation.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Dense {
            units,
            activation: "linear".into(),
            kernel: Weight::new("glorot_uniform"),
            bias: Some(Weight::new("zeros")),
            name: Name::default(),
        }
    }

    /// With a function after the product: a name, function, closure or struct.
    #[must_use]
    pub fn activation(self, activation: impl IntoAny<AnyActivation>) -> Self {
        Dense { activation: activation.into_any(), ..self }
    }

    /// With other first values of the kernel.
    #[must_use]
    pub fn kernel_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Dense { kernel: self.kernel.initializer(initializer), ..self }
    }

    /// With other first values of the bias.
    #[must_use]
    pub fn bias_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Dense { bias: self.bias.map(|bias| bias.initializer(initializer)), ..self }
    }

    /// With a penalty on the kernel.
    #[must_use]
    pub fn kernel_regularizer(self, regularizer: impl IntoAny<AnyRegularizer>) -> Self {
        Dense { kernel: self.kernel.regularizer(regularizer), ..self }
    }

    /// With a projection of the kernel after each update.
    #[must_use]
    pub fn kernel_constraint(self, constraint: impl IntoAny<AnyConstraint>) -> Self {
        Dense { kernel: self.kernel.constraint(constraint), ..self }
    }

    /// Without bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Dense { bias: None, ..self }
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Dense { name: Name::given(name), ..self }
    }

    /// The kernel, `f32[n, units]` once the layer is built.
    pub fn kernel(&self) -> &Weight {
        &self.kernel
    }

    /// That the input has the width the kernel was built for.
    fn check(&self, x: &Tensor) -> Result {
        let Ok(width) = self.kernel.shape().first().map_or(Ok(0), |n| n.known_len().ok_or(())) else { return Ok(()) };
        match x.shape().last() {
            _ if !self.kernel.is_built() || x.error().is_some() => Ok(()),
            Ok(given) if given != width => {
                let (x, kernel) = (type_text(x), type_text(&self.kernel));
                let message = format!("cannot multiply {x} by {kernel}: inner axes are {given} and {width}");
                let name = layer::Layer::display_name(self);
                let rank = x.matches(',').count();
                let leading = "_, ".repeat(rank.max(1));
                Err(Error::invalid(message)
                    .op("matmul")
                    .at(layer::origin(&self.description()))
                    .help(format!("`{name}` was built for f32[{leading}{width}]{}", skipped(&self.kernel))))
            }
            _ => Ok(()),
        }
    }
}

impl Layer for Dense {
    fn build(&self, input: &Shape, cx: &mut Build) -> Result {
        if self.units == 0 {
            return Err(Error::value("cannot have 0 units: it would have no outputs")
                .op("Dense")
                .help("give at least 1 unit"));
        }
        self.activation.check()?;
        cx.add_weight(&self.kernel, [input.last()?, self.units])?;
        self.bias.iter().try_for_each(|bias| cx.add_weight(bias, [self.units]))
    }

    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        if let Err(error) = self.check(x) {
            return Tensor::failed(error);
        }
        let product = x.matmul(&self.kernel);
        self.activation.call(&match &self.bias {
            Some(bias) => product + bias,
            None => product,
        })
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("dense").to_owned()
    }

    fn description(&self) -> String {
        format!("Dense, units={}", self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_product_a_bias_and_an_activation() {
        let dense = Dense::new(2).activation("relu").kernel_initializer("ones").bias_initializer("ones");
        let y = dense.apply(&tracelift_function::tensor([[1., 2.], [-3., 1.]]));
        assert_eq!(y.to_vec::<f32>().unwrap(), [4., 4., 0., 0.]);
        assert_eq!(dense.variables().len(), 2);
        assert_eq!(Dense::new(3).without_bias().apply(&Tensor::ones([4, 5, 2])).shape(), [4, 5, 3]);
    }

    #[test]
    fn another_width_is_an_error_that_names_the_layer() {
        let dense = Dense::new(10).name("head");
        dense.apply(&Tensor::ones([2, 300])).ok().unwrap();
        let line = line!() + 1;
        let text = dense.apply(&Tensor::ones([2, 784])).ok().unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "`matmul` cannot multiply f32[2, 784] by f32[300, 10]: inner axes are 784 and 300\n  \
                 in layer `head` (Dense, units=10), called at {}:{line}:26\n  \
                 help: `head` was built for f32[_, 300]",
                file!()
            )
        );
    }

    #[test]
    fn a_skipped_layer_is_guessed() {
        let (hidden, head) = (Dense::new(300).name("hidden"), Dense::new(10).name("head"));
        let x = Tensor::ones([2, 784]);
        head.apply(&hidden.apply(&x)).ok().unwrap();
        let text = head.apply(&x).ok().unwrap_err().to_string();
        assert!(text.ends_with("help: `head` was built for f32[_, 300]; did you skip `hidden`?"), "{text}");
    }

    #[test]
    fn mistakes_in_the_config_are_errors() {
        let text = |dense: Dense| dense.apply(&Tensor::ones([1, 2])).ok().unwrap_err().to_string();
        assert!(text(Dense::new(0)).contains("cannot have 0 units: it would have no outputs"));
        assert!(text(Dense::new(1).activation("rellu")).contains("did you mean \"relu\"?"));
        assert!(text(Dense::new(1).kernel_initializer("he_norml")).contains("did you mean \"he_normal\"?"));
        let unbuilt = Dense::new(1);
        assert!(
            unbuilt
                .call(&Tensor::ones([1, 2]), &Call::inference())
                .ok()
                .unwrap_err()
                .to_string()
                .contains("`layer.apply(&x)`")
        );
    }
}
