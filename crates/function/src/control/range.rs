//! What a loop of the graph counts over: numbers, or the rows of a tensor.

use tracelift_tensor::{DType, Error, Result};

use crate::{IntoTensor, Tensor, scope, tensor, trace};

/// The numbers that [`range_t`] gives, or the rows of a tensor.
#[derive(Clone)]
pub struct TensorRange {
    start: Tensor,
    stop: Tensor,
    /// What the numbers pick rows of.
    rows: Option<Tensor>,
}

/// What [`range_t`] takes: a number of rounds, or a range.
pub trait IntoTensorRange {
    /// The first number and the one behind the last.
    #[doc(hidden)]
    #[track_caller]
    fn bounds(self) -> (Option<Tensor>, Tensor);
}

impl<T: IntoTensor> IntoTensorRange for T {
    fn bounds(self) -> (Option<Tensor>, Tensor) {
        (None, self.into_tensor())
    }
}

impl<T: IntoTensor> IntoTensorRange for std::ops::Range<T> {
    fn bounds(self) -> (Option<Tensor>, Tensor) {
        (Some(self.start.into_tensor()), self.end.into_tensor())
    }
}

/// The integers from 0 to `n`, or those of a range: `for i in range_t(&n)` in a `#[function]` is one loop of the graph,
/// however large `n` is, while `for i in 0..10` is unrolled.
///
/// ```
/// use tracelift_function::{range_t, tensor};
///
/// let sum = range_t(5).fold(tensor(0), |i, sum| sum + i);
/// assert_eq!(sum.item::<i32>()?, 10);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn range_t(n: impl IntoTensorRange) -> TensorRange {
    let (start, stop) = n.bounds();
    let start = start.unwrap_or_else(|| match stop.dtype() {
        dtype @ (DType::I64 | DType::U8) => Tensor::zeros([0; 0]).cast(dtype),
        _ => tensor(0),
    });
    let range = TensorRange { start, stop, rows: None };
    match range.check() {
        Ok(()) => range,
        Err(error) => {
            let failed = trace::fail(error.at(scope::origin()), None);
            TensorRange { start: tensor(0), stop: failed, rows: None }
        }
    }
}

impl TensorRange {
    /// The rows of a tensor, along its first axis.
    #[track_caller]
    pub(crate) fn rows(tensor: &Tensor) -> TensorRange {
        let stop = match tensor.shape().first().map(tracelift_tensor::Dim::known) {
            None if tensor.error().is_none() => {
                let error = Error::invalid(format!("cannot go over the rows of {}: it has no axis", tensor.ty()));
                trace::fail(error.op("for").at(scope::origin()), None)
            }
            Some(Some(n)) => i32::try_from(n).map_or_else(|_| tensor.dim(0), crate::tensor),
            _ => tensor.dim(0),
        };
        TensorRange { start: crate::tensor(0), stop, rows: Some(tensor.snapshot()) }
    }

    /// That both ends are integers of one dtype.
    pub(crate) fn check(&self) -> Result {
        for end in [&self.start, &self.stop] {
            if let Some(error) = end.error() {
                return Err(error.clone());
            }
            if !end.dtype().is_int() || end.rank() != 0 || end.dtype() != self.start.dtype() {
                let message =
                    format!("counts over integers of one dtype, not from {} to {}", self.start.ty(), end.ty());
                return Err(Error::type_(message).op("range_t").help("give a number, as in `range_t(&n)`"));
            }
        }
        Ok(())
    }

    pub(crate) fn start(&self) -> &Tensor {
        &self.start
    }

    /// The position of the last round.
    pub(crate) fn last(&self) -> Tensor {
        &self.stop - 1
    }

    /// Whether there is a round at a position.
    pub(crate) fn goes_on(&self, position: &Tensor) -> Tensor {
        position.lt(&self.stop)
    }

    /// What a round at a position is given.
    pub(crate) fn item(&self, position: &Tensor) -> Tensor {
        match &self.rows {
            Some(rows) => rows.gather(position),
            None => position.clone(),
        }
    }

    /// The position of the next round.
    pub(crate) fn next(&self, position: &Tensor) -> Tensor {
        position + 1
    }

    /// `state = body(i, state)` for all of them, as a loop of the graph.
    #[track_caller]
    pub fn fold<S: crate::Tree>(self, init: S, body: impl FnOnce(&Tensor, S) -> S) -> S {
        super::while_loop(
            (self.start.clone(), init),
            |(i, _)| self.goes_on(i),
            |(i, state)| {
                let state = body(&self.item(&i), state);
                (self.next(&i), state)
            },
        )
        .1
    }
}
