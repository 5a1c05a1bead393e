//! The layer in which each position of a sequence asks all positions of another.

use tracelift_function::{Dim, Error, Result, Shape, Tensor};

use super::middle::check_rank;
use crate::{
    AnyInitializer, Build, Call, Layer, Module, Weight, layer, module::type_text, name::Name, objects::IntoAny,
};

/// Attention with several heads: each projects `query`, `key` and `value`, and gives for each position of the query
/// the mean of the values, weighted by `softmax(query · key / √key_dim)`; a last projection joins the heads.
///
/// Applied to one tensor it is self attention, `f32[batch, steps, n]` to the same shape; applied to three, `(&query,
/// &value, &key)` in the order of Keras, the result has the steps and the width of the query.
///
/// ```
/// use tracelift_nn::{Layer, MultiHeadAttention, Tensor};
///
/// let (query, memory) = (Tensor::ones([2, 5, 8]), Tensor::ones([2, 7, 3]));
/// assert_eq!(MultiHeadAttention::new(2, 4).apply(&query).shape(), [2, 5, 8]);
/// assert_eq!(MultiHeadAttention::new(2, 4).apply((&query, &memory, &memory)).shape(), [2, 5, 8]);
/// ```
#[derive(Module)]
pub struct MultiHeadAttention {
    /// How many heads it has.
    pub num_heads: usize,
    /// The width of a head's queries and keys.
    pub key_dim: usize,
    /// The width of a head's values.
    pub value_dim: usize,
    output_dim: Option<usize>,
    query: Projection,
    key: Projection,
    value: Projection,
    attention_output: Projection,
    causal: bool,
    name: Name,
}

impl MultiHeadAttention {
    /// With so many heads, whose queries, keys and values have this width: Glorot's uniform kernels, zero biases.
    #[must_use]
    pub fn new(num_heads: usize, key_dim: usize) -> Self {
        MultiHeadAttention {
            num_heads,
            key_dim,
            value_dim: key_dim,
            output_dim: None,
            query: Projection::new(),
            key: Projection::new(),
            value: Projection::new(),
            attention_output: Projection::new(),
            causal: false,
            name: Name::default(),
        }
    }

    /// With another width of a head's values.
    #[must_use]
    pub fn value_dim(self, value_dim: usize) -> Self {
        MultiHeadAttention { value_dim, ..self }
    }

    /// With another width of the result than the query's.
    #[must_use]
    pub fn output_dim(self, output_dim: usize) -> Self {
        MultiHeadAttention { output_dim: Some(output_dim), ..self }
    }

    /// Without biases.
    #[must_use]
    pub fn without_bias(self) -> Self {
        self.with_projections(&mut |projection| Projection { bias: None, ..projection })
    }

