//! What native code is given before it runs, and what it leaves: arguments, states and results at their places.

use super::executable::Executable;
use super::helpers::set_scalar;
use super::lease::Lease;
use super::plan::Plan;
use super::roles::Source;
use super::states::Held;
use tracelift_kernel::program::*;
use tracelift_tensor::{Array, Error, Result};

impl Executable {
    /// Types and shapes must be those of the plan: native code trusts them.
    pub(super) fn check_arguments(&self, inputs: &[&Array], states: &[Option<Array>], plan: &Plan) -> Result {
        let fits = |array: &Array, id: BufferId| {
            array.dtype() == self.program.buffer(id).dtype && same_sizes(array.shape(), &plan.shapes[id.0 as usize])
        };
        for (n, (input, id)) in inputs.iter().zip(&self.roles.inputs).enumerate() {
            if let Some(id) = id
                && !fits(input, *id)
            {
                return Err(self.misfit(&format!("argument {n}"), input, *id));
            }
        }
        for (n, (state, id)) in states.iter().zip(&self.roles.states).enumerate() {
            if let (Some(state), Some(id)) = (state, id)
                && !fits(state, *id)
            {
                return Err(self.misfit(&format!("state {n}"), state, *id));
            }
        }
        Ok(())
    }

    #[cold]
    fn misfit(&self, what: &str, array: &Array, id: BufferId) -> Error {
        let (name, buffer) = (&self.name, self.program.buffer(id));
        let (given, wanted) = (array.type_text(), format!("{}{}", buffer.dtype, buffer.shape));
        Error::invalid(format!("{what} of `{name}` is {given}, but was compiled as {wanted}"))
    }

    pub(super) fn place_inputs(&self, inputs: &[&Array], lease: &mut Lease) {
        for (input, id) in inputs.iter().zip(&self.roles.inputs) {
            if let Some(id) = id {
                lease.table[id.0 as usize] = input.bytes().as_ptr() as usize;
            }
        }
    }

    /// A state that nobody else holds is changed in place; the next value of any other gets memory of its own.
    pub(super) fn place_states(&self, values: &mut [Option<Array>], lease: &mut Lease) -> Result {
        for (n, value) in values.iter_mut().enumerate() {
            let value = value.as_mut().expect("a held variable has its value");
            let written = self.program.states[n].written;
            let (before, after) = if written && value.is_unique() {
                lease.nexts[n] = None;
                let address = value.bytes_mut().as_mut_ptr() as usize;
                (address, address)
            } else if written {
                let mut next = lease.next_value(n, value)?;
                let addresses = (value.bytes().as_ptr() as usize, next.bytes_mut().as_mut_ptr() as usize);
                lease.nexts[n] = Some(next);
                addresses
            } else {
                (value.bytes().as_ptr() as usize, 0)
            };
            if let Some(id) = self.roles.states[n] {
                lease.table[id.0 as usize] = before;
            }
            if let Some(id) = self.roles.nexts[n] {
                lease.table[id.0 as usize] = after;
            }
        }
        Ok(())
    }

    /// Results that the program makes are written over what lies there, if it fits and nobody else holds it.
    pub(super) fn place_outputs(&self, plan: &Plan, lease: &mut Lease) -> Result {
        for (n, (source, made)) in self.roles.results.iter().zip(&mut lease.made).enumerate() {
            if !source.is_own() {
                continue;
            }
            let dtype = self.roles.result_types[n];
            let shape = match self.program.results[n] {
                ResultPlace::Buffer(id) => plan.shapes[id.0 as usize].as_slice(),
                ResultPlace::Scalar(_) => &[],
            };
            let fits = |made: &&mut Array| made.is_unique() && made.dtype() == dtype && same_sizes(made.shape(), shape);
            let made = match made.as_mut().filter(fits) {
                Some(made) => made,
                None => made.insert(Array::for_overwrite(dtype, shape)?),
            };
            if let Source::Output(owner) = source {
                lease.table[owner.0 as usize] = made.bytes_mut().as_mut_ptr() as usize;
            }
        }
        Ok(())
    }

    /// Stores the new values of the states and completes the results.
    pub(super) fn finish(&self, inputs: &[&Array], held: &mut Held<'_>, plan: &Plan, lease: &mut Lease) -> Result {
        for (n, source) in self.roles.results.iter().enumerate() {
            let handed = match source {
                Source::Output(_) => continue,
                Source::Scalar => {
                    set_scalar(lease.made[n].as_mut().expect("it has a place"), lease.results[n]);
                    continue;
                }
                Source::Same(earlier) => lease.made[*earlier].clone().expect("it was made"),
                Source::Input(n) => inputs[*n].clone(),
                Source::State(n) => held.values[*n].clone().expect("a held variable has its value"),
            };
            if let ResultPlace::Buffer(id) = self.program.results[n] {
                lease.made[n] = Some(handed.reshape(&plan.shapes[id.0 as usize])?);
            }
        }
        for n in 0..lease.nexts.len() {
            if let Some(next) = lease.nexts[n].take() {
                lease.spares[n] = held.values[n].take();
                held.commit(n, next);
            }
        }
        Ok(())
    }
}

/// Whether shapes are equal. (Comparing slices asks `memcmp`, which is slow on the address of an empty one.)
fn same_sizes(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}
