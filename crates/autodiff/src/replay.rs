//! Gradients of loops that change shapes. No stack holds items of several shapes, so nothing is kept: on the way back, each
//! iteration is reached by running the loop again from its start.

use crate::changing_shapes::changing_shape;
use crate::loop_activity::Activity;
use crate::loop_body::{Backward, copy_needed, region};
use crate::names::Names;
use crate::regions::Region;
use crate::reverse::zeros;
use std::sync::Arc;
use tracelift_ir::ops::{Gt, Save, While};
use tracelift_ir::{Builder, Graph, Type, Value, ValueMap};
use tracelift_tensor::{DType, Dim, Result, Sym};

/// New names for the sizes of a loop.
type Renamed = Vec<(Sym, Dim)>;

pub(crate) fn vjp(
    b: &mut Builder,
    of: &Region<'_>,
    op: &While,
    activity: &Activity,
    given: &[bool],
) -> Result<Vec<Option<Value>>> {
    // Stacks cannot be rebuilt.
    if op.stacks > 0 || op.body.param_types().take(op.carried()).any(|ty| ty.as_tensor().is_none()) {
        return Err(changing_shape(op, &activity.carried));
    }
    let mut names = Names::in_builder(b);
    let [counting, again, cotangents]: [Renamed; 3] =
        std::array::from_fn(|_| op.sizes.iter().map(|sym| (sym.clone(), names.next(sym))).collect());
    let op = While { save: Save::Carried, ..op.clone() };
    let zero = b.number(DType::I64, 0.0);
    let counted = counted(&renamed(&op, &counting)?)?;
    let operands: Vec<Value> = std::iter::once(zero).chain(of.x.iter().copied()).collect();
    let count = b.push_multi(counted, &operands)?[0];

    let mut carried = vec![count];
    for n in &activity.carried {
        carried.push(of.dy[*n].map_or_else(|| zeros(b, of.y[*n]), Ok)?);
    }
    let first_sum = carried.len();
    for n in &activity.captured {
        carried.push(zeros(b, of.x[*n])?);
    }
    let operands: Vec<Value> = carried.iter().chain(of.x).copied().collect();
    let mut types: Vec<Type> = operands.iter().map(|x| b.ty(*x).clone()).collect();
    for (place, n) in activity.carried.iter().enumerate() {
        types[1 + place] = op.body.ty(op.body.params()[*n]).with_sizes(&cotangents);
    }
    let again = renamed(&op, &again)?;
    let backward = Backward::of(&again, activity, given, None)?;
    let condition = region("condition", &types, |b, params| {
        let zero = b.number(DType::I64, 0.0);
        Ok(vec![b.push(Gt, &[params[0], zero])?])
    })?;
    let body = region(backward.graph.name(), &types, |b, params| {
        let (mine, given) = params.split_at(carried.len());
        let (zero, one) = (b.number(DType::I64, 0.0), b.number(DType::I64, 1.0));
        let before = b.sub(mine[0], one)?;
        let start: Vec<Value> = std::iter::once(zero).chain(given.iter().copied()).chain([before]).collect();
        let reached = b.push_multi(limited(&again)?, &start)?;
        let mut made: ValueMap<Value> = ValueMap::new();
        let values = reached[1..].iter().chain(&given[op.carried()..]).chain(&mine[1..]);
        for (param, value) in backward.graph.params().iter().zip(values) {
            made.insert(*param, *value);
        }
        let mut next = vec![before];
        next.extend(copy_needed(b, &backward.graph, &mut made)?);
        Ok(next)
    })?;
    let is_carried = |sym: &Sym| types[..carried.len()].iter().any(|ty| ty.shape().syms().contains(sym));
    let sizes = cotangents.iter().filter_map(|(_, name)| name.as_sym()).filter(is_carried).collect();
    let results = b.push_multi(While { sizes, ..While::new(condition, body) }, &operands)?;
    let mut all = vec![None; of.x.len()];
    for (place, n) in activity.carried.iter().enumerate() {
        let (dx, shape) = (results[1 + place], b.ty(of.x[*n]).shape().clone());
        all[*n] = Some(if *b.ty(dx).shape() == shape { dx } else { b.reshape(dx, shape)? });
    }
    for (place, n) in activity.captured.iter().enumerate() {
        all[*n] = Some(results[first_sum + place]);
    }
    Ok(all)
}

/// The loop with other names for its sizes, and for those that its body finds: what is made of them must not be known
/// outside of it already.
fn renamed(op: &While, names: &Renamed) -> Result<While> {
    let sizes: Vec<Sym> = names.iter().filter_map(|(_, name)| name.as_sym()).collect();
    let mut names = names.clone();
    for region in [&op.condition, &op.body] {
        for sym in Names::found_in(region) {
            names.push((sym.clone(), Dim::sym(&format!("{sym}_{}", sizes[0]))));
        }
    }
    let (condition, body) = (op.condition.with_sizes(&names)?, op.body.with_sizes(&names)?);
    Ok(While { condition: Arc::new(condition), body: Arc::new(body), sizes, ..op.clone() })
}

/// The loop with the number of the iteration as a first carried value.
fn counted(op: &While) -> Result<While> {
    let types: Vec<Type> = std::iter::once(Type::scalar(DType::I64)).chain(op.body.param_types().cloned()).collect();
    let condition = region("condition", &types, |b, params| needed(b, &op.condition, &params[1..]))?;
    Ok(While { condition, body: numbered(op, &types)?, ..op.clone() })
}

/// The first iterations of the loop, as many as a last operand says.
fn limited(op: &While) -> Result<While> {
    let number = Type::scalar(DType::I64);
    let types: Vec<Type> =
        std::iter::once(number.clone()).chain(op.body.param_types().cloned()).chain([number]).collect();
    let condition = region("condition", &types, |b, params| Ok(vec![b.lt(params[0], params[params.len() - 1])?]))?;
    Ok(While { condition, body: numbered(op, &types)?, ..op.clone() })
}

fn numbered(op: &While, types: &[Type]) -> Result<Arc<Graph>> {
    region(op.body.name(), types, |b, params| {
        let one = b.number(DType::I64, 1.0);
        let mut next = vec![b.add(params[0], one)?];
        next.extend(needed(b, &op.body, &params[1..])?);
        Ok(next)
    })
}

/// What the results of a region need: nothing is printed again.
fn needed(b: &mut Builder, region: &Graph, params: &[Value]) -> Result<Vec<Value>> {
    let mut made: ValueMap<Value> = ValueMap::new();
    for (param, value) in region.params().iter().zip(params) {
        made.insert(*param, *value);
    }
    copy_needed(b, region, &mut made)
}
