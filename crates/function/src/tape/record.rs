//! What the eager tapes of a thread have seen: operations on watched values as a growing graph, and their results.
//!
//! There is a record while a tape lives. Only what depends on something watched is noted; everything else is a constant
//! to it. Arrays are shared with the tensors of the program, not copied.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use tracelift_ir::{Builder, Graph, NodeIndex, Op, ParamRole, Type, Value, ValueMap, ops};
use tracelift_tensor::{Array, DType, Dim, Dims, Error, Origin, Result};

use super::{
    inner::Want,
    rows::pull_rows,
    walk::{Seen, Window, pull},
};
use crate::{
    Tensor, eager,
    tensor::{Handle, Recorded},
    variable::VariableData,
};

thread_local! {
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
    /// How many tapes of this thread are recording now; looked at before each op.
    static RECORDING: Cell<usize> = const { Cell::new(0) };
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The number of a record that there will never be.
pub(crate) fn no_record() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Where an array lies: what tells apart two tensors that no operation of the record made.
#[derive(PartialEq, Eq, Hash)]
struct Place(usize, DType, Dims);

impl Place {
    fn of(array: &Array) -> Place {
        // Empty arrays may share a place; none of their elements can be mistaken.
        Place(array.bytes().as_ptr() as usize, array.dtype(), Dims::from_slice(array.shape()))
    }
}

/// The operations that the living tapes of a thread may want.
pub(super) struct Record {
    id: u64,
    builder: Builder,
    arrays: ValueMap<Array>,
    /// Tensors from outside that are watched.
    watched: FxHashMap<Place, Value>,
    /// Large arrays from outside that nobody watches, so that each stands here once.
    constants: FxHashMap<Place, Value>,
    variables: IndexMap<u64, Reads>,
    tapes: Vec<Living>,
}

/// The values of a variable that were read, each a leaf.
struct Reads {
    variable: Arc<VariableData>,
    /// Whether a tape watches it, though it is not trainable.
    watched: bool,
    leaves: Vec<Value>,
}

struct Living {
    tape: u64,
    from: u32,
}

/// Whether a tape of this thread is recording.
pub(crate) fn is_recording() -> bool {
    RECORDING.get() > 0
}

/// Does something that no eager tape sees.
pub(crate) fn unrecorded<R>(body: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(0));
    body()
}

/// One tape more, or less, is recording.
pub(super) fn count_recording(more: bool) {
    RECORDING.set(if more { RECORDING.get() + 1 } else { RECORDING.get().saturating_sub(1) });
}

fn with_record<R>(body: impl FnOnce(&mut Record) -> R) -> Option<R> {
    RECORD.with_borrow_mut(|record| record.as_mut().map(body))
}

/// Begins a tape; answers its number and where it begins.
pub(super) fn begin() -> (u64, u32) {
    let tape = NEXT.fetch_add(1, Ordering::Relaxed);
    let from = RECORD.with_borrow_mut(|record| {
        let record = record.get_or_insert_with(Record::new);
        let from = record.len();
        record.tapes.push(Living { tape, from });
        from
    });
    (tape, from)
}

/// Ends a tape, and the record with the last one.
pub(super) fn end(tape: u64) {
    let ended = RECORD.try_with(|cell| {
        let mut slot = cell.borrow_mut();
        let record = slot.as_mut()?;
        record.end(tape);
        if record.tapes.is_empty() { slot.take() } else { None }
    });
    // Dropped here, after the borrow. On a thread that is ending, the record is gone already.
    drop(ended);
}

/// How many operations there are.
pub(super) fn len() -> u32 {
    with_record(|record| record.len()).unwrap_or(0)
}

/// How many arrays are held.
#[cfg(test)]
pub(super) fn held() -> usize {
    let values = |record: &mut Record| {
        let nodes = (0..record.len()).map(NodeIndex);
        nodes.filter(|node| record.arrays.contains(node.value())).count()
    };
    with_record(values).unwrap_or(0)
}

