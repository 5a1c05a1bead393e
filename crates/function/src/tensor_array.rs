//! Arrays of tensors that are written row by row.

use std::sync::OnceLock;

use tracelift_tensor::{DType, Dim, Error, Origin, Result, Shape};

use crate::{
    IntoTensor, LeafSource, Leaves, Operand, Tensor, Tree, concat,
    ops::{set_row, stack},
    scope, select, tensor, trace,
};

/// Tensors of one dtype and shape, each at its index, written one by one: what a loop collects.
///
/// Writing takes the array and gives the new one; reading a row clears it, unless
/// [`clear_after_read`](Self::clear_after_read) says otherwise. A mistake is carried by the array and by all that is read
/// from it.
///
/// ```
/// use tracelift_function::{F32, TensorArray, tensor};
///
/// let mut array = TensorArray::new(F32, 3).write(0, [1., 2.]).write(1, [3., 10.]).write(2, [5., 7.]);
/// assert_eq!(array.read(1).to_vec::<f32>()?, [3., 10.]);
/// assert_eq!(array.stack().to_vec::<f32>()?, [1., 2., 0., 0., 5., 7.]);
/// assert!(array.read(1).error().is_some());
/// # Ok::<(), tracelift_function::Error>(())
/// ```
///
/// Loops carry it; its size is fixed then, and the shape of a row must be known before:
///
/// ```
/// use tracelift_function::{F32, Function, Tensor, TensorArray, for_range, tensor};
///
/// let squares = Function::new(|n: &Tensor| {
///     let array = TensorArray::new(F32, 4).element_shape(());
///     for_range(n, array, |i, array| array.write(i, i.cast(F32).square())).stack()
/// });
/// assert_eq!(squares(&tensor(4)).to_vec::<f32>()?, [0., 1., 4., 9.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[must_use = "an array is changed by using what `write` gives"]
pub struct TensorArray {
    dtype: DType,
    dynamic: bool,
    clear_after_read: bool,
    /// The shape of a row, once it is known.
    row: Option<Shape>,
    rows: Result<Rows>,
    /// Where it was made.
    made: Origin,
    /// The rows as loops carry them, made when first asked for.
    stacked: OnceLock<Stacked>,
}

#[derive(Clone)]
enum Rows {
    /// Each row on its own, at an index that is known.
    Listed(Vec<Row>),
    /// All in one traced tensor, for indices that only a call knows.
    Stacked(Stacked),
}

#[derive(Clone)]
enum Row {
    Unwritten,
    Written(Tensor),
    /// Read, and gone.
    Cleared,
}

#[derive(Clone)]
struct Stacked {
    /// The rows along a first axis; zeros where nothing is written.
    data: Tensor,
    /// For each row, whether it was read and is gone.
    cleared: Tensor,
}

/// A row's number, known now or only when the function is called.
enum Index {
    Known(i64),
    Traced(Tensor),
}

impl TensorArray {
    /// An array of rows that are not written yet.
    #[track_caller]
    pub fn new(dtype: DType, size: usize) -> TensorArray {
        let made = scope::origin();
        let rows = few(size).map(|()| Rows::Listed(vec![Row::Unwritten; size]));
        let rows = rows.map_err(|error| placed("new", error));
        TensorArray { dtype, dynamic: false, clear_after_read: true, row: None, rows, made, stacked: OnceLock::new() }
    }

    /// Whether writing behind the end makes it longer; not in loops of a graph.
    pub fn dynamic(self, dynamic: bool) -> TensorArray {
        TensorArray { dynamic, ..self }
    }

    /// Whether reading a row clears it, as it does unless told otherwise.
    pub fn clear_after_read(self, clear_after_read: bool) -> TensorArray {
        TensorArray { clear_after_read, ..self }
    }

    /// The shape of each row, which is that of the first one written unless told.
    pub fn element_shape(self, shape: impl Into<Shape>) -> TensorArray {
        TensorArray { row: Some(shape.into()), stacked: OnceLock::new(), ..self }
    }

