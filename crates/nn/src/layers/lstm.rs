//! The recurrent layer with a cell state and four gates.

use tracelift_function::{
    DType, Error, Result, Shape, Tensor, concat, custom_gradient, einsum, scan, scan_reverse, value_and_gradients,
};

use super::middle::check_rank;
use crate::{
    AnyActivation, AnyConstraint, AnyInitializer, AnyRegularizer, Build, Call, Initializer, Layer, Module, Weight,
    layer, module::type_text, name::Name, objects::IntoAny,
};

/// Long short-term memory: reads a sequence step by step, with an output and a cell state that pass through four gates.
///
/// Input `f32[batch, steps, n]`, output `f32[batch, units]`, that of the last step, or with [`return_sequences`]
/// `f32[batch, steps, units]`. With `i, f, c, o` the four parts of `x @ kernel + h @ recurrent_kernel + bias`, a step is
///
/// ```text
/// cell = sigmoid(f) * cell + sigmoid(i) * tanh(c)
/// h = sigmoid(o) * tanh(cell)
/// ```
///
/// from zeros. It is one loop of the graph, however many steps there are.
///
/// ```
/// use tracelift_nn::{Layer, Lstm, Tensor};
///
/// let x = Tensor::ones([2, 5, 3]);
/// assert_eq!(Lstm::new(4).apply(&x).shape(), [2, 4]);
/// assert_eq!(Lstm::new(4).return_sequences().apply(&x).shape(), [2, 5, 4]);
/// ```
///
/// [`return_sequences`]: Lstm::return_sequences
#[derive(Module)]
pub struct Lstm {
    /// How many outputs it has.
    pub units: usize,
    activation: AnyActivation,
    recurrent_activation: AnyActivation,
    kernel: Weight,
    recurrent_kernel: Weight,
    bias: Option<Weight>,
    bias_initializer: AnyInitializer,
    unit_forget_bias: bool,
    returns_sequences: bool,
    goes_backwards: bool,
    name: Name,
}

