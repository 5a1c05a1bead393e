//! Steps that take parts of values, put values together, and follow indices.

use super::grow::{Growth, with_axis};
use super::values;
use tracelift_ir::ops::{self, *};
use tracelift_ir::{ParamRole, Type, Value};
use tracelift_tensor::{DType, Dim, Shape};

pub(super) fn step(growth: &mut Growth<'_>) -> Option<()> {
    match growth.chance.below(17) {
        0..=2 => slice(growth),
        3 => update_slice(growth),
        4 | 5 => pad(growth),
        6..=8 => concat(growth),
        9..=11 => gather(growth),
        12 | 13 => scatter(growth),
        14 | 15 => running(growth),
        _ => sort(growth),
    }
}

/// A part of each axis; of unknown ones all, forward or backward, or all but the first.
fn parts(growth: &mut Growth<'_>, shape: &Shape) -> Vec<SliceAxis> {
    shape
        .iter()
        .map(|dim| {
            let Some(size) = dim.known_len().filter(|size| *size > 0) else {
                return match growth.chance.below(3) {
                    0 => SliceAxis { start: dim - 1, size: dim.clone(), step: -1 },
                    1 if growth.size(dim) > 0 => SliceAxis { start: Dim::ONE, size: dim - 1, step: 1 },
                    _ => SliceAxis::all(dim.clone()),
                };
            };
            let start = growth.chance.below(size);
            let step = *growth.chance.pick(&[1i64, 1, 1, 2, 3, -1, -2]);
            let room = if step > 0 { size - 1 - start } else { start };
            let most = room / step.unsigned_abs() as usize + 1;
            let count = if growth.chance.one_in(2) { most } else { growth.chance.below(most + 1) };
            SliceAxis { start: start.into(), size: count.into(), step }
        })
        .collect()
}

fn slice(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let shape = growth.b.ty(x).shape().clone();
    let axes = parts(growth, &shape).into_iter().collect();
    growth.push(Slice { axes }, &[x]).map(drop)
}

fn update_slice(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let ty = growth.b.ty(x).clone();
    let parts = parts(growth, ty.shape());
    let update = ty.with_shape(parts.iter().map(|part| part.size.clone()).collect::<Shape>());
    let update = growth.of_type(&update);
    let (start, step) = parts.into_iter().map(|part| (part.start, part.step)).unzip();
    growth.push(UpdateSlice { start, step }, &[x, update]).map(drop)
}

fn pad(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let ty = growth.b.ty(x).clone();
    let filler = growth.of_type(&Type::scalar(ty.dtype()));
    let mut border = || (0..ty.rank()).map(|_| Dim::from(growth.chance.below(3))).collect::<Vec<Dim>>();
    let (low, high) = (border(), border());
    let interior = (0..ty.rank()).map(|_| growth.chance.below(4) / 3).collect();
    growth.push(Pad { low, high, interior }, &[x, filler]).map(drop)
}

fn concat(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let ty = growth.b.ty(x).clone();
    let axis = growth.chance.below(ty.rank());
    let mut parts = vec![x];
    for _ in 0..growth.chance.below(3) {
        let other = match growth.chance.one_in(2) {
            true => ty.clone(),
            false => ty.with_shape(with_axis(ty.shape(), axis, growth.chance.below(4))),
        };
        parts.push(growth.of_type(&other));
    }
    growth.push(Concat { axis }, &parts).map(drop)
}

/// Indices into an axis: a parameter, or integers that there are, brought into bounds.
fn indices(growth: &mut Growth<'_>, of: Value, axis: usize, shape: &Shape) -> Option<Value> {
    let bound = growth.b.ty(of).shape()[axis].clone();
    let size = growth.size(&bound);
    if size == 0 {
        return None;
    }
    let ty = Type::tensor(DType::I32, shape.clone());
    let there = growth.find(|known| *known == ty);
    match there {
        Some(numbers) if growth.chance.one_in(2) => {
            // `x rem n` has the sign of `n`.
            let size = growth.b.push(ops::Dim { axis }, &[of]).ok()?;
            let size = growth.b.cast(size, DType::I32).ok()?;
            let size = if ty.rank() == 0 { size } else { growth.b.broadcast(size, shape.clone(), &[]).ok()? };
            Some(growth.push(Rem, &[numbers, size])?[0])
        }
        _ => {
            let dims = shape.eval(&growth.sizes).ok()?;
            let array = values::indices(growth.chance, &dims, size);
            // An unknown size may be smaller in another call, but a case is called once.
            growth.parameter_of(ty.clone(), ParamRole::Input, array).or_else(|| Some(growth.exactly(&ty, 0.0)))
        }
    }
}

fn index_shape(growth: &mut Growth<'_>) -> Shape {
    match growth.chance.below(4) {
        0 => Shape::scalar(),
        1 => growth.any().map_or(Shape::scalar(), |like| growth.b.ty(like).shape().iter().take(1).cloned().collect()),
        2 => Shape::from([2usize, 3]),
        _ => Shape::from([*growth.chance.pick(&[0usize, 1, 4, 9])]),
    }
}

fn gather(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let shape = growth.b.ty(x).shape().clone();
    let axis = growth.chance.below(shape.rank());
    let batch = growth.chance.below(axis + 1);
    let picks = match batch {
        0 => index_shape(growth),
        _ => shape.iter().take(batch).cloned().collect(),
    };
    let indices = indices(growth, x, axis, &picks)?;
    growth.push(Gather { axis, batch }, &[x, indices]).map(drop)
}

fn scatter(growth: &mut Growth<'_>) -> Option<()> {
    let adds = growth.chance.one_in(2);
    let x = growth.find(|ty| ty.rank() > 0 && (!adds || ty.dtype() != DType::Bool))?;
    let ty = growth.b.ty(x).clone();
    let axis = growth.chance.below(ty.rank());
    let picks = index_shape(growth);
    let indices = indices(growth, x, axis, &picks)?;
    let before = ty.shape().iter().take(axis);
    let updates: Shape = before.chain(picks.iter()).chain(ty.shape().iter().skip(axis + 1)).cloned().collect();
    let updates = ty.with_shape(updates);
    if !growth.is_small(&updates) {
        return None;
    }
    let updates = growth.of_type(&updates);
    let operands = [x, indices, updates];
    let made = match adds {
        true => growth.push(ScatterAdd { axis, batch: 0 }, &operands),
        false => growth.push(ScatterSet { axis, batch: 0 }, &operands),
    };
    made.map(drop)
}

fn running(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0 && ty.dtype() != DType::Bool)?;
    let axis = growth.chance.below(growth.b.ty(x).rank());
    let running = *growth.chance.pick(&[Running::Sum, Running::Sum, Running::Product]);
    growth.push(Cumulate { running, axis }, &[x]).map(drop)
}

fn sort(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let descending = growth.chance.one_in(2);
    growth.push(ArgSort { descending }, &[x]).map(drop)
}