    /// The array with a row written.
    #[track_caller]
    pub fn write(self, index: impl Operand, value: impl Operand) -> TensorArray {
        let _here = scope::here();
        let index = index.operand(&tensor(0));
        let value = value.operand(&Tensor::placeholder(tracelift_ir::TensorType::new(self.dtype, Shape::default())));
        self.changed("write", |array| array.put(&index, value))
    }

    /// A row, which is cleared.
    #[track_caller]
    #[must_use]
    pub fn read(&mut self, index: impl Operand) -> Tensor {
        let _here = scope::here();
        let index = index.operand(&tensor(0));
        match self.take(&index) {
            Ok(row) => row,
            Err(error) => trace::fail(placed("read", error), None),
        }
    }

    /// All rows along a new first axis; zeros where nothing is written, or no more.
    #[track_caller]
    #[must_use]
    pub fn stack(&self) -> Tensor {
        let _here = scope::here();
        match self.stacked() {
            Ok(stacked) => stacked.data,
            Err(error) => trace::fail(placed("stack", error), None),
        }
    }

    /// All rows one behind the other, along their first axis.
    #[track_caller]
    #[must_use]
    pub fn concat(&self) -> Tensor {
        let _here = scope::here();
        let all = self.stack();
        let rows: Vec<Tensor> = (0..self.len()).map(|row| all.slice(row as i64)).collect();
        if rows.is_empty() { all } else { concat(&rows.iter().collect::<Vec<_>>(), 0) }
    }

    /// Some rows along a new first axis; they are not cleared.
    #[track_caller]
    #[must_use]
    pub fn gather(&self, indices: impl IntoTensor) -> Tensor {
        let _here = scope::here();
        self.stack().gather(&indices.into_tensor())
    }

