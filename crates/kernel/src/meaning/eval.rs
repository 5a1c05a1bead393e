//! Lane operations run over any [`Ops`], and on plain values.

use super::cast::{self, low_byte};
use super::flush::{Flush32, Flush64, Subnormals};
use super::ops::{Cmp, Ops, Width};
use super::scalar::{Scalar32, Scalar64};
use super::value::{Fault, Scalar};
use super::{acos, acosh, asin, asinh, atan, atan2, atanh, cos, cosh, sin, sinh, tan, tanh};
use super::{
    definitions, erf, erf_inv, exp, expm1, is_finite, is_nan, is_near, ln, ln_1p, ln_1p_unit, ln_octave, logistic,
};
use super::{maximum, maximum_i, minimum, minimum_i, pow, powi, powi_i, rsqrt, sign};
use crate::lane::LaneOp;
use tracelift_tensor::DType::{self, Bool, F32, F64, I32, I64, U8};

/// A value of an [`Ops`]: floats are F, integers I (u8 among those of 32 bits, as 0..=255), bools M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane<F, I, M> {
    /// A float.
    F(F),
    /// An integer.
    I(I),
    /// A truth value.
    M(M),
}

/// The [`Lane`] of an [`Ops`].
pub type LaneOf<O> = Lane<<O as Ops>::F, <O as Ops>::I, <O as Ops>::M>;

/// How an engine may run a lane operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Support {
    /// Only by the scalar definition, [`eval_scalar`].
    Definition,
    /// Also by [`eval`] over an `Ops` of a single lane.
    Lane,
    /// Also by [`eval`] over vectors, if all operands are [near](super::is_near); if not, by the definition.
    Near,
    /// Also by [`eval`] over vectors.
    Vector,
}

/// The width of the `Ops` that holds a type; bools fit both.
fn width_of(dtype: DType) -> Option<Width> {
    match dtype {
        F32 | I32 | U8 => Some(Width::W32),
        F64 | I64 => Some(Width::W64),
        _ => None,
    }
}

impl LaneOp {
    /// How it may be run on operands of these types.
    pub fn support(self, operands: &[DType]) -> Support {
        let is_float = operands[0].is_float();
        match self {
            LaneOp::Sin | LaneOp::Cos | LaneOp::Tan => Support::Near,
            LaneOp::Pow if is_float => Support::Vector,
            LaneOp::Pow | LaneOp::FloorDiv | LaneOp::Rem => Support::Definition,
            LaneOp::RandomBits | LaneOp::RandomUniform(_) | LaneOp::RandomNormal(_) => Support::Definition,
            LaneOp::Shl | LaneOp::Shr => Support::Lane,
            LaneOp::Cast(to) if !cast::is_generic(operands[0], to) => Support::Definition,
            // Vectors of 64 bits have no conversions.
            LaneOp::Cast(I64) if is_float => Support::Lane,
            LaneOp::Cast(F64) if operands[0] == I64 => Support::Lane,
            _ => Support::Vector,
        }
    }

    /// Whether [`eval`] runs it over vectors; if not, engines run each lane by itself.
    pub fn is_vectorizable(self, operands: &[DType]) -> bool {
        self.support(operands) == Support::Vector
    }
}

