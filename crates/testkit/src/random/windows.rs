//! Steps that take windows, multiply them as convolutions do, and add windows up.

use super::grow::Growth;
use tracelift_ir::ops::*;
use tracelift_ir::{ParamRole, Type, Value};
use tracelift_tensor::{DType, Dim, Shape};

pub(super) fn step(growth: &mut Growth<'_>) -> Option<()> {
    match growth.chance.below(3) {
        0 => overlap_add(growth),
        1 => taken(growth).map(drop),
        _ => convolution(growth),
    }
}

/// Windows along one or two axes of a shape, where they fit.
fn windows_of(growth: &mut Growth<'_>, shape: &Shape) -> Option<Windows> {
    let mut axes = vec![];
    for axis in 0..shape.rank() {
        let size = growth.size(&shape[axis]);
        if size == 0 || axes.len() == 2 || growth.chance.one_in(2) {
            continue;
        }
        let dilation = *growth.chance.pick(&[1usize, 1, 2]);
        let most = (size - 1) / dilation + 1;
        let size = growth.chance.below(most.min(3)) + 1;
        axes.push(WindowAxis { axis, size, stride: *growth.chance.pick(&[1usize, 1, 2, 3]), dilation });
    }
    (!axes.is_empty()).then(|| Windows { axes: axes.into() })
}

fn taken(growth: &mut Growth<'_>) -> Option<(Value, Windows)> {
    let x = growth.find(|ty| ty.rank() > 0)?;
    let shape = growth.b.ty(x).shape().clone();
    let windows = windows_of(growth, &shape)?;
    growth.push(windows.clone(), &[x]).map(|values| (values[0], windows))
}

/// The product of windows with a kernel, over the places of a window and sometimes the last axis.
fn convolution(growth: &mut Growth<'_>) -> Option<()> {
    let (x, windows) = taken(growth)?;
    let ty = growth.b.ty(x).clone();
    if ty.dtype() == DType::Bool {
        return Some(());
    }
    let behind = windows.axes.last().map_or(0, |window| window.axis + 1);
    let mut contract: Axes = (behind..behind + windows.axes.len()).collect();
    let last = ty.rank() - 1;
    if !contract.contains(&last) && growth.chance.one_in(2) {
        contract.push(last);
    }
    let columns = Dim::from(*growth.chance.pick(&[1usize, 2, 5, 17]));
    let kernel = contract.iter().map(|axis| ty.shape()[*axis].clone()).chain([columns]).collect::<Shape>();
    let kernel: Type = ty.with_shape(kernel);
    let kernel = growth.parameter(kernel.clone(), ParamRole::Input).unwrap_or_else(|| growth.number(&kernel));
    let rhs_contract = (0..contract.len()).collect();
    let op = DotGeneral { lhs_batch: Axes::new(), rhs_batch: Axes::new(), lhs_contract: contract, rhs_contract };
    growth.push(op, &[x, kernel]).map(drop)
}

fn overlap_add(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.rank() > 0 && ty.dtype() != DType::Bool)?;
    let ty = growth.b.ty(x).clone();
    let windows = windows_of(growth, ty.shape())?;
    let frames = growth.of_type(&ty.with_shape(windows.shape(ty.shape())));
    growth.push(OverlapAdd { windows }, &[x, frames]).map(drop)
}