    /// With other first values of the kernels.
    #[must_use]
    pub fn kernel_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        let initializer = initializer.into_any();
        self.with_projections(&mut |projection| {
            let kernel = projection.kernel.initializer(initializer.clone());
            Projection { kernel, ..projection }
        })
    }

    /// Lets each position ask only those that are not behind it.
    #[must_use]
    pub fn use_causal_mask(self) -> Self {
        MultiHeadAttention { causal: true, ..self }
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        MultiHeadAttention { name: Name::given(name), ..self }
    }

    fn with_projections(self, change: &mut dyn FnMut(Projection) -> Projection) -> Self {
        MultiHeadAttention {
            query: change(self.query),
            key: change(self.key),
            value: change(self.value),
            attention_output: change(self.attention_output),
            ..self
        }
    }

    fn described(&self) -> String {
        format!("MultiHeadAttention, num_heads={}, key_dim={}", self.num_heads, self.key_dim)
    }

    fn build_for(&self, [query, value, key]: [&Shape; 3], cx: &mut Build) -> Result {
        if [self.num_heads, self.key_dim, self.value_dim, self.output_dim.unwrap_or(1)].contains(&0) {
            let message = "wants at least 1 head, whose queries, keys, values and results have at least width 1";
            return Err(Error::value(message).op("MultiHeadAttention"));
        }
        if [query, value, key].iter().any(|shape| shape.rank() != 3) {
            // The call tells it.
            return Ok(());
        }
        let heads = |width: usize| [self.num_heads, width];
        self.query.build([query.last()?], heads(self.key_dim), cx)?;
        self.key.build([key.last()?], heads(self.key_dim), cx)?;
        self.value.build([value.last()?], heads(self.value_dim), cx)?;
        let width = self.output_dim.map_or_else(|| query.last(), Ok)?;
        self.attention_output.build(heads(self.value_dim), [width], cx)
    }

    fn check(&self, inputs: [&Tensor; 3]) -> Result {
        let sides = [("query", &self.query), ("value", &self.value), ("key", &self.key)];
        for (x, (side, projection)) in inputs.into_iter().zip(sides) {
            check_rank(self, x, 1)?;
            let (given, built) = (x.shape()[2].known_len(), projection.width());
            if given.zip(built).is_some_and(|(given, built)| given != built) {
                let message = format!("cannot project the {side} {}: inner axes differ", type_text(x));
                let built = type_text(&projection.kernel);
                return Err(Error::invalid(message)
                    .op("MultiHeadAttention")
                    .help(format!("its kernel was built as {built}: the {side} has that width")));
            }
        }
        let [_, value, key] = inputs;
        let differ = |axis: usize| (&value.shape()[axis] - &key.shape()[axis]).known().is_some_and(|n| n != 0);
        if differ(0) || differ(1) {
            let message = format!("wants a value for each key, not {} and {}", type_text(value), type_text(key));
            return Err(Error::invalid(message).op("MultiHeadAttention").help("give `(&query, &value, &key)`"));
        }
        Ok(())
    }

    fn attend(&self, [query, value, key]: [&Tensor; 3]) -> Tensor {
        if let Err(error) = self.check([query, value, key]) {
            let error = if error.origin.is_unknown() { error.at(layer::origin(&self.described())) } else { error };
            return Tensor::failed(error);
        }
        // [batch, heads, steps, width]
        let heads = |x: &Tensor, projection: &Projection| projection.call(x, 1).transpose(&[0, 2, 1, 3]);
        let query = heads(query, &self.query) * (1.0 / (self.key_dim as f64).sqrt());
        let (key, value) = (heads(key, &self.key), heads(value, &self.value));
        let mut scores = query.matmul(key.swap_axes(2, 3));
        if self.causal {
            scores = not_behind(&scores).select(&scores, f64::NEG_INFINITY);
        }
        let given = scores.softmax(-1).matmul(&value).transpose(&[0, 2, 1, 3]);
        self.attention_output.call(&given, 2)
    }
}

/// Whether the second position is not behind the first, for scores of `[batch, heads, first, second]`.
fn not_behind(scores: &Tensor) -> Tensor {
    Tensor::ones(Shape::from(scores.shape()[2..].to_vec())).tril(0).gt(0)
}

impl Layer for MultiHeadAttention {
    fn build(&self, input: &Shape, cx: &mut Build) -> Result {
        self.build_for([input; 3], cx)
    }

    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        self.attend([x; 3])
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("multi_head_attention").to_owned()
    }

    fn description(&self) -> String {
        self.described()
    }
}

/// Query, value and key.
impl Layer<(Tensor, Tensor, Tensor)> for MultiHeadAttention {
    fn build(&self, (query, value, key): &(Shape, Shape, Shape), cx: &mut Build) -> Result {
        self.build_for([query, value, key], cx)
    }

    fn call(&self, (query, value, key): &(Tensor, Tensor, Tensor), _: &Call) -> Tensor {
        self.attend([query, value, key])
    }

    fn display_name(&self) -> String {
        Layer::<Tensor>::display_name(self)
    }

    fn description(&self) -> String {
        self.described()
    }
}

/// A product that takes or gives several axes at once, and a bias.
#[derive(Module)]
struct Projection {
    kernel: Weight,
    bias: Option<Weight>,
}

impl Projection {
    fn new() -> Self {
        Projection { kernel: Weight::new("glorot_uniform"), bias: Some(Weight::new("zeros")) }
    }

    fn build<const N: usize, const M: usize>(&self, from: [usize; N], to: [usize; M], cx: &mut Build) -> Result {
        cx.add_weight(&self.kernel, from.into_iter().chain(to).collect::<Vec<usize>>())?;
        self.bias.iter().try_for_each(|bias| cx.add_weight(bias, to))
    }

