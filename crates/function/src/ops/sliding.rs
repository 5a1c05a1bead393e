//! How windows slide over the middle axes of `[batch, ..., channels]`: strides, padding, dilation.

use std::fmt;

use tracelift_ir::ops::{self, WindowAxis};
use tracelift_tensor::{Dim, Error, Result, Shape};

use crate::{Tensor, dispatch::apply};

/// What stands around the middle axes before windows are taken of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: windows lie within the operand.
    #[default]
    Valid,
    /// As much as it takes for `⌈size / stride⌉` windows; if it is odd, one more behind than before.
    Same,
    /// As much before the one middle axis as a window reaches back, so that no result depends on later elements.
    Causal,
    /// So much before and behind each middle axis.
    Explicit(Vec<(usize, usize)>),
}

/// A number for each middle axis: `2`, or `[2, 1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerAxis {
    /// The same for all.
    All(usize),
    /// One for each.
    Each(Vec<usize>),
}

impl From<usize> for PerAxis {
    fn from(n: usize) -> PerAxis {
        PerAxis::All(n)
    }
}

impl<const N: usize> From<[usize; N]> for PerAxis {
    fn from(numbers: [usize; N]) -> PerAxis {
        PerAxis::Each(numbers.to_vec())
    }
}

impl From<&[usize]> for PerAxis {
    fn from(numbers: &[usize]) -> PerAxis {
        PerAxis::Each(numbers.to_vec())
    }
}

impl From<Vec<usize>> for PerAxis {
    fn from(numbers: Vec<usize>) -> PerAxis {
        PerAxis::Each(numbers)
    }
}

/// `3`, or `3x5`.
impl fmt::Display for PerAxis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PerAxis::All(n) => write!(f, "{n}"),
            PerAxis::Each(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                f.write_str(&numbers.join("x"))
            }
        }
    }
}

impl PerAxis {
    /// The numbers, which must be as many as there are axes; `what` they are is for the message.
    pub fn of(&self, what: &str, axes: usize) -> Result<Vec<usize>> {
        match self {
            PerAxis::All(n) => Ok(vec![*n; axes]),
            PerAxis::Each(numbers) if numbers.len() == axes => Ok(numbers.clone()),
            PerAxis::Each(numbers) => {
                Err(Error::invalid(format!("wants a {what} for each of the {axes} middle axes, not {numbers:?}")))
            }
        }
    }
}

/// How windows slide: Keras's `strides`, `padding` and `dilation_rate`.
///
/// Without strides convolutions go from each element to the next, pooling from window to window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sliding {
    strides: Option<PerAxis>,
    pub(super) padding: Padding,
    dilation: Option<PerAxis>,
}

impl Sliding {
    /// Without padding and dilation.
    #[must_use]
    pub fn new() -> Self {
        Sliding::default()
    }

    /// From the beginning of one window to that of the next.
    #[must_use]
    pub fn strides(self, strides: impl Into<PerAxis>) -> Self {
        Sliding { strides: Some(strides.into()), ..self }
    }

    /// What stands around the operand.
    #[must_use]
    pub fn padding(self, padding: Padding) -> Self {
        Sliding { padding, ..self }
    }

