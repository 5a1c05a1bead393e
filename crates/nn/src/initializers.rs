//! First values of weights, drawn from a stream that the seed and the weight's path decide.

use std::cell::RefCell;

use tracelift_function::{DType, Error, Tensor, eagerly, random::Generator};

use crate::{AnyInitializer, Initializer};

thread_local! {
    /// The stream of the weight that is being made.
    static STREAM: RefCell<Option<Generator>> = const { RefCell::new(None) };
}

/// Makes first values from a stream of their own.
pub(crate) fn keyed(key: u64, make: impl FnOnce() -> Tensor) -> Tensor {
    struct Restore(Option<Generator>);
    impl Drop for Restore {
        fn drop(&mut self) {
            STREAM.set(self.0.take());
        }
    }
    let _restore = Restore(STREAM.replace(Some(Generator::new(key))));
    make()
}

/// The stream of the weight that is being made, else that of the process.
fn stream() -> Generator {
    STREAM.with_borrow(|stream| stream.clone()).unwrap_or_else(|| tracelift_function::random::global().clone())
}

/// What the scale is divided by: the number of inputs, or the mean of inputs and outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fan {
    /// The inputs of the weight.
    In,
    /// The outputs of the weight.
    Out,
    /// The mean of both.
    Average,
}

/// How values are distributed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distribution {
    /// Normal, without what is more than two standard deviations out.
    TruncatedNormal,
    /// Normal.
    Normal,
    /// Uniform around zero.
    Uniform,
}

/// Random values whose variance is `scale / fan`: Glorot's, He's and LeCun's initializers are of this kind.
///
/// ```
/// use tracelift_nn::{F32, Initializer, initializers::he_normal};
///
/// let kernel = he_normal().call(&[100, 50], F32);
/// assert!((kernel.square().mean(..).item::<f32>()? - 0.02).abs() < 0.002);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VarianceScaling {
    /// The variance times the fan.
    pub scale: f64,
    /// What the scale is divided by.
    pub fan: Fan,
    /// How values are distributed.
    pub distribution: Distribution,
}

impl Initializer for VarianceScaling {
    fn call(&self, shape: &[usize], dtype: DType) -> Tensor {
        let (inputs, outputs) = fans(shape);
        let fan = match self.fan {
            Fan::In => inputs,
            Fan::Out => outputs,
            Fan::Average => (inputs + outputs) / 2.0,
        };
        let variance = self.scale / fan.max(1.0);
        let values = match self.distribution {
            // The standard deviation of a normal distribution cut off at two of its own.
            Distribution::TruncatedNormal => truncated_normal(shape, variance.sqrt() / 0.879_625_661_034_239_8),
            Distribution::Normal => stream().normal(shape, 0.0, variance.sqrt()),
            Distribution::Uniform => {
                let limit = (3.0 * variance).sqrt();
                stream().uniform(shape, -limit, limit)
            }
        };
        in_dtype(&values, dtype)
    }
}

/// The inputs and outputs of a weight: its last two sizes, each times the sizes before.
fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [n] => (*n as f64, *n as f64),
        [field @ .., inputs, outputs] => {
            let field: f64 = field.iter().map(|&n| n as f64).product();
            (*inputs as f64 * field, *outputs as f64 * field)
        }
    }
}

/// Normal numbers, drawn again where they are more than two standard deviations out.
fn truncated_normal(shape: &[usize], stddev: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let stream = stream();
    let mut values: Vec<f32> = Vec::with_capacity(count);
    while values.len() < count {
        // One in twenty is thrown away.
        let missing = count - values.len();
        match stream.normal([missing + missing / 16 + 1], 0.0, 1.0).to_vec::<f32>() {
            Ok(drawn) => values.extend(drawn.into_iter().filter(|x| x.abs() < 2.0)),
            Err(error) => return Tensor::failed(error),
        }
    }
    values.truncate(count);
    values.iter_mut().for_each(|x| *x *= stddev as f32);
    Tensor::from_array(tracelift_function::Array::new(shape, values))
}

fn in_dtype(values: &Tensor, dtype: DType) -> Tensor {
    if dtype.is_float() {
        return values.cast(dtype);
    }
    Tensor::failed(Error::type_(format!("random first values are floats, not {dtype}")))
}

macro_rules! scalings {
    ($($(#[$doc:meta])* $name:ident $scale:literal $fan:ident $distribution:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> VarianceScaling {
            VarianceScaling { scale: $scale, fan: Fan::$fan, distribution: Distribution::$distribution }
        }
    )*};
}
scalings! {
    /// Glorot's uniform initializer, for weights before `tanh` or `softmax`; the default of kernels.
    glorot_uniform 1.0 Average Uniform;
    /// Glorot's normal initializer.
    glorot_normal 1.0 Average TruncatedNormal;
    /// He's uniform initializer, for weights before `relu`.
    he_uniform 2.0 In Uniform;
    /// He's normal initializer, for weights before `relu`.
    he_normal 2.0 In TruncatedNormal;
    /// LeCun's uniform initializer.
    lecun_uniform 1.0 In Uniform;
    /// LeCun's normal initializer, for weights before `selu`.
    lecun_normal 1.0 In TruncatedNormal;
}

