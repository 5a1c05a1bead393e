//! The part of a growing graph that a tape sees, and the walk back through it.

use std::ops::Range;

use indexmap::IndexSet;
use tracelift_autodiff::gradients_through;
use tracelift_ir::{Builder, NodeIndex, Value, ValueMap};
use tracelift_tensor::Result;

/// Since when a tape records, what it watches, and when it was paused.
#[derive(Default)]
pub(super) struct Window {
    pub(super) from: u32,
    /// What is watched, and since when.
    watched: Vec<(Value, u32)>,
    /// Variables that are watched though they are not trainable, by id.
    variables: IndexSet<u64>,
    paused: Vec<Range<u32>>,
}

impl Window {
    pub(super) fn new(from: u32) -> Window {
        Window { from, ..Window::default() }
    }

    pub(super) fn watch(&mut self, value: Value, since: u32) {
        if !self.watched.iter().any(|(known, _)| *known == value) {
            self.watched.push((value, since));
        }
    }

    pub(super) fn watch_variable(&mut self, id: u64) {
        self.variables.insert(id);
    }

    pub(super) fn watches_variable(&self, id: u64) -> bool {
        self.variables.contains(&id)
    }

    /// What was done between is not seen.
    pub(super) fn pause_between(&mut self, from: u32, to: u32) {
        if from < to {
            self.paused.push(from..to);
        }
    }
}

/// What a tape starts from, and where it does not look.
pub(super) struct Seen {
    from: u32,
    starts: ValueMap<u32>,
    /// Nodes that are leaves whatever they are made of.
    leaves: ValueMap<()>,
    paused: Vec<Range<u32>>,
}

impl Seen {
    pub(super) fn new(window: &Window) -> Seen {
        let mut starts = ValueMap::new();
        for (value, since) in &window.watched {
            starts.insert(*value, *since);
        }
        Seen { from: window.from, starts, leaves: ValueMap::new(), paused: window.paused.clone() }
    }

    /// A value of a variable that was read.
    pub(super) fn leaf(&mut self, value: Value, watched: bool) {
        self.leaves.insert(value, ());
        if watched {
            self.starts.insert(value, 0);
        }
    }

    /// Nodes in order, without those of pauses.
    fn nodes(&self, end: u32) -> Vec<u32> {
        let mut skipped = self.paused.clone();
        skipped.sort_by_key(|range| range.start);
        let (mut nodes, mut next) = (Vec::new(), self.from);
        for range in skipped.iter().filter(|range| range.start < end) {
            nodes.extend(next..range.start.max(next));
            next = next.max(range.end);
        }
        nodes.extend(next..end.max(next));
        nodes
    }

    /// The values up to `end` that depend on something watched, along what the tape has seen.
    fn reached(&self, b: &Builder, end: u32) -> (ValueMap<()>, ValueMap<()>) {
        let (mut through, mut values) = (ValueMap::with_capacity(end as usize), ValueMap::with_capacity(end as usize));
        for n in self.nodes(end) {
            let index = NodeIndex(n);
            let node = b.node(index);
            let depends = |x: &Value| values.contains(*x) || self.starts.get(*x).is_some_and(|since| *since <= n);
            if self.leaves.contains(index.value()) || !node.operands.iter().any(depends) {
                continue;
            }
            for (result, _) in node.types.iter().enumerate().filter(|(_, ty)| ty.has_cotangent()) {
                values.insert(index.result(result), ());
                through.insert(index.value(), ());
            }
        }
        (through, values)
    }
}

/// Appends the gradients of Σ target · cotangent with respect to sources, each a sum over the values that stand for it;
/// `None` where no path leads that the tape has seen.
pub(super) fn pull(
    b: &mut Builder,
    seen: &Seen,
    targets: &[(Value, Value)],
    sources: &[Vec<Value>],
) -> Result<Vec<Option<Value>>> {
    let end = targets.iter().map(|(y, _)| y.node.0 + 1).max().unwrap_or(0);
    let (through, values) = seen.reached(b, end);
    let visible = |value: &Value| values.contains(*value) || seen.starts.contains(*value);
    let targets: Vec<(Value, Value)> = targets.iter().copied().filter(|(y, _)| visible(y)).collect();
    let flat: Vec<Value> = sources.iter().flatten().copied().filter(visible).collect();
    let found = gradients_through(b, &targets, &flat, NodeIndex(seen.from), &|node| through.contains(node.value()))?;
    let mut found = flat.iter().zip(found);
    let mut sums = Vec::with_capacity(sources.len());
    for source in sources {
        let mut sum = None;
        for _ in source.iter().filter(|value| visible(value)) {
            let (_, gradient) = found.next().expect("there is an answer for every value asked about");
            sum = match (sum, gradient) {
                (Some(sum), Some(gradient)) => Some(b.add(sum, gradient)?),
                (sum, gradient) => sum.or(gradient),
            };
        }
        sums.push(sum);
    }
    Ok(sums)
}
