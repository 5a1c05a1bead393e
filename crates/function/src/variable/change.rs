//! The ways to change a variable: as a whole, in parts, by rows.

use tracelift_tensor::{Error, Result};

use super::Variable;
use crate::{IntoTensor, Operand, Slice, Tensor, ops, scope, tape, trace};

impl Variable {
    /// Replaces the value, and gives it back; a wrong shape or dtype leaves it as it was.
    #[track_caller]
    pub fn assign(&self, value: impl Operand) -> Result<Tensor> {
        let new = value.operand(&self.live);
        match new.error() {
            // A number beside a tensor is an operand; here it is a value of another type.
            Some(error) if value.is_number() && self.live.error().is_none() => {
                Err(Error::type_(error.message.clone()).op("assign").at(error.origin.clone()))
            }
            _ => self.change("assign", |_| new),
        }
    }

    /// Adds to the value, and gives the new one.
    #[track_caller]
    pub fn assign_add(&self, delta: impl Operand) -> Result<Tensor> {
        let delta = delta.operand(&self.live);
        self.change("assign_add", |old| old + delta)
    }

    /// Subtracts from the value, and gives the new one.
    #[track_caller]
    pub fn assign_sub(&self, delta: impl Operand) -> Result<Tensor> {
        let delta = delta.operand(&self.live);
        self.change("assign_sub", |old| old - delta)
    }

    /// A part that can be assigned: `v.at((.., 2)).assign([0., 1.])?`.
    pub fn at(&self, at: impl Into<Slice>) -> VariableSlice {
        VariableSlice { variable: self.clone(), at: at.into() }
    }

    /// Writes single items or blocks: row `i` of `indices` says where `updates[i]` goes, in their order.
    #[track_caller]
    pub fn scatter_nd_update(&self, indices: impl IntoTensor, updates: impl IntoTensor) -> Result<Tensor> {
        let (indices, updates) = (indices.into_tensor(), updates.into_tensor());
        self.change("scatter_nd_update", |old| ops::scatter_nd(old, &indices, &updates))
    }

    /// Adds to single items or blocks: row `i` of `indices` says to what `updates[i]` is added; what is named twice gets
    /// both.
    ///
    /// ```
    /// use tracelift_function::Variable;
    ///
    /// let v = Variable::new([[1., 2.], [3., 4.]]);
    /// v.scatter_nd_add([[0, 0], [1, 1], [0, 0]], [10., 20., 30.])?;
    /// assert_eq!(v.to_vec::<f32>()?, [41., 2., 3., 24.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_nd_add(&self, indices: impl IntoTensor, updates: impl IntoTensor) -> Result<Tensor> {
        let (indices, updates) = (indices.into_tensor(), updates.into_tensor());
        self.change("scatter_nd_add", |old| ops::scatter_nd_add(old, &indices, &updates))
    }

    /// Writes whole rows, in the order of their indices.
    #[track_caller]
    pub fn scatter_update(&self, rows: &IndexedSlices) -> Result<Tensor> {
        let (indices, values) = (rows.indices.snapshot(), rows.values.snapshot());
        self.change("scatter_update", |old| ops::scatter_rows(old, &indices, &values))
    }

    /// Adds whole rows to those of these indices.
    #[track_caller]
    pub fn scatter_add(&self, rows: &IndexedSlices) -> Result<Tensor> {
        let (indices, values) = (rows.indices.expand_dims(-1), rows.values.snapshot());
        self.change("scatter_add", |old| ops::scatter_nd_add(old, &indices, &values))
    }

    /// Subtracts whole rows from those of these indices.
    #[track_caller]
    pub fn scatter_sub(&self, rows: &IndexedSlices) -> Result<Tensor> {
        let (indices, values) = (rows.indices.expand_dims(-1), -&rows.values);
        self.change("scatter_sub", |old| ops::scatter_nd_add(old, &indices, &values))
    }

    /// Projects the value by its [`constraint`](Self::constraint), if it has one.
    #[track_caller]
    pub fn constrain(&self) -> Result {
        match self.data()?.constraint.get() {
            // It is the user's code, and may look at other variables.
            Some(constraint) => self.assign(constraint(&self.value())).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Replaces the value by what `new` makes of it; `new` looks at no other variable, since this one is held.
    #[track_caller]
    fn change(&self, what: &'static str, new: impl FnOnce(&Tensor) -> Tensor) -> Result<Tensor> {
        let _here = scope::here();
        let origin = scope::origin();
        let data = self.data()?;
        if trace::is_active() {
            let value = new(&trace::read_variable(data));
            return trace::assign_variable(data, what, value, origin);
        }
        data.not_standing_in(what, &origin)?;
        let mut changed = None;
        // What is put into a variable has no gradient; reading it does.
        tape::unrecorded(|| {
            data.cell.update(|old| {
                let value = new(&Tensor::eager(old.clone())).ok()?;
                data.check(what, &value, &origin)?;
                let array = value.to_array()?;
                changed = Some(array.clone());
                Ok(array)
            })
        })?;
        let changed = changed.ok_or_else(|| Error::internal("a variable was changed without a value"))?;
        Ok(tape::leaf(data, changed))
    }
}

/// A part of a variable, which can be assigned.
pub struct VariableSlice {
    variable: Variable,
    at: Slice,
}

impl VariableSlice {
    /// Writes the part; gives the variable's new value.
    #[track_caller]
    pub fn assign(&self, value: impl Operand) -> Result<Tensor> {
        let value = value.operand(&self.variable);
        self.variable.change("assign", |old| ops::update(old, &self.at, &value))
    }

    /// Adds to the part; gives the variable's new value.
    ///
    /// ```
    /// use tracelift_function::Variable;
    ///
    /// let v = Variable::new([[1., 2.], [3., 4.]]);
    /// v.at((.., 1)).assign_add([10., 20.])?;
    /// v.at(0).assign_sub(1)?;
    /// assert_eq!(v.to_vec::<f32>()?, [0., 11., 3., 24.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    pub fn assign_add(&self, delta: impl Operand) -> Result<Tensor> {
        let delta = delta.operand(&self.variable);
        self.variable.change("assign_add", |old| ops::update(old, &self.at, &(old.slice(self.at.clone()) + delta)))
    }

    /// Subtracts from the part; gives the variable's new value.
    #[track_caller]
    pub fn assign_sub(&self, delta: impl Operand) -> Result<Tensor> {
        let delta = delta.operand(&self.variable);
        self.variable.change("assign_sub", |old| ops::update(old, &self.at, &(old.slice(self.at.clone()) - delta)))
    }
}

/// Rows and where they go.
#[derive(Clone, Debug)]
pub struct IndexedSlices {
    /// The rows, along the first axis.
    pub values: Tensor,
    /// The row number of each.
    pub indices: Tensor,
}