    /// The size of the first axis it was built for.
    fn width(&self) -> Option<usize> {
        self.kernel.is_built().then(|| self.kernel.shape().first().and_then(Dim::known_len)).flatten()
    }

    /// Sums over the last `taken` axes.
    fn call(&self, x: &Tensor, taken: usize) -> Tensor {
        let kernel = self.kernel.value();
        let (shape, sizes) = (x.shape(), kernel.shape());
        if kernel.error().is_some() || sizes.rank() < taken || shape.rank() < taken {
            return kernel;
        }
        // One product of matrices.
        let (kept, to) = (&shape[..shape.rank() - taken], &sizes[taken..]);
        let matrix = |rows: &[Dim], columns: &[Dim]| -> Shape {
            Shape::from([rows.iter().product::<Dim>(), columns.iter().product()])
        };
        let x = x.reshape(matrix(kept, &shape[kept.len()..]));
        let product = x.matmul(kernel.reshape(matrix(&sizes[..taken], to)));
        let product = match &self.bias {
            Some(bias) => product + bias.reshape(Shape::from([to.iter().product::<Dim>()])),
            None => product,
        };
        product.reshape(kept.iter().chain(to).cloned().collect::<Shape>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_function::tensor;

    #[test]
    fn its_weights_have_the_shapes_and_names_of_keras() {
        let attention = MultiHeadAttention::new(2, 4).value_dim(3).output_dim(6);
        let (query, value, key) = (Tensor::ones([1, 2, 5]), Tensor::ones([1, 3, 7]), Tensor::ones([1, 3, 8]));
        assert_eq!(attention.apply((&query, &value, &key)).shape(), [1, 2, 6]);
        let variables = attention.variables();
        let shapes: Vec<String> = variables.iter().map(|v| format!("{} {}", v.name(), v.shape())).collect();
        assert_eq!(
            shapes,
            [
                "query/kernel [5, 2, 4]",
                "query/bias [2, 4]",
                "key/kernel [8, 2, 4]",
                "key/bias [2, 4]",
                "value/kernel [7, 2, 3]",
                "value/bias [2, 3]",
                "attention_output/kernel [2, 3, 6]",
                "attention_output/bias [6]"
            ]
        );
        let bare = MultiHeadAttention::new(1, 1).without_bias();
        bare.apply(&Tensor::ones([1, 1, 1])).ok().unwrap();
        assert_eq!(bare.variables().len(), 4);
    }

    #[test]
    fn equal_keys_give_the_mean_and_a_mask_hides_what_comes_later() {
        let attention = MultiHeadAttention::new(1, 1).kernel_initializer("ones").without_bias();
        let (query, key) = (tensor([[[1.0], [2.0]]]), Tensor::zeros([1, 2, 1]));
        let value = tensor([[[2.0], [6.0]]]);
        let y = attention.apply((&query, &value, &key));
        assert_eq!(y.to_vec::<f32>().unwrap(), [4., 4.]);
        let masked = attention.share().use_causal_mask().apply((&query, &value, &key));
        assert_eq!(masked.to_vec::<f32>().unwrap(), [2., 4.]);
    }

    #[test]
    fn mistakes_are_errors() {
        let attention = MultiHeadAttention::new(2, 4).name("heads");
        let x = Tensor::ones([1, 2, 5]);
        attention.apply(&x).ok().unwrap();
        let text = |y: Tensor| y.ok().unwrap_err().to_string();
        let wide = text(attention.apply(&Tensor::ones([1, 2, 6])));
        assert!(wide.contains("cannot project the query f32[1, 2, 6]: inner axes differ"), "{wide}");
        assert!(wide.contains("in layer `heads` (MultiHeadAttention, num_heads=2, key_dim=4)"), "{wide}");
        assert!(wide.contains("help: its kernel was built as f32[5, 2, 4]: the query has that width"), "{wide}");
        let apart = text(attention.apply((&x, &x, &Tensor::ones([1, 3, 5]))));
        assert!(apart.contains("wants a value for each key, not f32[1, 2, 5] and f32[1, 3, 5]"), "{apart}");
        assert!(text(attention.apply(&tensor([[1.0]]))).contains("takes [batch, steps, channels]"));
        assert!(text(MultiHeadAttention::new(0, 4).apply(&x)).contains("wants at least 1 head"));
    }
}