impl Lstm {
    /// A layer with so many outputs: Glorot's uniform kernel, an orthogonal recurrent kernel, a bias of ones for the
    /// forget gate and zeros otherwise.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Lstm {
            units,
            activation: "tanh".into(),
            recurrent_activation: "sigmoid".into(),
            kernel: Weight::new("glorot_uniform"),
            recurrent_kernel: Weight::new("orthogonal"),
            bias: Some(Weight::new(ForgetOnes { others: "zeros".into() })),
            bias_initializer: "zeros".into(),
            unit_forget_bias: true,
            returns_sequences: false,
            goes_backwards: false,
            name: Name::default(),
        }
    }

    /// With another function of the candidate and of the cell state than `tanh`.
    #[must_use]
    pub fn activation(self, activation: impl IntoAny<AnyActivation>) -> Self {
        Lstm { activation: activation.into_any(), ..self }
    }

    /// With another function of the gates than `sigmoid`.
    #[must_use]
    pub fn recurrent_activation(self, activation: impl IntoAny<AnyActivation>) -> Self {
        Lstm { recurrent_activation: activation.into_any(), ..self }
    }

    /// Gives the outputs of all steps.
    #[must_use]
    pub fn return_sequences(self) -> Self {
        Lstm { returns_sequences: true, ..self }
    }

    /// Reads from the last step to the first; sequences are given in the order they are read.
    #[must_use]
    pub fn go_backwards(self) -> Self {
        Lstm { goes_backwards: true, ..self }
    }

    /// With other first values of the kernel.
    #[must_use]
    pub fn kernel_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Lstm { kernel: self.kernel.initializer(initializer), ..self }
    }

    /// With other first values of the recurrent kernel.
    #[must_use]
    pub fn recurrent_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Lstm { recurrent_kernel: self.recurrent_kernel.initializer(initializer), ..self }
    }

    /// With other first values of the bias; that of the forget gate stays one.
    #[must_use]
    pub fn bias_initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        Lstm { bias_initializer: initializer.into_any(), ..self }.with_first_bias()
    }

    /// With a bias of the forget gate that begins like the others, not with ones.
    #[must_use]
    pub fn without_unit_forget_bias(self) -> Self {
        Lstm { unit_forget_bias: false, ..self }.with_first_bias()
    }

    /// With a penalty on the kernel.
    #[must_use]
    pub fn kernel_regularizer(self, regularizer: impl IntoAny<AnyRegularizer>) -> Self {
        Lstm { kernel: self.kernel.regularizer(regularizer), ..self }
    }

    /// With a penalty on the recurrent kernel.
    #[must_use]
    pub fn recurrent_regularizer(self, regularizer: impl IntoAny<AnyRegularizer>) -> Self {
        Lstm { recurrent_kernel: self.recurrent_kernel.regularizer(regularizer), ..self }
    }

    /// With a projection of the recurrent kernel after each update.
    #[must_use]
    pub fn recurrent_constraint(self, constraint: impl IntoAny<AnyConstraint>) -> Self {
        Lstm { recurrent_kernel: self.recurrent_kernel.constraint(constraint), ..self }
    }

    /// Without bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Lstm { bias: None, ..self }
    }

    /// With a name for messages and summaries.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Lstm { name: Name::given(name), ..self }
    }

    fn with_first_bias(self) -> Self {
        let others = self.bias_initializer.clone();
        let first = if self.unit_forget_bias { ForgetOnes { others }.into() } else { others };
        Lstm { bias: self.bias.map(|bias| bias.initializer(first)), ..self }
    }

    /// That the input is a batch of sequences of the width the kernel was built for.
    fn check(&self, x: &Tensor) -> Result {
        check_rank(self, x, 1)?;
        if x.shape()[1] == 0usize {
            return Err(
                Error::invalid(format!("wants at least one step, which {} does not have", type_text(x))).op("Lstm")
            );
        }
        let Some(width) = self.kernel.shape().first().and_then(tracelift_function::Dim::known_len) else {
            return Ok(());
        };
        let given = x.shape()[2].known_len();
        if !self.kernel.is_built() || given.is_none_or(|given| given == width) {
            return Ok(());
        }
        let message = format!("cannot read {}: it was built for sequences of width {width}", type_text(x));
        Err(Error::invalid(message).op("Lstm").help(format!("give it f32[_, _, {width}]")))
    }

    /// The next output and cell state, by the four gates before their activations.
    fn step(&self, gates: [Tensor; 4], cell: &Tensor) -> (Tensor, Tensor) {
        let [input, forget, candidate, output] = gates;
        let [input, forget, output] = [input, forget, output].map(|gate| self.recurrent_activation.call(&gate));
        let cell = forget * cell + input * self.activation.call(&candidate);
        (output * self.activation.call(&cell), cell)
    }

    /// The outputs and behind them the cell states of all steps, `[steps, batch, 2 * units]`, by what the input says about
    /// the gates, `[steps, batch, 4 * units]`.
    ///
    /// The gradient is that of the loop, but what does not wait for another step is computed for all steps at once: the
    /// gates are not kept but computed again from the outputs, in one product, and the gradient of the recurrent kernel
    /// is one product, not a sum over the steps.
    fn states(&self, inputs: &Tensor) -> Tensor {
        let given = (inputs.clone(), self.recurrent_kernel.value());
        custom_gradient(&given, |given| self.forward(given), |given, states, by| self.backward(given, states, by))
    }

    fn forward(&self, (inputs, kernel): &(Tensor, Tensor)) -> Tensor {
        let start = self.rows_of_zeros(inputs);
        let (_, states) = scan((start.clone(), start), inputs, |(h, cell), inputs| {
            let (h, cell) = self.step(gates(&inputs, &h.matmul(kernel)), &cell);
            let both = concat(&[&h, &cell], 1);
            ((h, cell), both)
        });
        states
    }

    fn backward(&self, (inputs, kernel): &(Tensor, Tensor), states: &Tensor, by: &Tensor) -> (Tensor, Tensor) {
        // What each step began with.
        let before = states.pad(&[(1, 0), (0, 0), (0, 0)], 0.0).slice(..-1);
        let [outputs, cells] = halves(&before);
        let all = inputs + outputs.matmul(kernel);
        let start = self.rows_of_zeros(inputs);
        let rows = (all, cells, by.clone());
        let (_, by_gates) = scan_reverse((start.clone(), start), &rows, |(by_output, by_cell), (all, cell, by)| {
            let [more_by_output, more_by_cell] = halves(&by);
            let (by_output, by_cell) = (by_output + more_by_output, by_cell + more_by_cell);
            let [input, forget, candidate, output] = quarters(&all);
            let target = || {
                let gates = [&input, &forget, &candidate, &output].map(Tensor::clone);
                let (h, cell) = self.step(gates, &cell);
                (h * &by_output).sum(..) + (cell * &by_cell).sum(..)
            };
            let sources = [&input, &forget, &candidate, &output, &cell];
            let (_, [input, forget, candidate, output, by_cell]) = value_and_gradients(target, sources);
            let by_gates = concat(&[&input, &forget, &candidate, &output], 1);
            ((by_gates.matmul(kernel.t()), by_cell), by_gates)
        });
        let by_kernel = einsum("tbu,tbv->uv", &[&outputs, &by_gates]);
        (by_gates, by_kernel)
    }

    /// A state of zeros, for as many sequences as there are.
    fn rows_of_zeros(&self, inputs: &Tensor) -> Tensor {
        Tensor::zeros(Shape::from([inputs.shape()[1].clone(), self.units.into()])).cast(inputs.dtype())
    }
}

