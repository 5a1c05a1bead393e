//! Random numbers: functions of a key and a counter, which a variable holds, so that a run is a function of its seed.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracelift_ir::ops::{Distribution, Random};
use tracelift_tensor::{Array, DType, Error, Result, Shape};

use crate::{Tensor, Variable, dispatch::apply, eagerly, scope, stack, trace};

/// A stream of random numbers: each draw goes on where the one before ended, also inside traced functions.
///
/// ```
/// use tracelift_function::random::Generator;
///
/// let (a, b) = (Generator::new(7), Generator::new(7));
/// let x = a.normal([3], 0.0, 1.0);
/// assert_eq!(x.to_vec::<f32>()?, b.normal([3], 0.0, 1.0).to_vec::<f32>()?);
/// assert_ne!(x.to_vec::<f32>()?, a.normal([3], 0.0, 1.0).to_vec::<f32>()?);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generator {
    /// Key and counter, as two i64.
    state: Variable,
}

/// Eager draws read the counter and advance it, one at a time.
static DRAWING: Mutex<()> = Mutex::new(());

impl Generator {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = eagerly(|| Variable::new(tensor_of(seed)).named("generator").not_trainable());
        Generator { state }
    }

    /// Starts the stream of a seed.
    pub fn set_seed(&self, seed: u64) -> Result {
        self.state.assign(tensor_of(seed)).map(|_| ())
    }

    /// Key and counter.
    pub fn state(&self) -> &Variable {
        &self.state
    }

    /// Uniform numbers in `[low, high)`, f32.
    #[track_caller]
    #[must_use]
    pub fn uniform(&self, shape: impl Into<Shape>, low: f64, high: f64) -> Tensor {
        let unit = self.draw(shape.into(), DType::F32, Distribution::Uniform);
        // What would change no bit is not run; in graphs it costs nothing.
        if (low, high) == (0.0, 1.0) && !trace::is_active() { unit } else { unit * (high - low) + low }
    }

    /// Normal numbers, f32.
    #[track_caller]
    #[must_use]
    pub fn normal(&self, shape: impl Into<Shape>, mean: f64, stddev: f64) -> Tensor {
        let unit = self.draw(shape.into(), DType::F32, Distribution::Normal);
        unit * stddev + mean
    }

    /// `count` integers below `n`, i64.
    #[track_caller]
    #[must_use]
    pub fn indices(&self, count: usize, n: usize) -> Tensor {
        if n == 0 {
            let error = Error::value("draws indices below 0, of which there are none").op("indices");
            return trace::fail(error.at(scope::origin()), None);
        }
        let unit = self.draw(Shape::from([count]), DType::F64, Distribution::Uniform);
        (unit * n as f64).floor().cast(DType::I64)
    }

    #[track_caller]
    fn draw(&self, shape: Shape, dtype: DType, distribution: Distribution) -> Tensor {
        let _one_at_a_time = (!trace::is_active()).then(|| DRAWING.lock().unwrap_or_else(PoisonError::into_inner));
        let state = self.state.value();
        let (key, counter) = (state.slice(0), state.slice(1));
        let drawn = apply(Random { distribution, shape, dtype }, &[&key, &counter]);
        // A block of the generator gives four words.
        let blocks = (drawn.size().cast(DType::I64) + 3).floor_div(4);
        let next = stack(&[&key, &(counter + blocks)], 0);
        match self.state.assign(next) {
            Ok(_) => drawn,
            Err(error) => trace::fail(error, Some(&drawn)),
        }
    }
}

fn tensor_of(seed: u64) -> Tensor {
    // All 64 bits are the key.
    Tensor::from_array(Array::new([2], [seed as i64, 0]))
}

/// The stream of the process.
pub fn global() -> &'static Generator {
    static GLOBAL: OnceLock<Generator> = OnceLock::new();
    GLOBAL.get_or_init(|| Generator::new(0))
}

/// Starts the stream of the process anew.
pub fn set_seed(seed: u64) -> Result {
    global().set_seed(seed)
}

/// Normal numbers of the process's stream, f32.
#[track_caller]
#[must_use]
pub fn normal(shape: impl Into<Shape>, mean: f64, stddev: f64) -> Tensor {
    global().normal(shape, mean, stddev)
}

/// Uniform numbers in `[low, high)` of the process's stream, f32.
#[track_caller]
#[must_use]
pub fn uniform(shape: impl Into<Shape>, low: f64, high: f64) -> Tensor {
    global().uniform(shape, low, high)
}

/// `count` integers below `n` of the process's stream, i64.
#[track_caller]
#[must_use]
pub fn indices(count: usize, n: usize) -> Tensor {
    global().indices(count, n)
}
