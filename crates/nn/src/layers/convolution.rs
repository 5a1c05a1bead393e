//! Convolutions, depthwise and transposed ones, along any number of axes.

use tracelift_function::{Error, PerAxis, Result, Shape, Sliding, Tensor};

use super::{
    conv_kinds::{ConvKind, Depthwise, Plain, Transposed},
    middle::{check_rank, skipped},
};
use crate::{
    AnyActivation, AnyConstraint, AnyInitializer, AnyRegularizer, Build, Call, Layer, Module, Padding, Weight, layer,
    module::type_text, name::Name, objects::IntoAny,
};

/// Convolution along one axis: `f32[batch, steps, channels]` becomes `f32[batch, windows, filters]`.
///
/// ```
/// use tracelift_nn::{Conv1D, Layer, Padding, Tensor};
///
/// let causal = Conv1D::new(8, 3).padding(Padding::Causal).dilation_rate(2);
/// assert_eq!(causal.apply(&Tensor::ones([2, 10, 4])).shape(), [2, 10, 8]);
/// ```
pub type Conv1D = Convolution<Plain, 1>;

/// Convolution of images: `f32[batch, height, width, channels]` becomes `f32[batch, rows, columns, filters]`.
///
/// ```
/// use tracelift_nn::{Conv2D, Layer, Padding, Tensor};
///
/// let images = Tensor::ones([2, 28, 28, 3]);
/// assert_eq!(Conv2D::new(32, 3).activation("relu").apply(&images).shape(), [2, 26, 26, 32]);
/// let strided = Conv2D::new(32, [3, 5]).strides(2).padding(Padding::Same);
/// assert_eq!(strided.apply(&images).shape(), [2, 14, 14, 32]);
/// ```
pub type Conv2D = Convolution<Plain, 2>;

/// Convolution of volumes: `f32[batch, depth, height, width, channels]`, the channels becoming filters.
///
/// ```
/// use tracelift_nn::{Conv3D, Layer, Tensor};
///
/// assert_eq!(Conv3D::new(4, 2).apply(&Tensor::ones([1, 5, 6, 7, 2])).shape(), [1, 4, 5, 6, 4]);
/// ```
pub type Conv3D = Convolution<Plain, 3>;

/// Convolution of images, each channel by kernels of its own: `multiplier` outputs for each channel.
///
/// ```
/// use tracelift_nn::{DepthwiseConv2D, Layer, Tensor};
///
/// let y = DepthwiseConv2D::new(3).depth_multiplier(2).apply(&Tensor::ones([1, 8, 8, 5]));
/// assert_eq!(y.shape(), [1, 6, 6, 10]);
/// ```
pub type DepthwiseConv2D = Convolution<Depthwise, 2>;

/// The way back of a convolution of images, from fewer places to more.
///
/// ```
/// use tracelift_nn::{Conv2DTranspose, Layer, Padding, Tensor};
///
/// let larger = Conv2DTranspose::new(16, 3).strides(2).padding(Padding::Same);
/// assert_eq!(larger.apply(&Tensor::ones([1, 7, 7, 32])).shape(), [1, 14, 14, 16]);
/// ```
pub type Conv2DTranspose = Convolution<Transposed, 2>;

/// What [`Conv1D`], [`Conv2D`], [`Conv3D`], [`DepthwiseConv2D`] and [`Conv2DTranspose`] are:
/// `activation(conv(x, kernel) + bias)`, of one kind, along so many axes between batch and channels.
///
/// ```
/// use tracelift_nn::{Conv2D, Layer, Module, Tensor};
///
/// let conv = Conv2D::new(6, 3).groups(2).without_bias();
/// conv.apply(&Tensor::ones([1, 8, 8, 4])).ok()?;
/// assert_eq!(conv.kernel().shape(), [3, 3, 2, 6]);
/// assert_eq!(conv.variables().len(), 1);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct Convolution<K: ConvKind, const N: usize> {
    kind: K,
    kernel_size: PerAxis,
    sliding: Sliding,
    activation: AnyActivation,
    kernel: Weight,
    bias: Option<Weight>,
    name: Name,
}

