//! Which values of a loop take part in a gradient: found by going around the loop until nothing changes.

use crate::reverse::Active;
use tracelift_ir::ops::While;
use tracelift_ir::{Graph, Value, ValueMap};

/// The parameters of a loop's body whose cotangents are computed.
pub(crate) struct Activity {
    /// The carried ones: their cotangents are carried by the loop that goes back.
    pub(crate) carried: Vec<usize>,
    /// The captured ones, by position among all parameters: their cotangents are summed over the iterations.
    pub(crate) captured: Vec<usize>,
}

impl Activity {
    /// `wanted` says which operands need cotangents, `given` which results have one.
    pub(crate) fn of(op: &While, wanted: &[bool], given: &[bool]) -> Activity {
        let (body, count) = (&*op.body, op.carried());
        let mut active = wanted.to_vec();
        let forward = loop {
            let sources = (0..active.len()).filter(|n| active[*n]).map(|n| body.params()[n]);
            let forward = Active::among(sources, body.nodes());
            let more = |n: &usize| {
                let result = body.results()[*n];
                !active[*n] && forward.holds(result) && body.ty(result).has_cotangent()
            };
            match (0..count).find(more) {
                Some(n) => active[n] = true,
                None => break forward,
            }
        };
        let mut given = given.to_vec();
        let reached = loop {
            let targets = (0..given.len()).filter(|n| given[*n]).map(|n| body.results()[n]);
            let reached = reached(body, &forward, targets);
            let more = |n: &usize| !given[*n] && active[*n] && reached.contains(body.params()[*n]);
            match (0..count).find(more) {
                Some(n) => given[n] = true,
                None => break reached,
            }
        };
        let carried = (0..count).filter(|n| active[*n] && given[*n]).collect();
        let takes_part = |n: &usize| active[*n] && reached.contains(body.params()[*n]);
        Activity { carried, captured: (count..active.len()).filter(takes_part).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.carried.is_empty() && self.captured.is_empty()
    }
}

/// The active values that targets depend on.
fn reached(body: &Graph, active: &Active, targets: impl Iterator<Item = Value>) -> ValueMap<()> {
    let mut reached = ValueMap::new();
    let mut pending: Vec<Value> = targets.filter(|target| active.holds(*target)).collect();
    while let Some(value) = pending.pop() {
        if reached.insert(value, ()).is_none() {
            let operands = &body.node(value).operands;
            pending.extend(operands.iter().filter(|x| active.holds(**x) && body.ty(**x).has_cotangent()));
        }
    }
    reached
}
