//! Calls of a concrete function: at once, or as a node of the trace under way.

use std::{cell::Cell, sync::Arc};

use smallvec::SmallVec;
use tracelift_kernel::guard::Guard;
use tracelift_runtime::{CallError, Variable as State, exec::Lease};
use tracelift_tensor::{Array, Binding, Dim, Error, Origin, Result, Sym};

use super::{Argument, ConcreteFunction, Hidden, ResultLeaf};
use crate::{
    Tensor, Variable,
    backend::Compiled,
    key::ArgType,
    tape,
    tensor::{Handle, Recorded},
    trace,
    tree::{Leaf, Leaves, Results},
};

/// The arrays of a call.
pub(super) type Arrays<'a> = SmallVec<[&'a Array; 8]>;

thread_local! {
    /// An empty list with room for results; nobody looks into it between calls.
    pub(super) static ARRAYS: Cell<Vec<Array>> = const { Cell::new(Vec::new()) };
}

impl ConcreteFunction {
    /// Whether a variable among the arguments is one that the closure captures.
    #[inline]
    pub(crate) fn captures_argument(&self, leaves: &Leaves<'_>) -> bool {
        !self.hidden.is_empty()
            && leaves.leaves.iter().enumerate().any(|(position, leaf)| self.is_captured(position, leaf))
    }

    fn is_captured(&self, position: usize, leaf: &Leaf<'_>) -> bool {
        let Leaf::Variable(given) = leaf else { return false };
        // A trace that is for this very variable knows that it is captured.
        matches!(self.arguments[position], Argument::Variable { only: false, .. })
            && self.hidden.iter().any(|hidden| matches!(hidden, Hidden::Variable(own) if own.same(given)))
    }

    /// The types under which arguments that are also captured are these variables and no others.
    pub(crate) fn merged(&self, mut types: Vec<ArgType>, leaves: &Leaves<'_>) -> Vec<ArgType> {
        for (position, (ty, leaf)) in types.iter_mut().zip(&leaves.leaves).enumerate() {
            if let (ArgType::Variable { only, .. }, Leaf::Variable(variable)) = (ty, leaf)
                && self.is_captured(position, leaf)
            {
                *only = Some(variable.id());
            }
        }
        types
    }

    /// What the trace takes for granted and does not hold for these arguments.
    fn broken_guard(&self, leaves: &Leaves<'_>) -> Result<Option<Guard>> {
        if self.guards.is_empty() {
            return Ok(None);
        }
        let sizes = self.sizes(leaves);
        for guard in &self.guards {
            // Inside another trace sizes may be unknown still; then the guard becomes one of that trace.
            let known = syms(guard).iter().all(|sym| sizes.get(sym).is_some());
            if known && !guard.holds(&sizes)? {
                return Ok(Some(guard.clone()));
            }
        }
        Ok(None)
    }

    /// The sizes that a broken guard is about, which the next trace is to know.
    pub(crate) fn sizes_in(&self, guard: &Guard, leaves: &Leaves<'_>) -> Vec<(Sym, Dim)> {
        let sizes = self.sizes(leaves);
        let known = |sym: Sym| sizes.get(&sym).map(|n| (sym, Dim::from(n)));
        syms(guard).into_iter().filter_map(known).collect()
    }

    /// What the unknown sizes are for these arguments.
    fn sizes(&self, leaves: &Leaves<'_>) -> Binding {
        let mut sizes = Binding::new();
        for (argument, leaf) in self.arguments.iter().zip(&leaves.leaves) {
            let (Argument::Tensor(ty), Leaf::Tensor(tensor)) = (argument, leaf) else { continue };
            for (dim, given) in ty.shape.iter().zip(tensor.ty().shape.iter()) {
                if let (Some(sym), Some(n)) = (dim.as_sym(), given.known()) {
                    sizes.bind(sym, n);
                }
            }
        }
        sizes
    }

