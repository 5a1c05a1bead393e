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
                // A loop is only made for vectors if it knows the exponent.
                LaneOp::Powi(2) => {
                    unary::<O, T>(x, y, #[inline(always)] |o, a| eval(o, LaneOp::Powi(2), &types::<T>(), &[a]));
                }
                LaneOp::Powi(3) => {
                    unary::<O, T>(x, y, #[inline(always)] |o, a| eval(o, LaneOp::Powi(3), &types::<T>(), &[a]));
                }
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
        binary: Add Sub Mul Div Pow Atan2 Max Min;
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
    let (conditions, a, b, y) = (x[0].as_slice::<u8>(), x[1].as_slice(), x[2].as_slice(), y.as_mut_slice::<T>());
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (y, (condition, (a, b))) in y.iter_mut().zip(conditions.iter().zip(a.iter().zip(b))) {
                *y = if *condition != 0 { *a } else { *b };
            }
        },
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Floats of every exponent and sign, so many that vectors have tails, too.
    fn floats_of(dtype: DType, seed: u64) -> Array {
        let mut state = seed;
        let mut y = Array::zeros(dtype, [4099]).unwrap();
        for i in 0..y.len() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = if i < 4 { [0, 1 << 63, 0x7ff << 52, 0x7ff8 << 48][i] } else { state };
            match dtype {
                DType::F32 if i < 4 => put(&mut y, i, Scalar::F32(f64::from_bits(bits) as f32)),
                DType::F32 => put(&mut y, i, Scalar::F32(f32::from_bits((bits >> 32) as u32))),
                _ => put(&mut y, i, Scalar::F64(f64::from_bits(bits))),
            }
        }
        y
    }

    #[test]
    fn loops_have_the_bits_of_the_definition() {
        let mut ops = LaneOp::PLAIN.to_vec();
        ops.extend([-3, -1, 0, 1, 2, 3, 4, 5].map(LaneOp::Powi));
        let mut compared = 0;
        for dtype in [DType::F32, DType::F64] {
            let condition = eval_lane(LaneOp::Lt, &[floats_of(dtype, 4), floats_of(dtype, 5)]).unwrap();
            for op in &ops {
                let mut x: Vec<Array> = (1..=op.arity() as u64).map(|seed| floats_of(dtype, seed)).collect();
                if *op == LaneOp::Select {
                    x[0] = condition.clone();
                }
                let types: Vec<DType> = x.iter().map(Array::dtype).collect();
                let Ok(result) = op.result_type(&types) else { continue };
                let mut wanted = Array::zeros(result, x[0].shape()).unwrap();
                one_by_one(*op, &x, &mut wanted).unwrap();
                assert!(eval_lane(*op, &x).unwrap().bit_eq(&wanted), "{op} on {dtype}");
                compared += 1;
            }
        }
        assert!(compared > 80, "{compared}");
    }
}