    /// The array with the rows of a tensor.
    #[track_caller]
    pub fn unstack(self, value: impl IntoTensor) -> TensorArray {
        let _here = scope::here();
        let value = value.into_tensor();
        self.changed("unstack", |array| array.fill(&value))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match &self.rows {
            Ok(Rows::Listed(rows)) => rows.len(),
            Ok(Rows::Stacked(stacked)) => stacked.cleared.len().unwrap_or(0),
            Err(_) => 0,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows there are, as a tensor.
    #[must_use]
    pub fn size(&self) -> Tensor {
        tensor(i32::try_from(self.len()).unwrap_or(i32::MAX))
    }

    /// The dtype of its rows.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The first mistake made with it.
    pub fn error(&self) -> Option<&Error> {
        self.rows.as_ref().err()
    }

    /// Itself, or the first mistake made with it.
    pub fn ok(self) -> Result<TensorArray> {
        match self.error() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }

    #[track_caller]
    fn changed(mut self, what: &str, change: impl FnOnce(&mut TensorArray) -> Result) -> TensorArray {
        self.stacked = OnceLock::new();
        if self.rows.is_ok()
            && let Err(error) = change(&mut self)
        {
            let error = placed(what, error);
            trace::record(&error);
            self.rows = Err(error);
        }
        self
    }

    fn put(&mut self, index: &Tensor, value: Tensor) -> Result {
        let value = value.ok()?;
        self.check(&value)?;
        self.row.get_or_insert_with(|| value.shape());
        match self.index(index)? {
            Index::Known(at) => {
                let (dynamic, size) = (self.dynamic, self.len());
                let rows = self.listed()?;
                let at = usize::try_from(at).ok().filter(|at| dynamic || *at < size).ok_or_else(|| {
                    Error::out_of_range(format!("cannot write row {at} of an array of {size}"))
                        .help("`.dynamic(true)` makes an array that grows")
                })?;
                if at >= rows.len() {
                    few(at)?;
                    rows.resize(at + 1, Row::Unwritten);
                }
                rows[at] = Row::Written(value);
            }
            Index::Traced(at) => {
                let Stacked { data, cleared } = self.stacked()?;
                let data = set_row(&data, &at, &value).ok()?;
                let cleared =
                    if self.clear_after_read { set_row(&cleared, &at, &tensor(false)).ok()? } else { cleared };
                self.rows = Ok(Rows::Stacked(Stacked { data, cleared }));
            }
        }
        Ok(())
    }

    #[track_caller]
    fn take(&mut self, index: &Tensor) -> Result<Tensor> {
        self.rows.as_ref().map_err(Clone::clone)?;
        match self.index(index)? {
            Index::Known(at) => {
                let (clear, size) = (self.clear_after_read, self.len());
                let blank = self.blank();
                let rows = self.listed()?;
                let row = usize::try_from(at)
                    .ok()
                    .and_then(|at| rows.get_mut(at))
                    .ok_or_else(|| Error::out_of_range(format!("cannot read row {at} of an array of {size}")))?;
                let value = match row {
                    Row::Written(value) => value.clone(),
                    Row::Unwritten => blank?,
                    Row::Cleared => {
                        let message = format!("cannot read row {at} twice: reading it has cleared it");
                        return Err(Error::invalid(message).help("`.clear_after_read(false)` keeps what is read"));
                    }
                };
                if clear {
                    *row = Row::Cleared;
                    self.stacked = OnceLock::new();
                }
                Ok(value)
            }
            Index::Traced(at) => {
                let Stacked { data, cleared } = self.stacked()?;
                let size = self.len();
                if !self.clear_after_read {
                    return data.gather(&at).ok();
                }
                // A row that was read is not there any more: its place is behind the end, which gathering refuses.
                let place = select(&cleared.gather(&at), size as i32, at.cast(DType::I32));
                let value = data.gather(&place).ok()?;
                let data = set_row(&data, &at, &value.zeros_like()).ok()?;
                self.rows = Ok(Rows::Stacked(Stacked { data, cleared: set_row(&cleared, &at, &tensor(true)).ok()? }));
                self.stacked = OnceLock::new();
                Ok(value)
            }
        }
    }

    fn fill(&mut self, value: &Tensor) -> Result {
        let value = value.clone().ok()?;
        let size = value.len()?;
        if size != self.len() && !self.dynamic {
            let message = format!("cannot put the {size} rows of {} into an array of {}", value.ty(), self.len());
            return Err(Error::value(message));
        }
        let rows: Vec<Tensor> = (0..size).map(|row| value.slice(row as i64)).collect();
        rows.iter().try_for_each(|row| self.check(row))?;
        if self.row.is_none() {
            self.row = Some(value.shape()[1..].iter().cloned().collect());
        }
        self.rows = Ok(Rows::Listed(rows.into_iter().map(Row::Written).collect()));
        Ok(())
    }

    /// That a tensor can be a row.
    fn check(&self, value: &Tensor) -> Result {
        let ty = value.ty();
        if ty.dtype != self.dtype {
            let message = format!("cannot put a row of {ty} into an array of {}", self.dtype);
            return Err(Error::invalid(message).help("cast the row"));
        }
        match &self.row {
            Some(row) if *row != ty.shape => Err(Error::value(format!(
                "cannot put a row of shape {} into an array of rows of shape {row}",
                ty.shape
            ))),
            _ => Ok(()),
        }
    }

    fn index(&self, index: &Tensor) -> Result<Index> {
        let index = index.clone().ok()?;
        if !index.dtype().is_int() || index.rank() != 0 {
            return Err(Error::invalid(format!("wants the number of a row, got {}", index.ty())));
        }
        let index = if index.dtype() == DType::U8 { index.cast(DType::I32) } else { index };
        if index.is_traced() {
            if self.dynamic {
                let message = "cannot grow by a number that is known only when the function is called";
                return Err(Error::invalid(message).help("give the array its size, without `dynamic`"));
            }
            return Ok(Index::Traced(index));
        }
        // A row of a traced tensor is as good as a traced row.
        match &self.rows {
            Ok(Rows::Stacked(stacked)) if stacked.data.is_traced() => Ok(Index::Traced(index)),
            _ => Ok(Index::Known(index.to_array()?.get_i64(0))),
        }
    }

    /// The rows one by one.
    fn listed(&mut self) -> Result<&mut Vec<Row>> {
        if let Ok(Rows::Stacked(stacked)) = &self.rows {
            let cleared = stacked.cleared.to_vec::<bool>()?;
            let rows = cleared.into_iter().enumerate().map(|(at, cleared)| match cleared {
                true => Row::Cleared,
                false => Row::Written(stacked.data.slice(at as i64)),
            });
            self.rows = Ok(Rows::Listed(rows.collect()));
        }
        match &mut self.rows {
            Ok(Rows::Listed(rows)) => Ok(rows),
            Ok(Rows::Stacked(_)) => Err(Error::internal("the rows were listed just now")),
            Err(error) => Err(error.clone()),
        }
    }

    /// The rows in one tensor.
    fn stacked(&self) -> Result<Stacked> {
        let rows = match self.rows.as_ref().map_err(Clone::clone)? {
            Rows::Stacked(stacked) => return Ok(stacked.clone()),
            Rows::Listed(rows) => rows,
        };
        if let Some(known) = self.stacked.get() {
            return Ok(known.clone());
        }
        let blank = self.blank()?;
        let tensors: Vec<&Tensor> =
            rows.iter().map(|row| if let Row::Written(value) = row { value } else { &blank }).collect();
        let data = match tensors.is_empty() {
            true => Tensor::zeros(
                std::iter::once(Dim::from(0usize)).chain(blank.shape().iter().cloned()).collect::<Vec<_>>(),
            )
            .cast(self.dtype),
            false => stack(&tensors, 0),
        };
        let cleared: Vec<bool> = rows.iter().map(|row| matches!(row, Row::Cleared)).collect();
        let stacked = Stacked { data: data.ok()?, cleared: Tensor::from(cleared) };
        Ok(self.stacked.get_or_init(|| stacked).clone())
    }

    /// The row that stands for one that is not written.
    fn blank(&self) -> Result<Tensor> {
        let shape = self.row.clone().ok_or_else(|| {
            Error::invalid("does not know the shape of its rows yet")
                .help("say it: `.element_shape([2])`, or write a row before")
        })?;
        Tensor::zeros(shape).cast(self.dtype).ok()
    }
}

/// That an array of this size is no mistake.
fn few(size: usize) -> Result {
    const MAX_ROWS: usize = 1 << 24;
    if size <= MAX_ROWS { Ok(()) } else { Err(Error::out_of_range(format!("has {MAX_ROWS} rows at most, not {size}"))) }
}

#[track_caller]
fn placed(what: &str, error: Error) -> Error {
    let error = if error.op.is_none() { error.op(format!("TensorArray::{what}")) } else { error };
    if error.origin.is_unknown() { error.at(scope::origin()) } else { error }
}

impl Clone for TensorArray {
    fn clone(&self) -> Self {
        TensorArray {
            row: self.row.clone(),
            rows: self.rows.clone(),
            made: self.made.clone(),
            stacked: self.stacked.clone(),
            ..*self
        }
    }
}

impl std::fmt::Debug for TensorArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.rows, &self.row) {
            (Err(error), _) => write!(f, "TensorArray({error})"),
            (Ok(_), Some(row)) => write!(f, "TensorArray({} rows of {}{row})", self.len(), self.dtype),
            (Ok(_), None) => write!(f, "TensorArray({} rows of {})", self.len(), self.dtype),
        }
    }
}

impl Tree for TensorArray {
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
        leaves.host(self.dtype as u64);
        leaves.host(u64::from(self.clear_after_read));
        match self.stacked() {
            Ok(Stacked { data, cleared }) => {
                leaves.made_tensor(data);
                leaves.made_tensor(cleared);
            }
            Err(error) => {
                let error = if error.op.is_none() { error.op("TensorArray::new") } else { error };
                let error = if error.origin.is_unknown() { error.at(self.made.clone()) } else { error };
                let failed = Tensor::failed(error);
                leaves.made_tensor(failed.clone());
                leaves.made_tensor(failed);
            }
        }
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        let (data, cleared) = (leaves.tensor(), leaves.tensor());
        let row = data.shape().get(1..).map(|row| row.iter().cloned().collect());
        let rows = match data.error().or(cleared.error()) {
            Some(error) => Err(error.clone()),
            None => Ok(Rows::Stacked(Stacked { data, cleared })),
        };
        // What a loop carries keeps its size.
        TensorArray { row, rows, made: self.made.clone(), stacked: OnceLock::new(), dynamic: false, ..*self }
    }
}
