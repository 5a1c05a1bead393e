//! Pooling: one number of each window of `[batch, ..., channels]`.

use tracelift_ir::ops::{Broadcast, Iota, OverlapAdd, Pad, Slice, SliceAxis};
use tracelift_tensor::{DType, Dim, Error, Result, Shape};

use super::sliding::{PerAxis, Sliding, Windows};
use crate::{
    Tensor, custom_gradient,
    dispatch::{apply, poison, refuse},
    scope,
};

/// Windows of so many elements are gone through place by place.
const SMALL_WINDOW: usize = 9;

impl Tensor {
    /// The largest element of each window of the middle axes, per channel. What flows back goes to the first of them.
    ///
    /// Windows stand side by side unless `how` has strides; padding counts as less than any number.
    /// Keras: `ops.max_pool`.
    ///
    /// ```
    /// use tracelift_function::{Sliding, tensor};
    ///
    /// let x = tensor([[[1.], [3.], [2.], [5.]]]);
    /// assert_eq!(x.max_pool(2, Sliding::new()).to_vec::<f32>()?, [3., 5.]);
    /// assert_eq!(x.max_pool(2, Sliding::new().strides(1)).to_vec::<f32>()?, [3., 3., 5.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn max_pool(&self, size: impl Into<PerAxis>, how: Sliding) -> Tensor {
        let _here = scope::here();
        match Pooling::of(self, &size.into(), &how) {
            Ok(pooling) => pooling.max(self),
            Err(error) => refuse("max_pool", error, &[self]),
        }
    }

    /// The mean of each window of the middle axes, per channel; padding does not count.
    ///
    /// Windows stand side by side unless `how` has strides. Keras: `ops.average_pool`.
    ///
    /// ```
    /// use tracelift_function::{Padding, Sliding, tensor};
    ///
    /// let x = tensor([[[1.], [3.], [2.]]]);
    /// let same = Sliding::new().padding(Padding::Same);
    /// assert_eq!(x.average_pool(2, same).to_vec::<f32>()?, [2., 2.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn average_pool(&self, size: impl Into<PerAxis>, how: Sliding) -> Tensor {
        let _here = scope::here();
        match Pooling::of(self, &size.into(), &how) {
            Ok(pooling) => pooling.mean(self),
            Err(error) => refuse("average_pool", error, &[self]),
        }
    }
}

/// The windows of an operand, and how they are taken.
struct Pooling {
    windows: Windows,
    /// The operand's shape with its borders.
    padded: Shape,
}

impl Pooling {
    fn of(x: &Tensor, size: &PerAxis, how: &Sliding) -> Result<Pooling> {
        if poison(&[x]).is_some() {
            // What comes of it is the operand's own error.
            return Err(Error::invalid("has no operand"));
        }
        let shape = x.shape();
        if x.dtype() == DType::Bool || shape.rank() < 3 {
            return Err(Error::invalid(format!("wants numbers of shape [batch, ..., channels], not {}", x.ty())));
        }
        let sizes = size.of("size", shape.rank() - 2)?;
        let windows = how.windows(&shape, &sizes, PerAxis::Each(sizes.clone()))?;
        let mut padded = shape.to_vec();
        for (axis, (low, high)) in windows.op.axes.iter().zip(&windows.borders) {
            padded[axis.axis] = &padded[axis.axis] + low + high;
            let room = &padded[axis.axis] - axis.span();
            if room.known().is_some_and(|room| room < 0) {
                let message =
                    format!("cannot take windows of {} elements from axis {} of {}", axis.size, axis.axis, x.ty());
                return Err(Error::invalid(message));
            }
        }
        Ok(Pooling { windows, padded: padded.into_iter().collect() })
    }

    #[track_caller]
    fn max(self, x: &Tensor) -> Tensor {
        let least = match x.dtype() {
            float if float.is_float() => Tensor::from(f64::NEG_INFINITY).cast(float),
            DType::I32 => Tensor::from(i32::MIN),
            DType::I64 => Tensor::from(i64::MIN),
            _ => Tensor::from(0).cast(x.dtype()),
        };
        let padded = self.windows.padded(x, &least);
        custom_gradient(
            &padded,
            |x: &Tensor| match self.are_small() {
                true => {
                    let largest = self.each_place(x).reduce(|largest, item| largest.maximum(&item));
                    largest.expect("a window has an element")
                }
                false => self.cut(x).max(self.within()),
            },
            |x, y, dy| {
                let windows = self.cut(x);
                let place = self.places(&windows);
                let is_first = place.eq(self.repeat(&self.first_largest(x, y, &windows, &place), &windows));
                self.put_back(&is_first.select(self.repeat(dy, &windows), windows.zeros_like()))
            },
        )
    }

    /// The place of the first element of each window that is as large as its largest.
    #[track_caller]
    fn first_largest(&self, x: &Tensor, y: &Tensor, windows: &Tensor, place: &Tensor) -> Tensor {
        if !self.are_small() {
            let is_largest = windows.eq(self.repeat(y, windows));
            return is_largest.select(place, i32::MAX).min(self.within());
        }
        let places = self.places_of_a_window() as i32;
        let items: Vec<(i32, Tensor)> = (0..places).zip(self.each_place(x)).collect();
        let none = Tensor::from(places).broadcast_to(y.shape());
        items.iter().rev().fold(none, |first, (place, item)| item.eq(y).select(*place, first))
    }

