//! What a kernel computes in one loop over a row and keeps for the next ones, because it is dear: a function of many
//! instructions, or many cheap ones together.

use super::body::Emit;
use super::nest::{At, Domain, Group};
use rustc_hash::FxHashSet;
use tracelift_ir::{Lowering, Value};
use tracelift_kernel::loops::{Base, Index};
use tracelift_kernel::meaning::ReduceOrder;

/// Rows that are known to be shorter are computed again: they are a few vectors, and without scratch their kernel can be
/// the epilogue of a product.
const SHORT: i64 = 128;

/// Cheap operations that are dear together: a store and a load are less than what else they read and compute.
const MANY: usize = 5;

/// The values that are kept.
#[derive(Default)]
pub(super) struct Kept {
    /// The axis along which the rows lie.
    axis: usize,
    values: Vec<KeptValue>,
}

struct KeptValue {
    value: Value,
    /// The loop in which it is computed: a level of reductions.
    level: usize,
    /// The loops that want it again: levels of reductions, or the one after all of them.
    later: Vec<usize>,
    /// Where it is kept, once it is.
    row: Option<Base>,
}

impl Kept {
    /// What several loops over the rows of a domain want that is dear.
    pub(super) fn find(domain: &Domain<'_>, group: &Group<'_>) -> Kept {
        if domain.reduces.iter().any(|(_, spec)| spec.order != ReduceOrder::Lanes) {
            return Kept::default();
        }
        let mut axes = domain.reduced.iter().copied().filter(|axis| !domain.shape[*axis].is_one());
        let (Some(axis), None) = (axes.next(), axes.next()) else { return Kept::default() };
        if domain.shape[axis].known().is_some_and(|length| length < SHORT) {
            return Kept::default();
        }
        let levels = domain.levels(group);
        let mut loops: Vec<Vec<Value>> = vec![vec![]; levels.iter().max().map_or(0, |last| last + 1)];
        for ((id, _), level) in domain.reduces.iter().zip(levels) {
            loops[level].push(group.graph.node(*id).operands[0]);
        }
        loops.push(group.outputs.iter().copied().filter(|v| domain.is_element(group, *v)).collect());
        let mut kept = Kept { axis, values: vec![] };
        for level in 0..loops.len() - 1 {
            let known: FxHashSet<Value> = kept.values.iter().map(|kept| kept.value).collect();
            let rows = Rows { domain, group, known };
            let dear: Vec<Value> = rows.needed(&loops[level], &[]).into_iter().filter(|v| rows.is_dear(*v)).collect();
            if dear.is_empty() {
                continue;
            }
            let others: Vec<(usize, Vec<Value>)> =
                (level + 1..loops.len()).map(|other| (other, rows.needed(&loops[other], &dear))).collect();
            for value in dear {
                let wants = others.iter().filter(|(_, values)| values.contains(&value));
                let later: Vec<usize> = wants.map(|(other, _)| *other).collect();
                if !later.is_empty() {
                    kept.values.push(KeptValue { value, level, later, row: None });
                }
            }
        }
        kept
    }

    /// Keeps what the loop of a level has computed at an index.
    pub(super) fn store(&mut self, emit: &mut Emit<'_, '_>, level: usize, at: &At) {
        for kept in self.values.iter_mut().filter(|kept| kept.level == level) {
            let Some(operand) = emit.known(kept.value, at) else { continue };
            let shape = emit.group.shape(kept.value);
            let name = format!("kept{}", kept.value.node.index());
            let row = emit.b.scratch(name, emit.b.dtype(&operand), shape[self.axis].clone());
            emit.b.store(row, [Index::Affine(at[self.axis].clone())], operand);
            kept.row = Some(row);
        }
    }

    /// Has what was kept at an index, in the loop of a level, or in the one after all of them.
    pub(super) fn load(&self, emit: &mut Emit<'_, '_>, level: usize, at: &At) {
        for kept in self.values.iter().filter(|kept| kept.later.contains(&level)) {
            let Some(row) = kept.row else { continue };
            let operand = emit.b.load(row, [Index::Affine(at[self.axis].clone())]);
            emit.remember(kept.value, at.clone(), operand);
        }
    }
}

/// The elements of a domain, some of which are kept already.
struct Rows<'a, 'g> {
    domain: &'a Domain<'g>,
    group: &'a Group<'g>,
    known: FxHashSet<Value>,
}

impl Rows<'_, '_> {
    /// The elements that some values need, in the order of the search, which goes neither behind what is known nor behind
    /// `ends`.
    fn needed(&self, roots: &[Value], ends: &[Value]) -> Vec<Value> {
        let mut pending = roots.to_vec();
        let mut seen: FxHashSet<Value> = FxHashSet::default();
        let mut found = vec![];
        while let Some(value) = pending.pop() {
            let is_element = *self.group.shape(value) == self.domain.shape;
            if !is_element || self.group.inputs.contains(&value) || self.known.contains(&value) || !seen.insert(value) {
                continue;
            }
            found.push(value);
            if !ends.contains(&value) {
                pending.extend(&self.group.graph.node(value).operands);
            }
        }
        found
    }

    /// Whether it takes more to compute a value again than to store and load it.
    fn is_dear(&self, value: Value) -> bool {
        let is_lane = |value: &Value| matches!(self.group.lowerings[&value.node], Lowering::Lane(_));
        is_lane(&value)
            && (!self.group.graph.node(value).op.is_cheap_to_recompute()
                || self.needed(&[value], &[]).iter().filter(|value| is_lane(value)).count() >= MANY)
    }
}