/// Runs an operation whose [`support`](LaneOp::support) is more than the definition.
///
/// The operands fit [`LaneOp::result_type`] and the `Ops` has their width.
#[inline(always)]
pub fn eval<O: Ops>(o: &mut O, op: LaneOp, operands: &[DType], x: &[LaneOf<O>]) -> LaneOf<O> {
    let dtype = operands[0];
    match (op, x) {
        (LaneOp::Cast(to), &[x]) => cast::cast(o, dtype, to, x),
        (LaneOp::Select, &[Lane::M(c), a, b]) => match (a, b) {
            (Lane::F(a), Lane::F(b)) => Lane::F(o.select_f(c, a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::I(o.select_i(c, a, b)),
            (Lane::M(a), Lane::M(b)) => {
                let not_c = o.mnot(c);
                let a = o.mand(c, a);
                let b = o.mand(not_c, b);
                Lane::M(o.mor(a, b))
            }
            _ => mismatch(op, operands),
        },
        (LaneOp::IsNan, &[Lane::F(x)]) => Lane::M(is_nan(o, x)),
        (LaneOp::IsFinite, &[Lane::F(x)]) => Lane::M(is_finite(o, x)),
        (_, &[Lane::F(a)]) => Lane::F(unary_f(o, op, a)),
        (_, &[Lane::I(a)]) => Lane::I(in_range(o, dtype, |o| unary_i(o, op, a))),
        (LaneOp::Not, &[Lane::M(a)]) => Lane::M(o.mnot(a)),
        (_, &[Lane::F(a), Lane::F(b)]) => match compare_of(op) {
            Some(cmp) => Lane::M(o.fcmp(cmp, a, b)),
            None => Lane::F(binary_f(o, op, a, b)),
        },
        (_, &[Lane::I(a), Lane::I(b)]) => match compare_of(op) {
            Some(cmp) => Lane::M(o.icmp(cmp, a, b)),
            None => Lane::I(in_range(o, dtype, |o| binary_i(o, op, dtype, a, b))),
        },
        (_, &[Lane::M(a), Lane::M(b)]) => Lane::M(binary_m(o, op, a, b)),
        _ => mismatch(op, operands),
    }
}

#[cold]
fn mismatch(op: LaneOp, operands: &[DType]) -> ! {
    panic!("`{op}` has no form over lanes for {operands:?}")
}

/// The comparison that an operation is.
fn compare_of(op: LaneOp) -> Option<Cmp> {
    Some(match op {
        LaneOp::Lt => Cmp::Lt,
        LaneOp::Le => Cmp::Le,
        LaneOp::Gt => Cmp::Gt,
        LaneOp::Ge => Cmp::Ge,
        LaneOp::Eq => Cmp::Eq,
        LaneOp::Ne => Cmp::Ne,
        _ => return None,
    })
}

/// Integers of 32 or 64 bits wrap by themselves; bytes lose their high bits here.
#[inline(always)]
fn in_range<O: Ops>(o: &mut O, dtype: DType, f: impl FnOnce(&mut O) -> O::I) -> O::I {
    let y = f(o);
    if dtype == U8 { low_byte(o, y) } else { y }
}

#[inline(always)]
fn unary_f<O: Ops>(o: &mut O, op: LaneOp, x: O::F) -> O::F {
    match op {
        LaneOp::Neg => o.neg(x),
        LaneOp::Abs => o.abs(x),
        LaneOp::Sign => sign(o, x),
        LaneOp::Exp => exp(o, x),
        LaneOp::Expm1 => expm1(o, x),
        LaneOp::Ln => ln(o, x),
        LaneOp::LnOctave => ln_octave(o, x),
        LaneOp::Ln1p => ln_1p(o, x),
        LaneOp::Ln1pUnit => ln_1p_unit(o, x),
        LaneOp::Sqrt => o.sqrt(x),
        LaneOp::Rsqrt => rsqrt(o, x),
        LaneOp::Tanh => tanh(o, x),
        LaneOp::Logistic => logistic(o, x),
        LaneOp::Sin => sin(o, x),
        LaneOp::Cos => cos(o, x),
        LaneOp::Tan => tan(o, x),
        LaneOp::Asin => asin(o, x),
        LaneOp::Acos => acos(o, x),
        LaneOp::Atan => atan(o, x),
        LaneOp::Sinh => sinh(o, x),
        LaneOp::Cosh => cosh(o, x),
        LaneOp::Asinh => asinh(o, x),
        LaneOp::Acosh => acosh(o, x),
        LaneOp::Atanh => atanh(o, x),
        LaneOp::Erf => erf(o, x),
        LaneOp::ErfInv => erf_inv(o, x),
        LaneOp::Floor => o.floor(x),
        LaneOp::Ceil => o.ceil(x),
        LaneOp::Round => o.nearest(x),
        LaneOp::Powi(n) => powi(o, x, n),
        _ => mismatch(op, &[O::WIDTH.pick(F32, F64)]),
    }
}

#[inline(always)]
fn binary_f<O: Ops>(o: &mut O, op: LaneOp, a: O::F, b: O::F) -> O::F {
    match op {
        LaneOp::Add => o.add(a, b),
        LaneOp::Sub => o.sub(a, b),
        LaneOp::Mul => o.mul(a, b),
        LaneOp::Div => o.div(a, b),
        LaneOp::Max => maximum(o, a, b),
        LaneOp::Min => minimum(o, a, b),
        LaneOp::Atan2 => atan2(o, a, b),
        LaneOp::Pow => pow(o, a, b),
        _ => mismatch(op, &[O::WIDTH.pick(F32, F64); 2]),
    }
}

#[inline(always)]
fn unary_i<O: Ops>(o: &mut O, op: LaneOp, x: O::I) -> O::I {
    match op {
        LaneOp::Neg => o.ineg(x),
        LaneOp::Not => o.inot(x),
        LaneOp::Abs => {
            let minus = o.ineg(x);
            maximum_i(o, x, minus)
        }
        LaneOp::Sign => {
            let (one, minus_one) = (o.i(1), o.i(-1));
            let y = minimum_i(o, x, one);
            maximum_i(o, y, minus_one)
        }
        LaneOp::Powi(n) => powi_i(o, x, n),
        _ => mismatch(op, &[O::WIDTH.pick(I32, I64)]),
    }
}

#[inline(always)]
fn binary_i<O: Ops>(o: &mut O, op: LaneOp, dtype: DType, a: O::I, b: O::I) -> O::I {
    match op {
        LaneOp::Add => o.iadd(a, b),
        LaneOp::Sub => o.isub(a, b),
        LaneOp::Mul => o.imul(a, b),
        LaneOp::Max => maximum_i(o, a, b),
        LaneOp::Min => minimum_i(o, a, b),
        LaneOp::And => o.iand(a, b),
        LaneOp::Or => o.ior(a, b),
        LaneOp::Xor => o.ixor(a, b),
        LaneOp::Shl | LaneOp::Shr => {
            // The amount counts modulo the width of the type.
            let mask = o.i(dtype.size() as i64 * 8 - 1);
            let amount = o.iand(b, mask);
            if op == LaneOp::Shl { o.shl_by(a, amount) } else { o.sar_by(a, amount) }
        }
        _ => mismatch(op, &[dtype; 2]),
    }
}

#[inline(always)]
fn binary_m<O: Ops>(o: &mut O, op: LaneOp, a: O::M, b: O::M) -> O::M {
    match op {
        LaneOp::And | LaneOp::Min => o.mand(a, b),
        LaneOp::Or | LaneOp::Max => o.mor(a, b),
        LaneOp::Xor | LaneOp::Ne => o.mxor(a, b),
        LaneOp::Eq => {
            let differ = o.mxor(a, b);
            o.mnot(differ)
        }
        _ => mismatch(op, &[Bool; 2]),
    }
}

/// Runs an operation on plain values, whose types fit [`LaneOp::result_type`], keeping subnormals.
///
/// ```
/// use tracelift_kernel::lane::{Fault, LaneOp, Scalar, eval_scalar};
/// let divide = |a, b| eval_scalar(LaneOp::FloorDiv, &[Scalar::I32(a), Scalar::I32(b)]);
/// assert_eq!(divide(-7, 2), Ok(Scalar::I32(-4)));
/// assert_eq!(divide(1, 0), Err(Fault::DivideByZero));
/// ```
pub fn eval_scalar(op: LaneOp, x: &[Scalar]) -> Result<Scalar, Fault> {
    Subnormals::Keep.eval(op, x)
}

impl Subnormals {
    /// Runs an operation on plain values by this rule; see [`eval_scalar`].
    ///
    /// Flushing treats an operation that has only a scalar definition as a whole: operands and result are flushed.
    ///
    /// ```
    /// use tracelift_kernel::lane::{LaneOp, Scalar};
    /// use tracelift_kernel::meaning::Subnormals;
    /// let halve = |rule: Subnormals| rule.eval(LaneOp::Mul, &[Scalar::F32(f32::MIN_POSITIVE), Scalar::F32(0.5)]);
    /// assert_eq!(halve(Subnormals::Keep), Ok(Scalar::F32(f32::MIN_POSITIVE / 2.0)));
    /// assert_eq!(halve(Subnormals::Flush), Ok(Scalar::F32(0.0)));
    /// ```
    pub fn eval(self, op: LaneOp, x: &[Scalar]) -> Result<Scalar, Fault> {
        let mut operands = [Bool; 3];
        for (dtype, x) in operands.iter_mut().zip(x) {
            *dtype = x.dtype();
        }
        let operands = &operands[..x.len()];
        let by_definition = match op.support(operands) {
            Support::Definition => true,
            Support::Near => !x[0].is_near(),
            Support::Lane | Support::Vector => false,
        };
        if by_definition {
            return match self {
                Subnormals::Keep => definitions::eval(op, x),
                Subnormals::Flush => {
                    let mut flushed = [Scalar::Bool(false); 3];
                    flushed.iter_mut().zip(x).for_each(|(to, x)| *to = x.flushed());
                    definitions::eval(op, &flushed[..x.len()]).map(Scalar::flushed)
                }
            };
        }
        let result = op.result_type(operands).unwrap_or_else(|why| panic!("{why}"));
        let width = operands.iter().chain([&result]).find_map(|&dtype| width_of(dtype)).unwrap_or(Width::W32);
        Ok(match (width, self) {
            (Width::W32, Subnormals::Keep) => on_32(Scalar32, op, operands, x, result),
            (Width::W32, Subnormals::Flush) => on_32(Flush32, op, operands, x, result),
            (Width::W64, Subnormals::Keep) => on_64(Scalar64, op, operands, x, result),
            (Width::W64, Subnormals::Flush) => on_64(Flush64, op, operands, x, result),
        })
    }
}

impl Scalar {
    /// Whether an operation of [`Support::Near`] has a form over vectors there.
    fn is_near(self) -> bool {
        match self {
            Scalar::F32(x) => is_near(&mut Scalar32, x),
            Scalar::F64(x) => is_near(&mut Scalar64, x),
            _ => false,
        }
    }
}

macro_rules! on_width {
    ($name:ident, $f:ident, $i:ident) => {
        fn $name<O: Ops<F = $f, I = $i, M = bool>>(
            mut o: O,
            op: LaneOp,
            operands: &[DType],
            x: &[Scalar],
            result: DType,
        ) -> Scalar {
            let mut lanes = [Lane::M(false); 3];
            for (lane, &x) in lanes.iter_mut().zip(x) {
                *lane = match x {
                    Scalar::F32(x) => Lane::F(x as $f),
                    Scalar::F64(x) => Lane::F(x as $f),
                    Scalar::I32(x) => Lane::I(x as $i),
                    Scalar::I64(x) => Lane::I(x as $i),
                    Scalar::U8(x) => Lane::I(x as $i),
                    Scalar::Bool(x) => Lane::M(x),
                };
            }
            match eval(&mut o, op, operands, &lanes[..x.len()]) {
                Lane::F(y) => Scalar::from_bits(result, y.to_bits() as u64),
                Lane::I(y) => Scalar::from_bits(result, y as u64),
                Lane::M(y) => Scalar::Bool(y),
            }
        }
    };
}

on_width!(on_32, f32, i32);
on_width!(on_64, f64, i64);
