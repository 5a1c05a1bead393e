//! One scalar operation on every element.
//!
//! The operation is chosen once per call: for the common ones a loop is compiled in which `meaning` has been inlined for
//! that very operation, for the best instructions of the machine; the rest go through the scalar definition element by
//! element. Fused multiply-adds are slow calls without those instructions, with the same bits.

use super::with_raw;
use pulp::Arch;
use tracelift_kernel::lane::{Fault, LaneOp, Scalar, eval_scalar};
use tracelift_kernel::meaning::{Lane, LaneOf, Ops, Scalar32, Scalar64, Support, eval, is_near};
use tracelift_tensor::{Array, DType, Error, Raw, Result};

/// Runs a scalar operation on operands of equal shapes.
pub(crate) fn eval_lane(op: LaneOp, x: &[Array]) -> Result<Array> {
    let types: Vec<DType> = x.iter().map(Array::dtype).collect();
    let result = op.result_type(&types).map_err(Error::type_)?;
    let mut y = Array::for_overwrite(result, x[0].shape())?;
    let done = match types[0] {
        DType::F32 => floats::<Scalar32, f32>(op, x, &mut y),
        DType::F64 => floats::<Scalar64, f64>(op, x, &mut y),
        _ if op == LaneOp::Select => {
            with_raw!(result, T => select::<T>(x, &mut y));
            true
        }
        _ => false,
    };
    if !done {
        one_by_one(op, x, &mut y)?;
    }
    Ok(y)
}

/// An [`Ops`] of one lane, whose floats are plain.
trait Machine<T>: Ops<F = T> + Default {
    /// Whether a comparison is true.
    fn holds(mask: Self::M) -> bool;
}

impl Machine<f32> for Scalar32 {
    fn holds(mask: bool) -> bool {
        mask
    }
}

impl Machine<f64> for Scalar64 {
    fn holds(mask: bool) -> bool {
        mask
    }
}

/// The loops of floats; answers whether there is one for the operation.
fn floats<O: Machine<T>, T: Raw>(op: LaneOp, x: &[Array], y: &mut Array) -> bool {
    if op.support(&types::<T>()) == Support::Near && !all_near::<O, T>(&x[0]) {
        return false;
    }
    macro_rules! dispatch {
        (unary: $($unary:ident)*; binary: $($binary:ident)*; compare: $($compare:ident)*) => {
            match op {
                $(LaneOp::$unary => unary::<O, T>(x, y, #[inline(always)] |o, a| eval(o, LaneOp::$unary, &types::<T>(), &[a])),)*
                $(LaneOp::$binary => binary::<O, T>(x, y, #[inline(always)] |o, a, b| eval(o, LaneOp::$binary, &types::<T>(), &[a, b])),)*
                $(LaneOp::$compare => compare::<O, T>(x, y, #[inline(always)] |o, a, b| {
                    eval(o, LaneOp::$compare, &types::<T>(), &[a, b])
                }),)*
                LaneOp::Powi(n) => {
                    unary::<O, T>(x, y, #[inline(always)] |o, a| eval(o, LaneOp::Powi(n), &types::<T>(), &[a]));
                }
                _ => return false,
            }
        };
    }
    dispatch! {
        unary: Neg Abs Sign Exp Expm1 Ln Ln1p Sqrt Rsqrt Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh
            Logistic Erf ErfInv Floor Ceil Round;
        binary: Add Sub Mul Div Atan2 Max Min;
        compare: Lt Le Gt Ge Eq Ne
    }
    true
}

/// Whether all elements are such that an operation of [`Support::Near`] has a form over [`Ops`].
fn all_near<O: Machine<T>, T: Raw>(x: &Array) -> bool {
    let mut o = O::default();
    x.as_slice::<T>().iter().all(|x| O::holds(is_near(&mut o, *x)))
}

#[inline(always)]
fn types<T: Raw>() -> [DType; 2] {
    [if size_of::<T>() == 4 { DType::F32 } else { DType::F64 }; 2]
}

#[inline(always)]
fn float<O: Machine<T>, T>(lane: LaneOf<O>) -> T {
    match lane {
        Lane::F(value) => value,
        _ => unreachable!("a float operation answers a float"),
    }
}

fn unary<O: Machine<T>, T: Raw>(x: &[Array], y: &mut Array, f: impl Fn(&mut O, LaneOf<O>) -> LaneOf<O>) {
    let (x, y) = (x[0].as_slice::<T>(), y.as_mut_slice::<T>());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut o = O::default();
            for (y, a) in y.iter_mut().zip(x) {
                *y = float::<O, T>(f(&mut o, Lane::F(*a)));
            }
        },
    );
}

fn binary<O: Machine<T>, T: Raw>(x: &[Array], y: &mut Array, f: impl Fn(&mut O, LaneOf<O>, LaneOf<O>) -> LaneOf<O>) {
    let (a, b, y) = (x[0].as_slice::<T>(), x[1].as_slice::<T>(), y.as_mut_slice::<T>());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut o = O::default();
            for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
                *y = float::<O, T>(f(&mut o, Lane::F(*a), Lane::F(*b)));
            }
        },
    );
}