    /// From one element of a window to the next.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis>) -> Self {
        Sliding { dilation: Some(dilation.into()), ..self }
    }

    /// The windows of these sizes on an operand of that shape.
    pub(super) fn windows(&self, x: &Shape, sizes: &[usize], strides: PerAxis) -> Result<Windows> {
        let n = sizes.len();
        if x.rank() != n + 2 {
            return Err(Error::invalid(format!(
                "wants an operand of {} axes for windows along {n}, a batch, {n} in the middle and channels, not shape {x}",
                n + 2
            )));
        }
        let strides = self.strides.as_ref().unwrap_or(&strides).of("stride", n)?;
        let dilation = self.dilation.as_ref().unwrap_or(&PerAxis::All(1)).of("dilation", n)?;
        let axis = |i: usize| WindowAxis { axis: i + 1, size: sizes[i], stride: strides[i], dilation: dilation[i] };
        let axes: Vec<WindowAxis> = (0..n).map(axis).collect();
        let numbers = |axis: &WindowAxis| [axis.size, axis.stride, axis.dilation];
        if axes.iter().flat_map(numbers).any(|n| n == 0) {
            return Err(Error::invalid(
                "wants windows of at least one element, with strides and dilation of at least one",
            ));
        }
        let mut borders = vec![(Dim::ZERO, Dim::ZERO); n];
        for (i, (axis, border)) in axes.iter().zip(&mut borders).enumerate() {
            *border = self.border(axis, i, n, &x[axis.axis])?;
        }
        Ok(Windows { op: ops::Windows { axes: axes.into() }, borders })
    }

    /// What stands before and behind an axis.
    fn border(&self, window: &WindowAxis, i: usize, n: usize, dim: &Dim) -> Result<(Dim, Dim)> {
        let (span, stride) = (window.span(), window.stride as i64);
        Ok(match &self.padding {
            Padding::Valid => (Dim::ZERO, Dim::ZERO),
            Padding::Causal if n == 1 => (Dim::from(span - 1), Dim::ZERO),
            Padding::Causal => {
                return Err(Error::invalid(format!("has causal padding for one middle axis only, not for {n}")));
            }
            Padding::Explicit(borders) if borders.len() == n => (borders[i].0.into(), borders[i].1.into()),
            Padding::Explicit(borders) => {
                return Err(Error::invalid(format!(
                    "wants padding for each of the {n} middle axes, not {}",
                    borders.len()
                )));
            }
            Padding::Same => {
                let windows = (dim + (stride - 1)).floor_div(stride);
                let total = (windows - 1) * stride + span - dim;
                let total = match total.known() {
                    Some(total) => Dim::from(total.max(0)),
                    // The last window begins less than a stride before the end, so a window of a stride reaches it.
                    None if span >= stride => total,
                    None => {
                        let message =
                            format!("cannot pad axis {} of unknown size `{dim}` for strides of {stride}", i + 1);
                        return Err(Error::invalid(message).help("pad explicitly: `Padding::Explicit`"));
                    }
                };
                let low = total.floor_div(2);
                (low.clone(), total - low)
            }
        })
    }
}

/// Windows of the middle axes of an operand that has borders around it.
#[derive(Clone)]
pub(super) struct Windows {
    pub(super) op: ops::Windows,
    pub(super) borders: Vec<(Dim, Dim)>,
}

impl Windows {
    /// Whether there is nothing around the operand.
    pub(super) fn have_no_border(&self) -> bool {
        self.borders.iter().all(|(low, high)| low.is_zero() && high.is_zero())
    }

    /// Whether the windows stand side by side, each as long as a stride.
    pub(super) fn are_tiles(&self) -> bool {
        self.op.axes.iter().all(|axis| axis.dilation == 1 && axis.size == axis.stride)
    }

    /// The operand with its borders.
    #[track_caller]
    pub(super) fn padded(&self, x: &Tensor, value: &Tensor) -> Tensor {
        if self.have_no_border() {
            return x.snapshot();
        }
        let around = |border: fn(&(Dim, Dim)) -> &Dim| {
            let middle = self.borders.iter().map(|borders| border(borders).clone());
            std::iter::once(Dim::ZERO).chain(middle).chain([Dim::ZERO]).collect::<Vec<Dim>>()
        };
        let interior = vec![0; self.borders.len() + 2];
        apply(ops::Pad { low: around(|b| &b.0), high: around(|b| &b.1), interior }, &[x, value])
    }

    /// The axes of the elements of a window, among those of all windows.
    pub(super) fn axes_within(&self) -> Vec<i64> {
        let n = self.borders.len() as i64;
        (n + 1..2 * n + 1).collect()
    }
}
