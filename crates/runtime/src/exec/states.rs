//! The variables that one call holds.

use crate::variable::Variable;
use std::sync::Arc;
use tracelift_kernel::program::State;
use tracelift_tensor::{Array, Error, Result};

/// Holds a call's variables: those it only reads until all snapshots are taken, those it writes until it is dropped.
///
/// Dropping puts back the value that was taken, also when the call fails or panics, unless a new one was committed.
pub(super) struct Held<'a> {
    variables: &'a [Variable],
    states: &'a [State],
    /// The numbers of the variables in locking order; those before `acquired` are held or done with.
    order: &'a [u32],
    acquired: usize,
    /// The value of each state on entry.
    pub(super) values: &'a mut [Option<Array>],
}

impl<'a> Held<'a> {
    /// No variables at all.
    pub(super) fn nothing() -> Held<'a> {
        Held { variables: &[], states: &[], order: &[], acquired: 0, values: &mut [] }
    }

    /// Takes all variables, in the order of their ids, whatever order they are given in.
    pub(super) fn acquire(
        function: &Arc<str>,
        variables: &'a [Variable],
        states: &'a [State],
        order: &'a mut Vec<u32>,
        values: &'a mut Vec<Option<Array>>,
    ) -> Result<Held<'a>> {
        if variables.len() != states.len() {
            let (given, wanted) = (variables.len(), states.len());
            return Err(Error::value(format!("`{function}` works on {wanted} variables, not {given}")));
        }
        order.clear();
        order.extend(0..variables.len() as u32);
        order.sort_unstable_by_key(|&n| variables[n as usize].id());
        if let Some(pair) =
            order.windows(2).find(|pair| variables[pair[0] as usize].id() == variables[pair[1] as usize].id())
        {
            return Err(Error::value(format!(
                "`{function}` was given the variable `{}` twice, as states {} and {}",
                variables[pair[0] as usize].name(),
                pair[0].min(pair[1]),
                pair[0].max(pair[1])
            ))
            .help("a variable that is passed twice is one state"));
        }
        values.clear();
        values.resize(variables.len(), None);
        let mut held = Held { variables, states, order, acquired: 0, values };
        for &n in held.order {
            let n = n as usize;
            held.values[n] = Some(variables[n].acquire(function, states[n].written)?);
            held.acquired += 1;
        }
        for (variable, state) in variables.iter().zip(states) {
            if !state.written {
                variable.release(None);
            }
        }
        Ok(held)
    }

    /// Gives a written variable the value it has from now on.
    pub(super) fn commit(&mut self, n: usize, value: Array) {
        self.values[n] = Some(value);
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        let all = self.acquired == self.variables.len();
        for &n in &self.order[..self.acquired] {
            let n = n as usize;
            let value = self.values[n].take();
            if self.states[n].written {
                self.variables[n].release(value);
            } else if !all {
                // It failed before the snapshots were complete.
                self.variables[n].release(None);
            }
        }
    }
}

/// Runs something on the values of variables while nobody else can change them.
///
/// `written` says for each whether it gets a new value, which `body` gives in that order, after its own result. An error
/// leaves all as they were.
pub fn with_variables<R>(
    function: &Arc<str>,
    variables: &[Variable],
    written: &[bool],
    body: impl FnOnce(&[Array]) -> Result<(R, Vec<Array>)>,
) -> Result<R> {
    let state = |(variable, written): (&Variable, &bool)| State { name: variable.name().to_owned(), written: *written };
    let states: Vec<State> = variables.iter().zip(written).map(state).collect();
    let (mut order, mut values) = (Vec::new(), Vec::new());
    let mut held = Held::acquire(function, variables, &states, &mut order, &mut values)?;
    let current: Vec<Array> = held.values.iter().flatten().cloned().collect();
    let (result, next) = body(&current)?;
    let places = (0..variables.len()).filter(|n| written[*n]);
    for (n, value) in places.zip(next) {
        held.commit(n, value);
    }
    Ok(result)
}