fn compare<O: Machine<T>, T: Raw>(x: &[Array], y: &mut Array, f: impl Fn(&mut O, LaneOf<O>, LaneOf<O>) -> LaneOf<O>) {
    let (a, b, y) = (x[0].as_slice::<T>(), x[1].as_slice::<T>(), y.as_mut_slice::<u8>());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut o = O::default();
            for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
                *y = match f(&mut o, Lane::F(*a), Lane::F(*b)) {
                    Lane::M(mask) => u8::from(O::holds(mask)),
                    _ => unreachable!("a comparison answers a truth value"),
                };
            }
        },
    );
}

fn select<T: Raw>(x: &[Array], y: &mut Array) {
    let branches = x[1].as_slice::<T>().iter().zip(x[2].as_slice::<T>());
    for (y, (condition, (a, b))) in y.as_mut_slice::<T>().iter_mut().zip(x[0].as_slice::<u8>().iter().zip(branches)) {
        *y = if *condition != 0 { *a } else { *b };
    }
}

/// By the scalar definition.
fn one_by_one(op: LaneOp, x: &[Array], y: &mut Array) -> Result {
    let mut row: Vec<Scalar> = Vec::with_capacity(x.len());
    for i in 0..y.len() {
        row.clear();
        row.extend(x.iter().map(|array| load(array, i)));
        let value = eval_scalar(op, &row).map_err(|fault| match fault {
            Fault::DivideByZero => Error::invalid(format!("divides by zero at element {i}")),
        })?;
        put(y, i, value);
    }
    Ok(())
}

fn load(array: &Array, i: usize) -> Scalar {
    match array.dtype() {
        DType::F32 => Scalar::F32(array.as_slice()[i]),
        DType::F64 => Scalar::F64(array.as_slice()[i]),
        DType::I32 => Scalar::I32(array.as_slice()[i]),
        DType::I64 => Scalar::I64(array.as_slice()[i]),
        DType::U8 => Scalar::U8(array.as_slice()[i]),
        _ => Scalar::Bool(array.as_slice::<u8>()[i] != 0),
    }
}

/// Sets an element.
pub(crate) fn put(array: &mut Array, i: usize, value: Scalar) {
    match value {
        Scalar::F32(value) => array.as_mut_slice()[i] = value,
        Scalar::F64(value) => array.as_mut_slice()[i] = value,
        Scalar::I32(value) => array.as_mut_slice()[i] = value,
        Scalar::I64(value) => array.as_mut_slice()[i] = value,
        Scalar::U8(value) => array.as_mut_slice()[i] = value,
        Scalar::Bool(value) => array.as_mut_slice()[i] = u8::from(value),
    }
}