/// Watches a tensor from now on; its leaf, or the variable if it is one's.
pub(super) fn watch(tensor: &Tensor) -> Option<Value> {
    with_record(|record| match &tensor.handle {
        Handle::Eager(array) => Some(record.watch(array)),
        Handle::Recorded(recorded) => Some(record.lift_recorded(recorded)),
        Handle::Live(variable) => {
            record.reads(variable).watched = true;
            None
        }
        Handle::Traced(_) | Handle::Failed(_) => None,
    })
    .flatten()
}

/// Whether an array from outside is watched, so that no trace may make it a constant.
pub(crate) fn watches(array: &Array) -> bool {
    is_recording() && with_record(|record| record.watched.contains_key(&Place::of(array))).unwrap_or(false)
}

/// Whether a tensor is a value of this thread's record.
pub(crate) fn knows(recorded: &Recorded) -> bool {
    is_recording() && with_record(|record| record.id == recorded.record).unwrap_or(false)
}

/// What a variable holds now, as a leaf if tapes watch it.
pub(crate) fn read(variable: &Arc<VariableData>) -> Result<Tensor> {
    let array = variable.load()?;
    Ok(leaf(variable, array))
}

/// A variable's value as a leaf if tapes watch it.
pub(crate) fn leaf(variable: &Arc<VariableData>, array: Array) -> Tensor {
    if !is_recording() || !array.dtype().is_float() {
        return Tensor::eager(array);
    }
    with_record(|record| record.read(variable, &array)).flatten().unwrap_or_else(|| Tensor::eager(array))
}

/// The results of an op on tensors that hold data, noted if tapes want it.
pub(crate) fn evaluate(op: &Op, operands: &[&Tensor], origin: &Origin) -> Result<Vec<Tensor>> {
    // Reading a variable makes a leaf.
    let operands: Vec<Tensor> = operands.iter().map(|operand| operand.snapshot()).collect();
    let arrays = eager::arrays(op.name(), &operands, origin)?;
    let results = eager::apply(op, &arrays)?;
    note(op, &operands, results, origin)
}

/// The results of a graph that was run on operands, noted as a call of it.
pub(crate) fn note_call(graph: &Arc<Graph>, operands: &[Tensor], results: Vec<Array>) -> Result<Vec<Tensor>> {
    // Sizes that the graph has found are numbers by now.
    let size = |wanted: &Dim| {
        let of_result = graph.result_types().zip(&results).find_map(|(ty, array)| {
            let axis = ty.as_tensor()?.shape.iter().position(|dim| dim == wanted)?;
            array.shape().get(axis).copied()
        });
        of_result.map_or_else(|| wanted.clone(), Dim::from)
    };
    let found = graph.found_result_sizes().iter().map(size).collect();
    note(&ops::Call { found, ..ops::Call::new(graph.clone()) }.into(), operands, results, &Origin::default())
}

/// Notes an op whose first results are these, if an operand depends on something watched.
pub(crate) fn note(op: &Op, operands: &[Tensor], results: Vec<Array>, origin: &Origin) -> Result<Vec<Tensor>> {
    if !results.iter().any(|result| result.dtype().is_float()) {
        return Ok(results.into_iter().map(Tensor::eager).collect());
    }
    RECORD.with_borrow_mut(|record| match record {
        Some(record) => record.note(op, operands, results, origin),
        None => Ok(results.into_iter().map(Tensor::eager).collect()),
    })
}

/// What a tape wants to know with respect to sources; `None` where no path leads.
pub(super) fn gradient(
    tape: u64,
    window: &mut Window,
    want: Want<'_>,
    sources: &[&Tensor],
    origin: &Origin,
) -> Result<Vec<Option<Tensor>>> {
    with_record(|record| record.gradient(tape, window, want, sources, origin))
        .unwrap_or_else(|| Err(Error::internal("a tape lives without a record")))
}