impl<const N: usize> Convolution<Plain, N> {
    /// A layer with so many filters of a size, `3` or `[3, 5]`: Glorot's uniform kernel, zero bias, no activation.
    #[must_use]
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis>) -> Self {
        Convolution::of(Plain { filters, groups: 1 }, kernel_size.into())
    }

    /// With channels and filters in groups, each of which sees its own channels only.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Convolution { kind: Plain { groups, ..self.kind }, ..self }
    }
}

impl<const N: usize> Convolution<Depthwise, N> {
    /// A layer with one kernel of a size for each channel: Glorot's uniform kernel, zero bias, no activation.
    #[must_use]
    pub fn new(kernel_size: impl Into<PerAxis>) -> Self {
        Convolution::of(Depthwise { multiplier: 1 }, kernel_size.into())
    }

    /// With so many kernels for each channel.
    #[must_use]
    pub fn depth_multiplier(self, multiplier: usize) -> Self {
        Convolution { kind: Depthwise { multiplier }, ..self }
    }
}

impl<const N: usize> Convolution<Transposed, N> {
    /// A layer with so many filters of a size, `3` or `[3, 5]`: Glorot's uniform kernel, zero bias, no activation.
    #[must_use]
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis>) -> Self {
        Convolution::of(Transposed { filters }, kernel_size.into())
    }
}

impl<K: ConvKind, const N: usize> Convolution<K, N> {
    fn of(kind: K, kernel_size: PerAxis) -> Self {
        Convolution {
            kind,
            kernel_size,
            sliding: Sliding::new(),
            activation: "linear".into(),
            kernel: Weight::new("glorot_uniform"),
            bias: Some(Weight::new("zeros")),
            name: Name::default(),
        }
    }

    /// With windows that begin so far from each other, along all axes or along each.
    #[must_use]
    pub fn strides(self, strides: impl Into<PerAxis>) -> Self {
        Convolution { sliding: self.sliding.strides(strides), ..self }
    }

    /// With something around the input; there is nothing unless this says so.
    #[must_use]
    pub fn padding(self, padding: Padding) -> Self {
        Convolution { sliding: self.sliding.padding(padding), ..self }
    }

    /// With so far from one element of a window to the next, along all axes or along each.
    #[must_use]
    pub fn dilation_rate(self, dilation: impl Into<PerAxis>) -> Self {
        Convolution { sliding: self.sliding.dilation(dilation), ..self }
    }

    /// With a function after the convolution: a name, function, closure or struct.
    #[must_use]
    pub fn activation(self, activation: impl IntoAny<AnyActivation>) -> Self {
        Convolution { activation: activation.into_any(), ..self }
    }

    /// With other first values of the kernel.
    #[must_use]
    pub fn kernel_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Convolution { kernel: self.kernel.initializer(initializer), ..self }
    }

    /// With other first values of the bias.
    #[must_use]
    pub fn bias_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Convolution { bias: self.bias.map(|bias| bias.initializer(initializer)), ..self }
    }

    /// With a penalty on the kernel.
    #[must_use]
    pub fn kernel_regularizer(self, regularizer: impl IntoAny<AnyRegularizer>) -> Self {
        Convolution { kernel: self.kernel.regularizer(regularizer), ..self }
    }

    /// With a projection of the kernel after each update.
    #[must_use]
    pub fn kernel_constraint(self, constraint: impl IntoAny<AnyConstraint>) -> Self {
        Convolution { kernel: self.kernel.constraint(constraint), ..self }
    }

    /// Without bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Convolution { bias: None, ..self }
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Convolution { name: Name::given(name), ..self }
    }

    /// The kernel once the layer is built: `f32[..., inputs, filters]`, for depthwise layers
    /// `f32[..., channels, multiplier]`, for transposed ones `f32[..., filters, channels]`.
    pub fn kernel(&self) -> &Weight {
        &self.kernel
    }

    /// That the input has the axes of the layer and the channels the kernel was built for.
    fn check(&self, x: &Tensor) -> Result {
        check_rank(self, x, N)?;
        let shape = self.kernel.shape();
        let (true, None, Some(sizes)) = (self.kernel.is_built(), x.error(), shape.known()) else { return Ok(()) };
        let channels = self.kind.channels(sizes[N], sizes[N + 1]);
        match x.shape().last() {
            Ok(given) if given != channels => {
                let (x, kernel) = (type_text(x), type_text(&self.kernel));
                let message = format!("cannot convolve {x} with {kernel}: channels are {given} and {channels}");
                let (name, any) = (self.display_name(), "_, ".repeat(N + 1));
                Err(Error::invalid(message)
                    .op(K::OP)
                    .at(layer::origin(&self.description()))
                    .help(format!("`{name}` was built for f32[{any}{channels}]{}", skipped(&self.kernel))))
            }
            _ => Ok(()),
        }
    }
}