    /// Puts the leaves of the result there: of a call, or in the trace that calls it; a guard that does not hold says
    /// that another trace is needed. A lease is memory for the call, if the caller has some.
    pub(crate) fn run(
        &self,
        leaves: &Leaves<'_>,
        lease: Option<&mut Lease>,
        results: &mut Results,
    ) -> Result<(), CallError> {
        if trace::is_active() {
            if let Some(guard) = self.broken_guard(leaves)? {
                return Err(CallError::Guard(guard));
            }
            self.put_leaves(leaves, self.run_in_trace(leaves)?, results);
            return Ok(());
        }
        if tape::is_recording() {
            let operands = self.operands(leaves)?;
            let mut arrays = Vec::new();
            self.run_into(leaves, &mut arrays)?;
            self.put_leaves(leaves, tape::note_call(&self.graph, &operands, arrays)?, results);
            return Ok(());
        }
        let mut places = self.results.iter();
        self.run_with(leaves, |compiled, arrays, cells| {
            compiled.call_each(arrays, cells, lease, &mut |array| {
                self.put_variables(&mut places, leaves, results);
                results.push(Leaf::of(Tensor::eager(array)));
            })
        })?;
        self.put_variables(&mut places, leaves, results);
        Ok(())
    }

    /// The leaves of the result, given the tensors among them.
    fn put_leaves(&self, leaves: &Leaves<'_>, tensors: impl IntoIterator<Item = Tensor>, results: &mut Results) {
        let mut places = self.results.iter();
        for tensor in tensors {
            self.put_variables(&mut places, leaves, results);
            results.push(Leaf::of(tensor));
        }
        self.put_variables(&mut places, leaves, results);
    }

    /// The variables among the leaves of the result up to the place of the next tensor.
    #[inline(always)]
    fn put_variables(&self, places: &mut std::slice::Iter<'_, ResultLeaf>, leaves: &Leaves<'_>, results: &mut Results) {
        for place in places {
            results.push(match place {
                ResultLeaf::Tensor => return,
                ResultLeaf::Variable(variable) => Leaf::of_variable(variable.clone()),
                ResultLeaf::Argument(position) => leaves.leaves[*position].clone().into_owned(),
            });
        }
    }

    /// A call that writes its results over arrays that the caller needs no more.
    pub(super) fn run_into(&self, leaves: &Leaves<'_>, results: &mut Vec<Array>) -> Result<(), CallError> {
        self.run_with(leaves, |compiled, arrays, cells| compiled.call_into(arrays, cells, results))
    }

    /// Calls the code on the arrays and variables of a call.
    #[inline]
    fn run_with(
        &self,
        leaves: &Leaves<'_>,
        call: impl FnOnce(&Compiled, &[&Array], &[State]) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let compiled = self.compiled()?;
        // A program checks its guards with its sizes; the evaluator leaves them to its caller.
        if compiled.program().is_none()
            && let Some(guard) = self.broken_guard(leaves)?
        {
            return Err(CallError::Guard(guard));
        }
        // Collected where they stay: moving the list costs as much as a small kernel.
        let mut arrays = Arrays::new();
        self.put_arrays(leaves, &mut arrays)?;
        match &self.fixed_cells {
            Some(cells) => call(compiled, &arrays, cells),
            None => call(compiled, &arrays, &self.cells(leaves)?),
        }
    }

    /// What the parameters of the graph are in a call, before it changes variables.
    fn operands(&self, leaves: &Leaves<'_>) -> Result<Vec<Tensor>> {
        let given = leaves.leaves.iter().filter_map(|leaf| leaf.as_tensor().cloned().map(Ok));
        let hidden = self.hidden.iter().map(|hidden| match hidden {
            Hidden::Array(array, recorded) => Ok(captured(array, recorded.as_ref())),
            Hidden::Variable(variable) => tape::read(variable.data()?),
            Hidden::Argument(position) => tape::read(argument(leaves, *position).data()?),
        });
        given.chain(hidden).collect()
    }