/// The gates by what the input and the output before say about them.
fn gates(inputs: &Tensor, outputs: &Tensor) -> [Tensor; 4] {
    let (inputs, outputs) = (quarters(inputs), quarters(outputs));
    std::array::from_fn(|gate| &inputs[gate] + &outputs[gate])
}

fn quarters(x: &Tensor) -> [Tensor; 4] {
    x.split(4, -1).try_into().expect("four parts were asked for")
}

fn halves(x: &Tensor) -> [Tensor; 2] {
    x.split(2, -1).try_into().expect("two parts were asked for")
}

impl Layer for Lstm {
    fn build(&self, input: &Shape, cx: &mut Build) -> Result {
        if self.units == 0 {
            return Err(Error::value("cannot have 0 units: it would have no outputs")
                .op("Lstm")
                .help("give at least 1 unit"));
        }
        self.activation.check()?;
        self.recurrent_activation.check()?;
        if input.rank() != 3 {
            // The call tells it.
            return Ok(());
        }
        cx.add_weight(&self.kernel, [input.last()?, 4 * self.units])?;
        cx.add_weight(&self.recurrent_kernel, [self.units, 4 * self.units])?;
        self.bias.iter().try_for_each(|bias| cx.add_weight(bias, [4 * self.units]))
    }

    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        if let Err(error) = self.check(x) {
            return Tensor::failed(if error.origin.is_unknown() {
                error.at(layer::origin(&self.description()))
            } else {
                error
            });
        }
        // One product for all steps; the loop picks the rows of a step.
        let steps = x.transpose(&[1, 0, 2]);
        let steps = if self.goes_backwards { steps.reverse(0) } else { steps };
        let product = steps.matmul(&self.kernel);
        let all = match &self.bias {
            Some(bias) => product + bias,
            None => product,
        };
        if all.error().is_some() {
            return all;
        }
        let (states, units) = (self.states(&all), 0..self.units as i64);
        match self.returns_sequences {
            true => states.slice((.., .., units)).transpose(&[1, 0, 2]),
            false => states.slice((-1, .., units)),
        }
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("lstm").to_owned()
    }

    fn description(&self) -> String {
        format!("Lstm, units={}", self.units)
    }
}

/// First values of a bias: ones for the forget gate, the second quarter.
struct ForgetOnes {
    others: AnyInitializer,
}

