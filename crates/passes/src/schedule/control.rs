//! Loops and branches: regions become blocks of steps.
//!
//! Rank-0 values pass through registers. A loop keeps every carried tensor in an arena buffer, makes the next value in
//! another, and exchanges the two addresses at the end of an iteration; nothing is copied unless the body hands on what it
//! did not make. Arms of a branch copy their tensors into buffers that both share.

use super::Region;
use super::nest::Group;
use super::program::Place;
use tracelift_ir::ops::{Cond, While};
use tracelift_ir::{Graph, NodeIndex, Op, Type, Value};
use tracelift_kernel::program::{
    BufferId, LoopStep, RegisterId, Role, ScalarArg, StackItem, StackOp, StackStep, Step, StepBlock,
};
use tracelift_tensor::{Error, Result};

pub(super) fn schedule(region: &mut Region<'_, '_>, id: NodeIndex) -> Result {
    let graph = region.graph;
    match &graph.node(id).op {
        Op::While(op) => repeat(region, id, op),
        Op::Cond(op) => branch(region, id, op),
        op => Err(Error::internal(format!("`{}` reached the scheduler: calls are inlined before", op.name()))),
    }
}

/// The kernel of a fused body.
pub(super) fn fusion(region: &mut Region<'_, '_>, id: NodeIndex) -> Result {
    let graph = region.graph;
    let Op::Fusion(op) = &graph.node(id).op else { panic!("only `fusion` is lowered as a fused body:\n{graph}") };
    let body = &*op.body;
    let members = body.nodes().filter(|(_, node)| !matches!(node.op, Op::Parameter(_))).map(|(id, _)| id).collect();
    let group = Group::new(body, body.params().to_vec(), body.results().to_vec(), members);
    let values: Vec<Value> = (0..body.results().len()).map(|n| id.result(n)).collect();
    region.group(group, &graph.node(id).operands, &values, id)
}

/// Schedules a region whose parameters have these places; answers its steps and the places of its results.
fn block(region: &mut Region<'_, '_>, graph: &Graph, arguments: &[Place]) -> Result<(Vec<Step>, Vec<Place>)> {
    let mut inner = Region::new(graph, region.parts);
    for (param, place) in graph.params().iter().zip(arguments) {
        inner.places.insert(*param, place.clone());
    }
    inner.nodes()?;
    let results = graph.results().iter().map(|value| inner.place(*value)).collect::<Result<_>>()?;
    Ok((inner.steps, results))
}

fn branch(region: &mut Region<'_, '_>, id: NodeIndex, op: &Cond) -> Result {
    let graph = region.graph;
    let operands = graph.node(id).operands.clone();
    let condition = region.scalar(operands[0])?;
    let arguments = operands[1..].iter().map(|x| region.place(*x)).collect::<Result<Vec<_>>>()?;
    let types = graph.node(id).types.clone();
    let mut results = vec![];
    let mut shared: Vec<Option<BufferId>> = vec![];
    for (n, ty) in types.iter().enumerate() {
        let place = result_place(region, id, n, ty, &mut results);
        shared.push(if let Place::Buffer(buffer) = &place { Some(*buffer) } else { None });
        region.places.insert(id.result(n), place);
    }
    let mut arm = |body: &Graph| -> Result<StepBlock> {
        let (mut steps, places) = block(region, body, &arguments)?;
        let mut yields = vec![];
        for (n, (place, shared)) in places.into_iter().zip(&shared).enumerate() {
            match (place, shared) {
                (Place::Scalar(arg), _) => yields.push(arg),
                (Place::Buffer(from), Some(to)) => steps.push(Step::Copy { from, to: *to }),
                // The same one in both arms.
                (place @ Place::Stack(_), _) => drop(region.places.insert(id.result(n), place)),
                _ => {}
            }
        }
        Ok(StepBlock { steps, yields })
    };
    let then = arm(&op.then)?;
    let otherwise = arm(&op.otherwise)?;
    region.steps.push(Step::If { condition, then, otherwise, results });
    Ok(())
}