impl Record {
    fn new() -> Record {
        Record {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            builder: Builder::new("record"),
            arrays: ValueMap::new(),
            watched: HashMap::default(),
            constants: HashMap::default(),
            variables: IndexMap::new(),
            tapes: Vec::new(),
        }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.builder.len()).expect("a graph has less than 2^32 nodes")
    }

    fn end(&mut self, tape: u64) {
        self.tapes.retain(|living| living.tape != tape);
        let Some(first) = self.tapes.iter().map(|living| living.from).min() else { return };
        // What no living tape can walk back to is needed as an operand at most.
        let mut kept: ValueMap<()> = ValueMap::with_capacity(self.builder.len());
        for n in first..self.len() {
            for operand in &self.builder.node(NodeIndex(n)).operands {
                kept.insert(*operand, ());
            }
        }
        let leaves = self.watched.values().chain(self.variables.values().flat_map(|reads| &reads.leaves));
        for leaf in leaves {
            kept.insert(*leaf, ());
        }
        for n in 0..first {
            self.forget_unless(NodeIndex(n), &kept);
        }
        let arrays = &self.arrays;
        self.constants.retain(|_, value| arrays.contains(*value));
    }

    /// Lets go of the results of a node, except those that are kept.
    fn forget_unless(&mut self, index: NodeIndex, kept: &ValueMap<()>) {
        for result in 0..self.builder.node(index).types.len() {
            if !kept.contains(index.result(result)) {
                self.arrays.remove(index.result(result));
            }
        }
    }

    fn param(&mut self, array: &Array) -> Value {
        let value = self.builder.param("", Type::of(array), ParamRole::Captured);
        self.arrays.insert(value, array.clone());
        value
    }

    fn watch(&mut self, array: &Array) -> Value {
        let place = Place::of(array);
        if let Some(known) = self.watched.get(&place) {
            return *known;
        }
        let value = self.param(array);
        self.watched.insert(place, value);
        value
    }

    fn reads(&mut self, variable: &Arc<VariableData>) -> &mut Reads {
        let reads = || Reads { variable: variable.clone(), watched: false, leaves: Vec::new() };
        self.variables.entry(variable.id()).or_insert_with(reads)
    }

    fn read(&mut self, variable: &Arc<VariableData>, array: &Array) -> Option<Tensor> {
        let reads = self.reads(variable);
        if !reads.watched && !variable.is_trainable() {
            return None;
        }
        let last = reads.leaves.last().copied();
        // While the record holds the array, an assignment makes another one: the same place is the same version.
        let same = |value: &Value| self.arrays.get(*value).is_some_and(|known| Place::of(known) == Place::of(array));
        let value = match last.filter(same) {
            Some(known) => known,
            None => {
                let value = self.param(array);
                self.reads(variable).leaves.push(value);
                value
            }
        };
        Some(self.tensor(value, array.clone()))
    }

    fn tensor(&self, value: Value, array: Array) -> Tensor {
        Tensor::recorded(Recorded { record: self.id, value, array, relaxed: None })
    }

    fn lift_recorded(&mut self, recorded: &Recorded) -> Value {
        if recorded.record != self.id {
            return self.watch(&recorded.array);
        }
        // It may have been forgotten when a tape ended.
        self.arrays.slot(recorded.value).get_or_insert_with(|| recorded.array.clone());
        recorded.value
    }

    /// The tensor as a value that depends on something watched.
    fn known(&mut self, tensor: &Tensor) -> Option<Value> {
        match &tensor.handle {
            Handle::Recorded(recorded) if recorded.record == self.id => Some(self.lift_recorded(recorded)),
            Handle::Recorded(recorded) => self.watched.get(&Place::of(&recorded.array)).copied(),
            Handle::Eager(array) => self.watched.get(&Place::of(array)).copied(),
            Handle::Live(_) | Handle::Traced(_) | Handle::Failed(_) => None,
        }
    }

    fn operand(&mut self, tensor: &Tensor) -> Result<Value> {
        const MAX_CONSTANT: usize = 16;
        if let Some(known) = self.known(tensor) {
            return Ok(known);
        }
        let array = tensor.to_array()?;
        if array.len() <= MAX_CONSTANT {
            let value = self.builder.constant(array.clone());
            self.arrays.insert(value, array);
            return Ok(value);
        }
        let place = Place::of(&array);
        if let Some(known) = self.constants.get(&place) {
            return Ok(*known);
        }
        let value = self.param(&array);
        self.constants.insert(place, value);
        Ok(value)
    }

    fn note(&mut self, op: &Op, operands: &[Tensor], results: Vec<Array>, origin: &Origin) -> Result<Vec<Tensor>> {
        if !operands.iter().any(|operand| self.known(operand).is_some()) {
            return Ok(results.into_iter().map(Tensor::eager).collect());
        }
        self.builder.at(origin.clone());
        let operands = operands.iter().map(|operand| self.operand(operand)).collect::<Result<Vec<Value>>>()?;
        let values = self.builder.push_multi(op.clone(), &operands)?;
        let tensors = values.into_iter().zip(results).map(|(value, array)| {
            self.arrays.insert(value, array.clone());
            self.tensor(value, array)
        });
        Ok(tensors.collect())
    }

    fn gradient(
        &mut self,
        tape: u64,
        window: &mut Window,
        want: Want<'_>,
        sources: &[&Tensor],
        origin: &Origin,
    ) -> Result<Vec<Option<Tensor>>> {
        let before = self.len();
        self.builder.at(origin.clone());
        let sources: Vec<Vec<Value>> = sources.iter().map(|source| self.source(source)).collect();
        let seen = self.seen(window);
        let found = match want {
            Want::Sum(targets) => {
                let mut pairs = Vec::with_capacity(targets.len());
                for (target, cotangent) in targets {
                    let Some(y) = self.known(target) else { continue };
                    let dy = match cotangent {
                        Some(cotangent) => self.operand(cotangent)?,
                        None => self.builder.scalar_like(y, 1.0)?,
                    };
                    pairs.push((y, dy));
                }
                pull(&mut self.builder, &seen, &pairs, &sources)?
            }
            Want::Rows { target, cotangents, size } => match self.known(target) {
                Some(y) => {
                    let rows = self.operand(cotangents)?;
                    pull_rows(&mut self.builder, &seen, y, rows, size, &sources)?
                }
                None => vec![None; sources.len()],
            },
        };
        let wanted: Vec<Value> = found.iter().flatten().copied().collect();
        self.run(&wanted)?;
        window.pause_between(before, self.len());
        // Whether another tape is to see the gradients as what was computed from its own values.
        let others = is_recording() && self.tapes.iter().any(|living| living.tape != tape);
        let tensors = found.iter().map(|value| {
            let value = (*value)?;
            let array = self.arrays[value].clone();
            Some(if others { self.tensor(value, array) } else { Tensor::eager(array) })
        });
        let tensors = tensors.collect();
        if !others {
            (before..self.len()).for_each(|n| self.forget_unless(NodeIndex(n), &ValueMap::new()));
        }
        Ok(tensors)
    }

    /// The values that stand for a source.
    fn source(&mut self, source: &Tensor) -> Vec<Value> {
        match &source.handle {
            Handle::Live(variable) => {
                self.variables.get(&variable.id()).map_or_else(Vec::new, |reads| reads.leaves.clone())
            }
            _ => self.known(source).into_iter().collect(),
        }
    }

    /// What a tape sees of the record.
    fn seen(&self, window: &Window) -> Seen {
        let mut seen = Seen::new(window);
        for reads in self.variables.values() {
            let watched = reads.variable.is_trainable() || window.watches_variable(reads.variable.id());
            for leaf in &reads.leaves {
                seen.leaf(*leaf, watched);
            }
        }
        seen
    }

    /// Evaluates some values, and what they need that has no data yet.
    fn run(&mut self, wanted: &[Value]) -> Result {
        let (mut pending, mut needed) = (wanted.to_vec(), BTreeSet::new());
        while let Some(value) = pending.pop() {
            if !self.arrays.contains(value) && needed.insert(value.node) {
                pending.extend(&self.builder.node(value).operands);
            }
        }
        // Operands stand before their users.
        for index in needed {
            let node = self.builder.node(index);
            let operands: Option<Vec<Array>> = node.operands.iter().map(|x| self.arrays.get(*x).cloned()).collect();
            let operands = operands.filter(|_| !matches!(node.op, Op::Parameter(_)));
            let operands = operands.ok_or_else(|| Error::internal("the record of a tape has lost a value"))?;
            let results = eager::apply(&node.op, &operands)
                .map_err(|error| if error.origin.is_unknown() { error.at(node.origin.clone()) } else { error })?;
            for (result, array) in results.into_iter().enumerate() {
                self.arrays.insert(index.result(result), array);
            }
        }
        Ok(())
    }
}
