//! The data that a model is given, as arrays of rows.

use tracelift_data::to_f32;
use tracelift_function::{Array, Error, F64, Result, Tensor};

/// Inputs, targets and weights with one row for each sample.
pub(super) struct Columns {
    pub(super) x: Array,
    pub(super) y: Option<Array>,
    pub(super) weight: Option<Array>,
}

impl Columns {
    /// Reads the data; f64 becomes f32, as weights are.
    pub(super) fn new(what: &str, x: &Tensor, y: Option<&Tensor>, weight: Option<&Tensor>) -> Result<Columns> {
        let columns = Columns {
            x: rows(what, x)?,
            y: y.map(|y| rows(what, y)).transpose()?,
            weight: weight.map(|weight| rows(what, weight)).transpose()?,
        };
        let n_rows = columns.n_rows();
        for (name, array) in [("targets", &columns.y), ("sample weights", &columns.weight)] {
            if let Some(array) = array
                && array.shape()[0] != n_rows
            {
                let message = format!("was given {n_rows} rows of inputs and {} rows of {name}", array.shape()[0]);
                return Err(Error::value(message).op(what).help("the first axes must have the same size"));
            }
        }
        if n_rows == 0 {
            return Err(Error::value("got no rows").op(what));
        }
        Ok(columns)
    }

    pub(super) fn n_rows(&self) -> usize {
        self.x.shape()[0]
    }

    /// The rows before and from a row on.
    pub(super) fn split(&self, at: usize) -> Result<(Columns, Columns)> {
        let part = |array: &Array, range: std::ops::Range<usize>| {
            tracelift_data::take_rows(array, &range.collect::<Vec<usize>>())
        };
        let part = |range: std::ops::Range<usize>| -> Result<Columns> {
            Ok(Columns {
                x: part(&self.x, range.clone())?,
                y: self.y.as_ref().map(|y| part(y, range.clone())).transpose()?,
                weight: self.weight.as_ref().map(|weight| part(weight, range.clone())).transpose()?,
            })
        };
        Ok((part(0..at)?, part(at..self.n_rows())?))
    }

    /// All arrays that there are, in order.
    pub(super) fn arrays(&self) -> impl Iterator<Item = &Array> {
        std::iter::once(&self.x).chain(&self.y).chain(&self.weight)
    }
}

fn rows(what: &str, tensor: &Tensor) -> Result<Array> {
    let array = tensor.to_array()?;
    if array.rank() == 0 {
        let message = format!("{} has no rows", array.type_text());
        return Err(Error::value(message).op(what).help("give a tensor whose first axis is the samples"));
    }
    if array.dtype() == F64 { to_f32(&array) } else { Ok(array) }
}