impl Initializer for ForgetOnes {
    fn call(&self, shape: &[usize], dtype: DType) -> Tensor {
        let units = shape[0] / 4;
        let [input, rest] = [units, 2 * units].map(|n| self.others.call(&[n], dtype));
        concat(&[&input, &Tensor::ones([units]).cast(dtype), &rest], 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_function::{Function, spec, tensor};

    #[test]
    fn a_step_passes_the_gates() {
        let lstm = Lstm::new(1).kernel_initializer("ones").recurrent_initializer("zeros");
        let y = lstm.return_sequences().apply(&tensor([[[0.5], [0.0]]])).to_vec::<f32>().unwrap();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let first = sigmoid(0.5) * 0.5f32.tanh();
        let second = sigmoid(1.0) * first;
        assert!((y[0] - sigmoid(0.5) * first.tanh()).abs() < 1e-6);
        assert!((y[1] - sigmoid(0.0) * second.tanh()).abs() < 1e-6);
    }

    #[test]
    fn its_weights_begin_as_keras_has_them() {
        let lstm = Lstm::new(2);
        lstm.apply(&Tensor::ones([1, 1, 3])).ok().unwrap();
        let weights = lstm.weights();
        assert_eq!(
            lstm.variables().iter().map(|v| v.name().to_owned()).collect::<Vec<_>>(),
            ["kernel", "recurrent_kernel", "bias"]
        );
        assert_eq!(weights[0].shape(), [3, 8]);
        let rows = weights[1].matmul(weights[1].t());
        assert!((rows - Tensor::eye(2)).abs().max(..).item::<f32>().unwrap() < 1e-5);
        assert_eq!(weights[2].to_vec::<f32>().unwrap(), [0., 0., 1., 1., 0., 0., 0., 0.]);
        let bias = |lstm: Lstm| {
            lstm.apply(&Tensor::ones([1, 1, 1])).ok().unwrap();
            lstm.weights()[2].to_vec::<f32>().unwrap()
        };
        assert_eq!(bias(Lstm::new(1).without_unit_forget_bias()), [0.; 4]);
        let threes = |shape: &[usize], dtype| Tensor::full(shape, 3.0).cast(dtype);
        assert_eq!(bias(Lstm::new(1).bias_initializer(threes)), [3., 1., 3., 3.]);
    }

    #[test]
    fn the_last_output_and_the_order() {
        let x = Tensor::range(12).cast(DType::F32).reshape([2, 3, 2]) * 0.1;
        let lstm = Lstm::new(3);
        let (all, last) = (lstm.share().return_sequences(), lstm.share());
        let sequence = all.apply(&x);
        assert_eq!(sequence.slice((.., -1)).to_vec::<f32>().unwrap(), last.apply(&x).to_vec::<f32>().unwrap());
        let backwards = lstm.share().return_sequences().go_backwards().apply(&x.reverse(1));
        assert_eq!(backwards.to_vec::<f32>().unwrap(), sequence.to_vec::<f32>().unwrap());
        assert_eq!(lstm.variables().len(), 3);
    }

    #[test]
    fn any_number_of_steps_is_one_trace() {
        let lstm = Lstm::new(2);
        lstm.apply(&Tensor::ones([1, 1, 3])).ok().unwrap();
        let shared = lstm.share();
        let traced: Function<fn(&Tensor) -> Tensor> = Function::new(move |x: &Tensor| shared.apply(x));
        let traced = traced.input_signature([spec!(f32[None, None, 3])]);
        for (batch, steps) in [(2, 5), (4, 1), (1, 7)] {
            let x = Tensor::ones([batch, steps, 3]) * 0.3;
            assert_eq!(traced(&x).to_vec::<f32>().unwrap(), lstm.apply(&x).to_vec::<f32>().unwrap());
        }
        assert_eq!(traced.trace_count(), 1);
    }

    #[test]
    fn mistakes_are_errors() {
        let text = |lstm: &Lstm, x: &Tensor| lstm.apply(x).ok().unwrap_err().to_string();
        let lstm = Lstm::new(2).name("memory");
        assert!(text(&lstm, &Tensor::ones([2, 3])).contains("takes [batch, steps, channels], not f32[2, 3]"));
        assert!(
            text(&lstm, &Tensor::ones([2, 0, 3])).contains("wants at least one step, which f32[2, 0, 3] does not have")
        );
        lstm.apply(&Tensor::ones([1, 2, 3])).ok().unwrap();
        let other = text(&lstm, &Tensor::ones([1, 2, 4]));
        assert!(other.contains("cannot read f32[1, 2, 4]: it was built for sequences of width 3"), "{other}");
        assert!(other.contains("in layer `memory` (Lstm, units=2)"), "{other}");
        assert!(text(&Lstm::new(0), &Tensor::ones([1, 1, 1])).contains("cannot have 0 units"));
        assert!(text(&Lstm::new(1).activation("tahn"), &Tensor::ones([1, 1, 1])).contains("did you mean \"tanh\"?"));
    }
}