/// Uniform numbers between two bounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RandomUniform {
    /// The smallest value.
    pub low: f64,
    /// What no value reaches.
    pub high: f64,
}

impl Initializer for RandomUniform {
    fn call(&self, shape: &[usize], dtype: DType) -> Tensor {
        in_dtype(&stream().uniform(shape, self.low, self.high), dtype)
    }
}

/// Normal numbers, truncated at two standard deviations or not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RandomNormal {
    /// The standard deviation before truncation.
    pub stddev: f64,
    /// Whether values more than two standard deviations out are drawn again.
    pub truncated: bool,
}

impl Initializer for RandomNormal {
    fn call(&self, shape: &[usize], dtype: DType) -> Tensor {
        let values = if self.truncated {
            truncated_normal(shape, self.stddev)
        } else {
            stream().normal(shape, 0.0, self.stddev)
        };
        in_dtype(&values, dtype)
    }
}

/// A random matrix whose rows, or columns if there are fewer, have length `gain` and stand at right angles; axes before
/// the last count as rows. The default of recurrent kernels.
///
/// ```
/// use tracelift_nn::{F32, Initializer, Tensor, initializers::Orthogonal};
///
/// let kernel = Orthogonal { gain: 1.0 }.call(&[3, 5], F32);
/// let products = kernel.matmul(kernel.t());
/// assert!((products - Tensor::eye(3)).abs().max(..).item::<f32>()? < 1e-5);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Orthogonal {
    /// The length of each row or column.
    pub gain: f64,
}

impl Initializer for Orthogonal {
    fn call(&self, shape: &[usize], dtype: DType) -> Tensor {
        let Some((&columns, field)) = shape.split_last().filter(|(_, field)| !field.is_empty()) else {
            let message = format!("makes no weight of shape {shape:?}: what is orthogonal has two axes");
            return Tensor::failed(Error::value(message).op("orthogonal").help("use it for kernels, not for a bias"));
        };
        let rows: usize = field.iter().product();
        let (few, many) = (rows.min(columns), rows.max(columns));
        match stream().normal([few, many], 0.0, 1.0).to_vec::<f32>() {
            Ok(drawn) => {
                let vectors = at_right_angles(&drawn, many);
                let at = |row: usize, column: usize| if rows < columns { (row, column) } else { (column, row) };
                let values = (0..rows * columns).map(|n| at(n / columns, n % columns));
                let values: Vec<f32> = values.map(|(v, i)| (vectors[v][i] * self.gain) as f32).collect();
                in_dtype(&Tensor::from_array(tracelift_function::Array::new(shape, values)), dtype)
            }
            Err(error) => Tensor::failed(error),
        }
    }
}

/// Vectors of length one, each what is left of a drawn one beside those before.
fn at_right_angles(drawn: &[f32], length: usize) -> Vec<Vec<f64>> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let mut vectors: Vec<Vec<f64>> = vec![];
    for drawn in drawn.chunks_exact(length.max(1)) {
        let mut vector: Vec<f64> = drawn.iter().map(|x| f64::from(*x)).collect();
        // Twice, since what the first round takes away is rounded.
        for other in vectors.iter().chain(&vectors) {
            let along = dot(&vector, other);
            vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vectors.push(vector);
    }
    vectors
}

/// The same value everywhere.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Constant {
    /// The value.
    pub value: f64,
}

impl Initializer for Constant {
    fn call(&self, shape: &[usize], dtype: DType) -> Tensor {
        Tensor::from_array(tracelift_function::Array::full(dtype, shape, self.value))
    }
}

/// The same value everywhere.
#[must_use]
pub fn constant(value: f64) -> Constant {
    Constant { value }
}

/// The names of all.
pub(crate) const KNOWN: &[&str] = &[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "zeros",
    "ones",
    "random_uniform",
    "random_normal",
    "truncated_normal",
    "orthogonal",
];

/// The initializer of a name.
pub(crate) fn known(name: &str) -> Option<AnyInitializer> {
    Some(match name {
        "glorot_uniform" => glorot_uniform().into(),
        "glorot_normal" => glorot_normal().into(),
        "he_uniform" => he_uniform().into(),
        "he_normal" => he_normal().into(),
        "lecun_uniform" => lecun_uniform().into(),
        "lecun_normal" => lecun_normal().into(),
        "zeros" => constant(0.0).into(),
        "ones" => constant(1.0).into(),
        "random_uniform" | "uniform" => RandomUniform { low: -0.05, high: 0.05 }.into(),
        "random_normal" | "normal" => RandomNormal { stddev: 0.05, truncated: false }.into(),
        "truncated_normal" => RandomNormal { stddev: 0.05, truncated: true }.into(),
        "orthogonal" => Orthogonal { gain: 1.0 }.into(),
        _ => return None,
    })
}

/// The first values of a weight.
pub(crate) fn values(initializer: &AnyInitializer, key: u64, shape: &[usize], dtype: DType) -> Tensor {
    eagerly(|| keyed(key, || initializer.call(shape, dtype)))
}
