//! Steps that make one element of one element each, and the reductions between them.

use super::grow::Growth;
use tracelift_ir::ops::*;
use tracelift_ir::{Op, Type, Value};
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::DType;

pub(super) fn step(growth: &mut Growth<'_>) -> Option<()> {
    match growth.chance.below(50) {
        0..=14 => unary(growth),
        15..=28 => binary(growth),
        29..=32 => compare(growth),
        33..=35 => select(growth),
        36..=38 => cast(growth),
        39..=45 => reduce(growth),
        46..=48 => row(growth),
        _ => through(growth),
    }
}

fn unary(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let ops: &[Op] = match growth.b.ty(x).dtype() {
        DType::Bool => &[Not.into()],
        DType::F32 | DType::F64 => &[
            Neg.into(),
            Abs.into(),
            Sign.into(),
            Exp.into(),
            Expm1.into(),
            Ln.into(),
            Ln1p.into(),
            Tanh.into(),
            Logistic.into(),
            Erf.into(),
            Sqrt.into(),
            Rsqrt.into(),
            Sin.into(),
            Cos.into(),
            Tan.into(),
            Atan.into(),
            Sinh.into(),
            Asinh.into(),
            Floor.into(),
            Ceil.into(),
            Round.into(),
            IsNan.into(),
            IsFinite.into(),
            Powi { n: 3 }.into(),
            Powi { n: -2 }.into(),
            Powi { n: 2 }.into(),
        ],
        _ => &[Neg.into(), Abs.into(), Sign.into(), Not.into(), Powi { n: 2 }.into(), Powi { n: 5 }.into()],
    };
    let op = growth.chance.pick(ops).clone();
    growth.push(op, &[x]).map(drop)
}

fn binary(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let ty = growth.b.ty(x).clone();
    let mut y = growth.of_type(&ty);
    let ops: &[Op] = match ty.dtype() {
        DType::Bool => &[And.into(), Or.into(), Xor.into(), Max.into(), Min.into()],
        DType::F32 | DType::F64 => &[
            Add.into(),
            Sub.into(),
            Mul.into(),
            Add.into(),
            Mul.into(),
            Div.into(),
            Max.into(),
            Min.into(),
            Pow.into(),
            Atan2.into(),
            FloorDiv.into(),
            Rem.into(),
        ],
        _ => &[
            Add.into(),
            Sub.into(),
            Mul.into(),
            Div.into(),
            FloorDiv.into(),
            Rem.into(),
            Max.into(),
            Min.into(),
            And.into(),
            Or.into(),
            Xor.into(),
            Shl.into(),
            Shr.into(),
        ],
    };
    let op = growth.chance.pick(ops).clone();
    // An odd number is no zero.
    if !ty.is_float() && matches!(op, Op::Div(_) | Op::FloorDiv(_) | Op::Rem(_)) {
        let one = growth.exactly(&ty, 1.0);
        y = growth.push(Or, &[y, one])?[0];
    }
    let operands = if growth.chance.one_in(3) && ty.is_float() { [y, x] } else { [x, y] };
    growth.push(op, &operands).map(drop)
}

fn compare(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let ty = growth.b.ty(x).clone();
    let y = growth.of_type(&ty);
    let ops: [Op; 6] = [Lt.into(), Le.into(), Gt.into(), Ge.into(), Equal.into(), NotEqual.into()];
    let op = growth.chance.pick(&ops).clone();
    growth.push(op, &[x, y]).map(drop)
}

fn select(growth: &mut Growth<'_>) -> Option<()> {
    let condition = growth.find(|ty| ty.dtype() == DType::Bool)?;
    let dtype = growth.dtype();
    let ty = growth.b.ty(condition).with_dtype(dtype);
    let (x, y) = (growth.of_type(&ty), growth.of_type(&ty));
    growth.push(Select, &[condition, x, y]).map(drop)
}

fn cast(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let dtype = growth.dtype();
    growth.push(Cast { dtype }, &[x]).map(drop)
}

fn reduce(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let rank = growth.b.ty(x).rank();
    let axes: Vec<usize> = match growth.chance.below(4) {
        0 => (0..rank).collect(),
        1 => (rank.saturating_sub(1)..rank).collect(),
        _ => (0..rank).filter(|_| growth.chance.one_in(2)).collect(),
    };
    let keep = growth.chance.one_in(2);
    let kind = *growth.chance.pick(&ReduceKind::ALL);
    let kind = match growth.b.ty(x).dtype() {
        DType::Bool => *growth.chance.pick(&[ReduceKind::Any, ReduceKind::All]),
        _ if kind.result_type(DType::F32).is_err() => ReduceKind::Sum,
        _ => kind,
    };
    growth.push(Reduce::new(kind, &axes, keep, rank), &[x]).map(drop)
}

/// What normalising does: a row against what reducing it gives.
fn row(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.find(|ty| ty.is_float() && ty.rank() > 0)?;
    let ty: Type = growth.b.ty(x).clone();
    let axis = if growth.chance.one_in(4) { growth.chance.below(ty.rank()) } else { ty.rank() - 1 };
    let kinds = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min, ReduceKind::Prod];
    let kind = *growth.chance.pick(&kinds);
    let reduced: Value = growth.push(Reduce::new(kind, &[axis], true, ty.rank()), &[x])?[0];
    let axes: Vec<usize> = (0..ty.rank()).collect();
    let back = growth.push(Broadcast { shape: ty.shape().clone(), axes: axes.into_iter().collect() }, &[reduced])?[0];
    let ops: [Op; 3] = [Sub.into(), Div.into(), Mul.into()];
    let op = growth.chance.pick(&ops).clone();
    growth.push(op, &[x, back]).map(drop)
}

fn through(growth: &mut Growth<'_>) -> Option<()> {
    let x = growth.any()?;
    let op: Op = if growth.chance.one_in(2) { Identity.into() } else { StopGradient.into() };
    growth.push(op, &[x]).map(drop)
}