    /// How many elements a window has.
    fn places_of_a_window(&self) -> usize {
        self.windows.op.axes.iter().map(|axis| axis.size).product()
    }

    /// Whether to name each place of a window: elementwise work that is fused, where a reduction is a loop of its own.
    fn are_small(&self) -> bool {
        self.places_of_a_window() <= SMALL_WINDOW
    }

    /// The elements of all windows at one place, for each place of a window.
    fn each_place(&self, x: &Tensor) -> impl Iterator<Item = Tensor> {
        (0..self.places_of_a_window()).map(|place| {
            let mut axes: Vec<SliceAxis> = self.padded.iter().map(|dim| SliceAxis::all(dim.clone())).collect();
            let mut rest = place;
            for window in self.windows.op.axes.iter().rev() {
                axes[window.axis] = SliceAxis {
                    start: Dim::from(rest % window.size * window.dilation),
                    size: window.count(&self.padded[window.axis]),
                    step: window.stride as i64,
                };
                rest /= window.size;
            }
            apply(Slice { axes: axes.into() }, &[x])
        })
    }

    #[track_caller]
    fn mean(&self, x: &Tensor) -> Tensor {
        let zero = Tensor::from(0).cast(x.dtype());
        let sum = self.cut(&self.windows.padded(x, &zero)).sum(self.within());
        if self.windows.have_no_border() {
            return sum / self.places_of_a_window() as i64;
        }
        // How many elements of a window are no padding is the same for all of the batch.
        let first = |shape: &Shape| {
            shape
                .iter()
                .enumerate()
                .map(|(axis, dim)| if axis == 0 { Dim::ONE } else { dim.clone() })
                .collect::<Shape>()
        };
        let of_one = Pooling { windows: self.windows.clone(), padded: first(&self.padded) };
        let ones = Tensor::from(1).cast(x.dtype()).broadcast_to(first(&x.shape()));
        sum / of_one.cut(&of_one.windows.padded(&ones, &zero)).sum(self.within())
    }

    /// The elements of all windows; see [`within`](Self::within).
    #[track_caller]
    fn cut(&self, x: &Tensor) -> Tensor {
        if !self.windows.are_tiles() {
            return apply(self.windows.op.clone(), &[x]);
        }
        let covered = self.covered();
        let axes = covered.iter().map(|dim| SliceAxis::all(dim.clone())).collect();
        let x = if covered == self.padded { x.snapshot() } else { apply(Slice { axes }, &[x]) };
        let mut shape = vec![covered[0].clone()];
        for axis in &self.windows.op.axes {
            shape.extend([axis.count(&covered[axis.axis]), Dim::from(axis.size)]);
        }
        shape.push(covered[covered.rank() - 1].clone());
        x.reshape(shape)
    }

    /// The sum of windows in their places, on the operand with its borders.
    #[track_caller]
    fn put_back(&self, windows: &Tensor) -> Tensor {
        let zero = Tensor::from(0).cast(windows.dtype());
        if !self.windows.are_tiles() {
            let zeros = zero.broadcast_to(self.padded.clone());
            return apply(OverlapAdd { windows: self.windows.op.clone() }, &[&zeros, windows]);
        }
        let covered = self.covered();
        let y = windows.reshape(covered.clone());
        if covered == self.padded {
            return y;
        }
        let rest = |(all, some): (&Dim, &Dim)| all - some;
        let high = self.padded.iter().zip(&covered).map(rest).collect();
        let rank = covered.rank();
        apply(Pad { low: vec![Dim::ZERO; rank], high, interior: vec![0; rank] }, &[&y, &zero])
    }

    /// The shape of what windows that stand side by side cover.
    fn covered(&self) -> Shape {
        let mut covered = self.padded.to_vec();
        for axis in &self.windows.op.axes {
            covered[axis.axis] = axis.count(&covered[axis.axis]) * axis.size as i64;
        }
        covered.into_iter().collect()
    }

    /// The axes of [`cut`](Self::cut) that are places within a window.
    fn within(&self) -> Vec<i64> {
        match self.windows.are_tiles() {
            true => (1..=self.windows.borders.len() as i64).map(|i| 2 * i).collect(),
            false => self.windows.axes_within(),
        }
    }

    /// A number per window, for each element of the windows.
    #[track_caller]
    fn repeat(&self, x: &Tensor, windows: &Tensor) -> Tensor {
        let (shape, within) = (windows.shape(), self.within());
        let axes = (0..shape.rank()).filter(|axis| !within.contains(&(*axis as i64))).collect();
        apply(Broadcast { shape, axes }, &[x])
    }

    /// The row-major place of each element within its window.
    #[track_caller]
    fn places(&self, windows: &Tensor) -> Tensor {
        let mut place: Option<Tensor> = None;
        for (window, axis) in self.windows.op.axes.iter().zip(self.within()) {
            let next = apply(Iota { dtype: DType::I32, shape: windows.shape(), axis: axis as usize }, &[]);
            place = Some(match place {
                Some(before) => before * window.size as i64 + next,
                None => next,
            });
        }
        place.expect("there is a middle axis")
    }
}
