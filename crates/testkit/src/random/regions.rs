//! Steps that make branches, loops and calls.

use super::grow::Growth;
use std::sync::Arc;
use tracelift_ir::ops::{Call, Cond, Lt, Reduce, While};
use tracelift_ir::{Builder, Graph, ParamRole, Type, Value};
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{Array, Binding, DType, Dim, Sym};

pub(super) fn step(growth: &mut Growth<'_>) -> Option<()> {
    match growth.chance.below(5) {
        0 | 1 => branch(growth),
        2 | 3 => repeat(growth),
        _ => call(growth),
    }
}

/// A few of the values so far.
fn captures(growth: &mut Growth<'_>, most: usize) -> (Vec<Value>, Vec<Type>) {
    let count = 1 + growth.chance.below(most);
    let values: Vec<Value> = (0..count).filter_map(|_| growth.any()).collect();
    let types = values.iter().map(|value| growth.b.ty(*value).clone()).collect();
    (values, types)
}

fn wanted(growth: &mut Growth<'_>, types: &[Type]) -> Vec<Type> {
    let count = 1 + growth.chance.below(2);
    (0..count)
        .map(|_| if growth.chance.one_in(5) { Type::scalar(DType::F32) } else { growth.chance.pick(types).clone() })
        .collect()
}

fn condition(growth: &mut Growth<'_>) -> Option<Value> {
    match growth.find(|ty| ty.dtype() == DType::Bool) {
        Some(value) if growth.b.ty(value).rank() == 0 => Some(value),
        Some(value) => {
            let rank = growth.b.ty(value).rank();
            let axes: Vec<usize> = (0..rank).collect();
            Some(growth.push(Reduce::new(ReduceKind::Any, &axes, false, rank), &[value])?[0])
        }
        None => Some(growth.of_type(&Type::scalar(DType::Bool))),
    }
}

fn branch(growth: &mut Growth<'_>) -> Option<()> {
    let condition = condition(growth)?;
    let (values, types) = captures(growth, 3);
    let wanted = wanted(growth, &types);
    let sizes = growth.sizes.clone();
    let then = growth.region("then", &types, &wanted, sizes.clone());
    let otherwise = growth.region("else", &types, &wanted, sizes);
    let operands: Vec<Value> = [condition].into_iter().chain(values).collect();
    growth.push(Cond::new(then, otherwise), &operands).map(drop)
}

/// `for i in 0..n`, carrying a few values.
fn repeat(growth: &mut Growth<'_>) -> Option<()> {
    let counter = Type::scalar(DType::I32);
    let (carried, mut types) = captures(growth, 2);
    let (captured, more) = captures(growth, 2);
    let carried_types = types.clone();
    types.insert(0, counter.clone());
    types.push(counter.clone());
    types.extend(more);
    let bound = carried.len() + 1;
    let condition = {
        let mut b = Builder::new("condition");
        let params: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let more = b.push(Lt, &[params[0], params[bound]]).ok()?;
        Arc::new(b.finish(&[more]).ok()?)
    };
    let sizes = growth.sizes.clone();
    let body = growth.region("body", &types, &carried_types, sizes);
    let body = counted(&body, &counter)?;
    let start = growth.b.number(DType::I32, 0.0);
    let count = growth.chance.below(5);
    let limit = Array::scalar(count as i32);
    let limit = growth
        .parameter_of(counter, ParamRole::Input, limit)
        .unwrap_or_else(|| growth.b.number(DType::I32, count as f64));
    let operands: Vec<Value> = [start].into_iter().chain(carried).chain([limit]).chain(captured).collect();
    growth.push(While::new(condition, body), &operands).map(drop)
}

/// The region with a further result in front: its first parameter, and one more.
fn counted(body: &Graph, counter: &Type) -> Option<Arc<Graph>> {
    let mut b = Builder::new(body.name());
    let params: Vec<Value> = body.param_types().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let made = b.splice(body, &params).ok()?;
    let one = b.scalar_like(params[0], 1.0).ok()?;
    let next = b.add(params[0], one).ok()?;
    debug_assert_eq!(b.ty(next), counter);
    let results: Vec<Value> = [next].into_iter().chain(body.results().iter().map(|v| made[*v])).collect();
    Some(Arc::new(b.finish(&results).ok()?))
}

/// A call, sometimes of a function whose unknown sizes have names of their own.
fn call(growth: &mut Growth<'_>) -> Option<()> {
    let (values, mut types) = captures(growth, 3);
    let mut sizes = growth.sizes.clone();
    if growth.chance.one_in(2) {
        let own: Vec<(Sym, Dim)> = vec![("B".into(), Dim::sym("N"))];
        types = types.iter().map(|ty| ty.with_shape(ty.shape().substitute(&own))).collect();
        let renamed = |(sym, size): (&Sym, i64)| {
            let sym = if *sym == Sym::from("B") { Sym::from("N") } else { sym.clone() };
            (sym, size)
        };
        sizes = sizes.iter().map(renamed).collect::<Binding>();
    }
    let is_read = |sym: &Sym| types.iter().any(|ty| ty.shape().iter().any(|dim| dim.as_sym().as_ref() == Some(sym)));
    if !types.iter().flat_map(|ty| ty.shape().iter().flat_map(Dim::syms).collect::<Vec<_>>()).all(|sym| is_read(&sym)) {
        return None;
    }
    let wanted = wanted(growth, &types);
    let name = format!("callee{}", growth.chance.below(1 << 30));
    let callee = growth.region(&name, &types, &wanted, sizes);
    growth.push(Call::new(callee), &values).map(drop)
}
