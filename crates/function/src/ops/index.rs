//! Parts of a tensor: slices, rows by number.

use tracelift_ir::ops::{self, SliceAxis};
use tracelift_tensor::{Dim, Error, Result};

use crate::{
    Slice, SliceItem, Tensor,
    dispatch::{apply, refuse},
};

/// A slice worked out for one tensor.
pub(crate) struct Resolved {
    /// What is taken of each axis.
    pub(crate) axes: Vec<SliceAxis>,
    /// The sizes of the result, without dropped axes and with new ones.
    pub(crate) dims: Vec<Dim>,
    /// The axis on which rows are picked by a tensor, and where it is among `dims`.
    pub(crate) picked: Option<(usize, Tensor)>,
}

impl Tensor {
    /// A part of it: `x.slice((.., 1..))`, `x.slice(-1)`, or with [`s!`](crate::s) `x.slice(s![..., ..;2])`.
    ///
    /// Negative positions count from the end; ranges are cut off at the ends, single positions must exist.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let t = tensor([[1., 2., 3.], [4., 5., 6.]]);
    /// assert_eq!(t.slice((.., 1..)).to_vec::<f32>()?, [2., 3., 5., 6.]);
    /// assert_eq!(t.slice((-1, -2)).item::<f32>()?, 5.);
    /// assert!(t.slice(7).error().is_some());
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn slice(&self, at: impl Into<Slice>) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        let resolved = match resolve(self, &at.into()) {
            Ok(resolved) => resolved,
            Err(error) => return refuse("slice", error, &[self]),
        };
        let shape = self.shape();
        let whole = resolved.axes.iter().zip(shape.iter()).all(|(part, dim)| *part == SliceAxis::all(dim.clone()));
        let part = if whole { self.snapshot() } else { apply(ops::Slice { axes: resolved.axes.into() }, &[self]) };
        let part = if part.shape().dims() == resolved.dims { part } else { part.reshape(resolved.dims) };
        match resolved.picked {
            Some((axis, rows)) => part.take(&rows, axis as i32),
            None => part,
        }
    }

    /// Rows picked by their numbers: `x.gather(&[2, 0])` is rows 2 and 0; the numbers' shape takes the place of the first axis.
    #[track_caller]
    #[must_use]
    pub fn gather(&self, rows: &Tensor) -> Tensor {
        self.take(rows, 0)
    }

    /// Positions of an axis picked by their numbers, whose shape takes the place of the axis.
    #[track_caller]
    #[must_use]
    pub fn take(&self, positions: &Tensor, axis: i32) -> Tensor {
        if let Some(poisoned) = crate::dispatch::poison(&[self, positions]) {
            return poisoned;
        }
        if !positions.dtype().is_int() {
            let error = Error::type_(format!("wants positions of an integer dtype, got {}", positions.ty()));
            return refuse("gather", error, &[self, positions]);
        }
        match self.shape().axis(axis.into()) {
            Ok(axis) => apply(ops::Gather { axis, batch: 0 }, &[self, positions]),
            Err(error) => refuse("gather", error, &[self, positions]),
        }
    }
}

/// Works out what a slice takes of each axis.
pub(crate) fn resolve(x: &Tensor, slice: &Slice) -> Result<Resolved> {
    let ty = x.ty();
    let shape = &ty.shape;
    let consumes = |item: &&SliceItem| !matches!(item, SliceItem::Ellipsis | SliceItem::NewAxis);
    let given = slice.0.iter().filter(consumes).count();
    if given > shape.rank() {
        return Err(Error::invalid(format!("takes parts of {given} axes, but {ty} has {}", shape.rank())));
    }
    if slice.0.iter().filter(|item| matches!(item, SliceItem::Ellipsis)).count() > 1 {
        return Err(Error::invalid("can have only one `...`"));
    }
    let mut resolved = Resolved { axes: Vec::new(), dims: Vec::new(), picked: None };
    let whole_axes = |resolved: &mut Resolved, n: usize| {
        for _ in 0..n {
            let dim = &shape[resolved.axes.len()];
            resolved.axes.push(SliceAxis::all(dim.clone()));
            resolved.dims.push(dim.clone());
        }
    };
    for item in &slice.0 {
        let axis = resolved.axes.len();
        match item {
            SliceItem::Ellipsis => whole_axes(&mut resolved, shape.rank() - given),
            SliceItem::NewAxis => resolved.dims.push(Dim::from(1usize)),
            SliceItem::Index(index) => resolved.axes.push(position(*index, &shape[axis], axis)?),
            SliceItem::Range { start, end, step } => {
                let part = range(*start, *end, *step, &shape[axis])?;
                resolved.dims.push(part.size.clone());
                resolved.axes.push(part);
            }
            SliceItem::At(rows) => {
                if resolved.picked.is_some() {
                    return Err(Error::invalid("can pick positions by a tensor on one axis only"));
                }
                resolved.picked = Some((resolved.dims.len(), rows.clone()));
                whole_axes(&mut resolved, 1);
            }
        }
    }
    let rest = shape.rank() - resolved.axes.len();
    whole_axes(&mut resolved, rest);
    Ok(resolved)
}

/// One position of an axis.
fn position(index: i64, dim: &Dim, axis: usize) -> Result<SliceAxis> {
    if let Some(n) = dim.known()
        && !(-n..n).contains(&index)
    {
        return Err(Error::invalid(format!(
            "takes index {index} of axis {axis}, which is out of bounds: its size is {n}"
        )));
    }
    let start = if index < 0 { dim + index } else { Dim::from(index) };
    Ok(SliceAxis { start, size: Dim::from(1usize), step: 1 })
}

/// A range of an axis. If the size is unknown, the range is taken to lie inside, which is checked at each call.
fn range(start: Option<i64>, end: Option<i64>, step: i64, dim: &Dim) -> Result<SliceAxis> {
    if step == 0 {
        return Err(Error::invalid("wants a step that is not zero"));
    }
    if step == i64::MIN {
        return Err(Error::invalid("wants a smaller step"));
    }
    if let Some(n) = dim.known() {
        return Ok(known_range(start, end, step, n));
    }
    let at = |position: i64| if position < 0 { dim + position } else { Dim::from(position) };
    let (near, far) = if step > 0 { (Dim::from(0usize), dim.clone()) } else { (dim - 1, Dim::from(-1)) };
    let (start, end) = (start.map_or(near, at), end.map_or(far, at));
    let span = if step > 0 { &end - &start } else { &start - &end };
    let size = (span + (step.abs() - 1)).floor_div(step.abs());
    Ok(SliceAxis { start, size, step })
}

/// Python's rule for ranges that go beyond the ends.
fn known_range(start: Option<i64>, end: Option<i64>, step: i64, n: i64) -> SliceAxis {
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let at = |position: i64| if position < 0 { position.saturating_add(n) } else { position }.clamp(low, high);
    let (near, far) = if step > 0 { (low, high) } else { (high, low) };
    let (start, end) = (start.map_or(near, at), end.map_or(far, at));
    let span = if step > 0 { end - start } else { start - end };
    let size = if span <= 0 { 0 } else { (span - 1) / step.abs() + 1 };
    // An empty range lies anywhere; at the beginning it needs no elements before it.
    let start = if size == 0 { 0 } else { start };
    SliceAxis { start: Dim::from(start), size: Dim::from(size), step }
}