impl<K: ConvKind, const N: usize> Layer for Convolution<K, N> {
    fn build(&self, input: &Shape, cx: &mut Build) -> Result {
        let of_this = |error: Error| error.op(K::type_name(N));
        if input.rank() != N + 2 {
            // `call` says which axes the input should have.
            return Ok(());
        }
        let sizes = self.kernel_size.of("kernel size", N).map_err(of_this)?;
        if sizes.contains(&0) {
            return Err(of_this(Error::value(format!("cannot have a kernel of size {}", self.kernel_size)))
                .help("give a size of at least 1 along each axis"));
        }
        let channels = input.last()?;
        let ends = self.kind.kernel_ends(channels).map_err(of_this)?;
        self.activation.check()?;
        let kernel: Vec<usize> = sizes.into_iter().chain(ends).collect();
        cx.add_weight(&self.kernel, kernel.as_slice())?;
        self.bias.iter().try_for_each(|bias| cx.add_weight(bias, [self.kind.filters(channels)]))
    }

    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        if let Err(error) = self.check(x) {
            return Tensor::failed(error);
        }
        let y = self.kind.convolve(x, &self.kernel, self.sliding.clone());
        self.activation.call(&match &self.bias {
            Some(bias) => y + bias,
            None => y,
        })
    }

    fn display_name(&self) -> String {
        self.name.or_numbered(&K::base_name(N)).to_owned()
    }

    fn description(&self) -> String {
        format!("{}, {}, kernel_size={}", K::type_name(N), self.kind.config(), self.kernel_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_function::tensor;

    fn sizes(tensor: &Tensor) -> Vec<usize> {
        tensor.shape().known().unwrap().to_vec()
    }

    #[test]
    fn it_is_a_convolution_a_bias_and_an_activation() {
        let conv = Conv1D::new(1, 2).activation("relu").kernel_initializer("ones").bias_initializer("ones");
        let y = conv.apply(&tensor([[[1.], [2.], [-9.], [4.]]]));
        assert_eq!(y.to_vec::<f32>().unwrap(), [4., 0., 0.]);
        assert_eq!(conv.variables().iter().map(|v| v.name()).collect::<Vec<_>>(), ["kernel", "bias"]);
        assert_eq!(Conv1D::new(3, 2).without_bias().apply(&Tensor::ones([4, 5, 2])).shape(), [4, 4, 3]);
    }

    #[test]
    fn kernels_have_keras_shapes() {
        let x = Tensor::ones([1, 6, 7, 4]);
        let plain = Conv2D::new(6, [2, 3]).groups(2);
        assert_eq!(plain.apply(&x).shape(), [1, 5, 5, 6]);
        assert_eq!(sizes(plain.kernel()), [2, 3, 2, 6]);
        let depthwise = DepthwiseConv2D::new([2, 3]).depth_multiplier(3);
        assert_eq!(depthwise.apply(&x).shape(), [1, 5, 5, 12]);
        assert_eq!(sizes(depthwise.kernel()), [2, 3, 4, 3]);
        let transposed = Conv2DTranspose::new(6, [2, 3]).strides(2);
        assert_eq!(transposed.apply(&x).shape(), [1, 12, 15, 6]);
        assert_eq!(sizes(transposed.kernel()), [2, 3, 6, 4]);
        assert_eq!(sizes(&depthwise.variables()[1]), [12]);
    }

    #[test]
    fn first_values_depend_on_the_receptive_field() {
        let conv = Conv2D::new(64, 3);
        conv.apply(&Tensor::ones([1, 3, 3, 32])).ok().unwrap();
        let largest = f64::from(conv.kernel().abs().max(..).item::<f32>().unwrap());
        let limit = (6.0_f64 / (9.0 * (32.0 + 64.0))).sqrt();
        assert!(largest <= limit && largest > 0.99 * limit, "{largest}, not {limit}");
    }

    #[test]
    fn messages_name_layers_in_order() {
        let text = |layer: &dyn Fn(&Tensor) -> Tensor, x: [usize; 4]| {
            layer(&Tensor::ones(x)).ok().map(|_| ()).unwrap_err().to_string()
        };
        let (first, second) = (Conv2D::new(8, 3).name("first"), Conv2D::new(4, 3).name("second"));
        let x = Tensor::ones([1, 9, 9, 2]);
        second.apply(&first.apply(&x)).ok().unwrap();
        let skipping = text(&|x| second.apply(x), [1, 9, 9, 2]);
        assert!(
            skipping.contains("cannot convolve f32[1, 9, 9, 2] with f32[3, 3, 8, 4]: channels are 2 and 8"),
            "{skipping}"
        );
        assert!(skipping.contains("in layer `second` (Conv2D, filters=4, kernel_size=3)"), "{skipping}");
        assert!(
            skipping.ends_with("help: `second` was built for f32[_, _, _, 8]; did you skip `first`?"),
            "{skipping}"
        );
        // Channels that would be two groups are no invitation.
        assert!(text(&|x| second.apply(x), [1, 9, 9, 16]).contains("channels are 16 and 8"));
    }

    #[test]
    fn mistakes_in_the_config_are_errors() {
        let text = |conv: Conv2D| conv.apply(&Tensor::ones([1, 4, 4, 3])).ok().unwrap_err().to_string();
        assert!(text(Conv2D::new(0, 3)).contains("`Conv2D` cannot have 0 filters: it would have no outputs"));
        assert!(text(Conv2D::new(1, [0, 3])).contains("cannot have a kernel of size 0x3"));
        assert!(text(Conv2D::new(1, [3, 3, 3])).contains("wants a kernel size for each of the 2 middle axes"));
        assert!(text(Conv2D::new(4, 3).groups(2)).contains("cannot have 2 groups of 3 channels"));
        assert!(text(Conv2D::new(4, 3).groups(3)).contains("cannot have 3 groups of 4 filters"));
        assert!(text(Conv2D::new(4, 3).groups(0)).contains("cannot have 0 groups"));
        assert!(text(Conv2D::new(1, 3).activation("rellu")).contains("did you mean \"relu\"?"));
        assert!(text(Conv2D::new(1, 3).strides(0)).contains("strides and dilation of at least one"));
        assert!(text(Conv2D::new(1, 3).padding(Padding::Causal)).contains("causal padding for one middle axis only"));
        assert!(text(Conv2D::new(1, 5)).contains("window"));
        let flat = Conv2D::new(1, 3).apply(&Tensor::ones([2, 28, 28])).ok().unwrap_err().to_string();
        assert!(flat.contains("takes [batch, height, width, channels], not f32[2, 28, 28]"), "{flat}");
        assert!(flat.contains("add them: `x.expand_dims(-1)`"), "{flat}");
        let none = DepthwiseConv2D::new(3).depth_multiplier(0).apply(&Tensor::ones([1, 4, 4, 3]));
        assert!(none.ok().unwrap_err().to_string().contains("cannot have a depth multiplier of 0"));
    }
}