/// Where a result of a region op will be; a register is noted in `results`.
fn result_place(
    region: &mut Region<'_, '_>,
    id: NodeIndex,
    n: usize,
    ty: &Type,
    results: &mut Vec<RegisterId>,
) -> Place {
    match ty.as_tensor() {
        None => Place::Token,
        Some(tensor) if tensor.shape.rank() == 0 => {
            let register = region.parts.register(tensor.dtype);
            results.push(register);
            Place::Scalar(ScalarArg::Register(register))
        }
        Some(_) => Place::Buffer(region.arena(id.result(n))),
    }
}

fn repeat(region: &mut Region<'_, '_>, id: NodeIndex, op: &While) -> Result {
    let graph = region.graph;
    let operands = graph.node(id).operands.clone();
    let count = op.carried();
    let (mut arguments, mut results, mut carried) = (vec![], vec![], vec![]);
    for (n, &operand) in operands.iter().enumerate() {
        let place = region.place(operand)?;
        if n >= count {
            arguments.push(place);
            continue;
        }
        let after = result_place(region, id, n, graph.ty(operand), &mut results);
        arguments.push(match (place, &after) {
            (Place::Scalar(first), _) => {
                let register = region.parts.register(region.parts.dtype(&first));
                carried.push((register, first));
                Place::Scalar(ScalarArg::Register(register))
            }
            (Place::Buffer(from), Place::Buffer(to)) => {
                region.steps.push(Step::Copy { from, to: *to });
                after.clone()
            }
            (place, _) => place,
        });
        let after = if let Some(stack @ Place::Stack(_)) = arguments.last() { stack.clone() } else { after };
        region.places.insert(id.result(n), after);
    }
    let (steps, places) = block(region, &op.condition, &arguments)?;
    let yields = scalars(&places);
    let condition = StepBlock { steps, yields };
    for n in count..graph.node(id).types.len() {
        let stack = super::stack::make(region, graph.ty(id.result(n)), op.trips.clone())?;
        region.places.insert(id.result(n), Place::Stack(stack));
    }
    let first_new = region.parts.buffers.len() as u32;
    let (mut steps, mut places) = block(region, &op.body, &arguments)?;
    let site = (op.stacks > 0).then(|| region.site(id));
    for (n, kept) in places.split_off(count).into_iter().enumerate() {
        let Place::Stack(stack) = region.place(id.result(count + n))? else { unreachable!("it was made above") };
        let item = match kept {
            Place::Buffer(buffer) => StackItem::Buffer(buffer),
            Place::Scalar(value) => StackItem::Scalar(value),
            other => return Err(Error::internal(format!("a loop cannot keep {other:?}"))),
        };
        steps.push(Step::Stack(StackStep { stack, op: StackOp::Push(item), site }));
    }
    let yields = scalars(&places);
    steps.extend(hand_on(region, &arguments[..count], &places, first_new));
    region.steps.push(Step::Loop(LoopStep { carried, condition, body: StepBlock { steps, yields }, results }));
    Ok(())
}

fn scalars(places: &[Place]) -> Vec<ScalarArg> {
    places.iter().filter_map(|place| if let Place::Scalar(arg) = place { Some(*arg) } else { None }).collect()
}

/// The steps at the end of an iteration that bring the next values where the next iteration looks for them.
///
/// First every value that the body did not make into a buffer of its own is copied out of harm's way, then all
/// addresses are exchanged.
fn hand_on(region: &mut Region<'_, '_>, current: &[Place], next: &[Place], first_new: u32) -> Vec<Step> {
    let (mut copies, mut swaps, mut taken) = (vec![], vec![], vec![]);
    for (current, next) in current.iter().zip(next) {
        let (Place::Buffer(current), Place::Buffer(next)) = (current, next) else { continue };
        if current == next {
            continue;
        }
        let own = next.0 >= first_new
            && region.parts.buffers[next.0 as usize].role == Role::Arena
            && !taken.contains(next)
            && !region.parts.swapped.contains(next);
        let fresh = if own {
            *next
        } else {
            let like = region.parts.buffers[current.0 as usize].clone();
            let fresh = region.parts.buffer(&like.name, like.dtype, like.shape, Role::Arena);
            copies.push(Step::Copy { from: *next, to: fresh });
            fresh
        };
        taken.push(fresh);
        region.parts.swapped.extend([*current, fresh]);
        swaps.push(Step::Swap { a: *current, b: fresh });
    }
    copies.extend(swaps);
    copies
}
