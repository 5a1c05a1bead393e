//! Steps that give values other shapes, make them of nothing, or multiply matrices.

use super::grow::{Growth, with_axis};
use tracelift_ir::ops::{self, *};
use tracelift_ir::{ParamRole, Type};
use tracelift_tensor::{DType, Dim, Shape};

pub(super) fn step(growth: &mut Growth<'_>) -> Option<()> {
    match growth.chance.below(24) {
        0..=9 => broadcast(growth),
        10..=12 => reshape(growth),
        13..=15 => transpose(growth),
        16 => reverse(growth),
        17 => made_of_nothing(growth),
        18 => random(growth),
        _ => product(growth),
    }
}

/// Into the shape of another value, axis by axis where they fit, or along a new axis.
fn broadcast(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let from = growth.b.ty(x).shape().clone();
    let to = match growth.chance.below(3) {
        0 => {
            let mut dims: Vec<Dim> = from.iter().cloned().collect();
            let at = growth.chance.below(dims.len() + 1);
            dims.insert(at, Dim::from(*growth.chance.pick(&[1usize, 2, 5])));
            Shape::from_iter(dims)
        }
        _ => {
            let other = growth.any()?;
            growth.b.ty(other).shape().clone()
        }
    };
    let mut axes = Axes::new();
    for (axis, dim) in to.iter().enumerate() {
        let next = from.get(axes.len());
        let left = to.rank() - axis > from.rank() - axes.len().min(from.rank());
        if next.is_some_and(|next| (next == dim || next.is_one()) && !(left && growth.chance.one_in(4))) {
            axes.push(axis);
        }
    }
    growth.push(Broadcast { shape: to, axes }, &[x]).map(drop)
}

fn reshape(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let from = growth.b.ty(x).shape().clone();
    let mut dims: Vec<Dim> = from.iter().cloned().collect();
    match growth.chance.below(4) {
        0 => dims = vec![from.num_elements()],
        1 => dims.insert(growth.chance.below(dims.len() + 1), Dim::from(1usize)),
        2 => dims.retain(|dim| !dim.is_one()),
        _ if dims.len() > 1 => {
            let at = growth.chance.below(dims.len() - 1);
            let second = dims.remove(at + 1);
            dims[at] = &dims[at] * &second;
        }
        _ => return None,
    }
    growth.push(Reshape { shape: Shape::from_iter(dims) }, &[x]).map(drop)
}

fn transpose(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 1)?;
    let mut order: Vec<usize> = (0..growth.b.ty(x).rank()).collect();
    for n in (1..order.len()).rev() {
        order.swap(n, growth.chance.below(n + 1));
    }
    growth.push(Transpose { order: order.into_iter().collect() }, &[x]).map(drop)
}

fn reverse(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let axes = (0..growth.b.ty(x).rank()).filter(|_| growth.chance.one_in(2)).collect();
    growth.push(Reverse { axes }, &[x]).map(drop)
}

fn made_of_nothing(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let shape = growth.b.ty(x).shape().clone();
    if growth.chance.one_in(3) {
        let dtype = growth.dtype();
        growth.pool.extend([growth.b.number(dtype, 1.0)]);
        return Some(());
    }
    let axis = growth.chance.below(shape.rank().max(1));
    match growth.chance.one_in(2) {
        true => {
            let dtype = growth.dtype();
            growth.push(Iota { shape, axis, dtype }, &[])
        }
        false => growth.push(ops::Dim { axis }, &[x]),
    }
    .map(drop)
}

fn random(growth: &mut Growth<'_>) -> Option<()> {
    let like = growth.any()?;
    let shape = growth.b.ty(like).shape().clone();
    let number = Type::scalar(DType::I64);
    let (key, counter) = (growth.of_type(&number), growth.of_type(&number));
    let (distribution, dtype) = *growth.chance.pick(&[
        (Distribution::Bits, DType::I32),
        (Distribution::Uniform, DType::F32),
        (Distribution::Uniform, DType::F64),
        (Distribution::Normal, DType::F32),
    ]);
    growth.push(Random { distribution, shape, dtype }, &[key, counter]).map(drop)
}

/// A product with a right side made for it, often over other axes than the last and the first.
fn product(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0 && ty.dtype() != DType::Bool)?;
    let ty = growth.b.ty(x).clone();
    let columns = Dim::from(*growth.chance.pick(&[1usize, 2, 3, 5, 8, 17]));
    let contract = growth.chance.below(ty.rank());
    let batch: Vec<usize> =
        (0..ty.rank()).filter(|axis| *axis != contract && ty.rank() > 2 && growth.chance.one_in(2)).collect();
    // The batch axes, the summed one and the columns, in this order or with the last two exchanged.
    let mut dims: Vec<Dim> = batch.iter().map(|axis| ty.shape()[*axis].clone()).collect();
    let (summed, free) = if growth.chance.one_in(2) { (0, 1) } else { (1, 0) };
    dims.extend([Dim::ZERO, Dim::ZERO]);
    let shape = with_axis(&Shape::from_iter(dims), batch.len() + summed, ty.shape()[contract].clone());
    let right = ty.with_shape(with_axis(&shape, batch.len() + free, columns));
    let y = match growth.chance.one_in(3) {
        true => growth.of_type(&right),
        false => growth.parameter(right.clone(), ParamRole::Input).unwrap_or_else(|| growth.number(&right)),
    };
    let product = DotGeneral {
        rhs_batch: (0..batch.len()).collect(),
        rhs_contract: [batch.len() + summed].into_iter().collect(),
        lhs_batch: batch.into_iter().collect(),
        lhs_contract: [contract].into_iter().collect(),
    };
    growth.push(product, &[x, y]).map(drop)
}