    /// The tensors of a call, and the arrays that the closure holds.
    #[inline]
    fn put_arrays<'a>(&'a self, leaves: &'a Leaves<'_>, arrays: &mut Arrays<'a>) -> Result {
        for leaf in &leaves.leaves {
            if let Leaf::Tensor(tensor) = leaf {
                arrays.push(array(self.graph.name(), tensor)?);
            }
        }
        for hidden in &self.hidden {
            if let Hidden::Array(array, _) = hidden {
                arrays.push(array);
            }
        }
        Ok(())
    }

    /// [`put_arrays`](Self::put_arrays) where time does not matter.
    pub(super) fn arrays<'a>(&'a self, leaves: &'a Leaves<'_>) -> Result<Arrays<'a>> {
        let mut arrays = Arrays::new();
        self.put_arrays(leaves, &mut arrays)?;
        Ok(arrays)
    }

    /// The variables of a call.
    pub(super) fn cells(&self, leaves: &Leaves<'_>) -> Result<Vec<State>> {
        let cells = self.hidden.iter().filter_map(|hidden| match hidden {
            Hidden::Array(..) => None,
            Hidden::Variable(variable) => Some(variable),
            Hidden::Argument(position) => Some(argument(leaves, *position)),
        });
        cells.map(|variable| Ok(variable.data()?.cell()?.clone())).collect()
    }

    /// The call as a node of the trace under way.
    fn run_in_trace(&self, leaves: &Leaves<'_>) -> Result<Vec<Tensor>> {
        trace::with_active(|stack| {
            let origin = Origin::default();
            let mut operands = Vec::with_capacity(self.graph.params().len());
            for leaf in &leaves.leaves {
                if let Leaf::Tensor(tensor) = leaf {
                    operands.push(stack.lift(tensor, &origin)?);
                }
            }
            for hidden in &self.hidden {
                operands.push(match hidden {
                    Hidden::Array(array, recorded) => stack.lift(&captured(array, recorded.as_ref()), &origin)?,
                    Hidden::Variable(variable) => stack.read(variable.data()?)?,
                    Hidden::Argument(position) => stack.read(argument(leaves, *position).data()?)?,
                });
            }
            let call = stack.call_of(self.graph.clone());
            let values = stack.top_frame().builder.at(origin).push_multi(call, &operands)?;
            let (results, states) = values.split_at(self.tensor_results());
            for (hidden, value) in self.assigned.iter().zip(states) {
                match &self.hidden[*hidden] {
                    Hidden::Variable(variable) => stack.assign(variable.data()?, *value),
                    Hidden::Argument(position) => stack.assign(argument(leaves, *position).data()?, *value),
                    Hidden::Array(..) => unreachable!("only variables are assigned"),
                }
            }
            Ok(results.iter().map(|value| stack.top_frame().tensor(*value)).collect())
        })
        .unwrap_or_else(|| Err(Error::internal("a call is traced outside of any trace")))
    }
}

/// The data of an argument.
fn array<'a>(op: &str, tensor: &'a Tensor) -> Result<&'a Array> {
    match &tensor.handle {
        Handle::Eager(array) => Ok(array),
        Handle::Recorded(recorded) => Ok(&recorded.array),
        Handle::Traced(_) | Handle::Live(_) | Handle::Failed(_) => {
            let error = trace::eager_array(op, tensor, &Origin::default()).err();
            Err(error
                .unwrap_or_else(|| Error::internal("an argument is the value of a variable, not a snapshot of it")))
        }
    }
}

fn syms(guard: &Guard) -> Vec<Sym> {
    let mut syms = guard.lhs.syms();
    syms.extend(guard.rhs.syms());
    syms
}

/// A tensor that the closure holds.
fn captured(array: &Array, recorded: Option<&Arc<Recorded>>) -> Tensor {
    match recorded {
        Some(recorded) => Tensor { handle: Handle::Recorded(recorded.clone()) },
        None => Tensor::eager(array.clone()),
    }
}

fn argument<'a>(leaves: &'a Leaves<'_>, position: usize) -> &'a Variable {
    match &leaves.leaves[position] {
        Leaf::Variable(variable) => variable,
        Leaf::Tensor(_) => unreachable!("the leaf was a variable when the function was traced for these types"),
    }
}
