//! A lane operation on scalars and on vectors: the definition in `meaning`, run on the emitter.

use super::cast::{cast, cast_vectors, masks};
use super::form::{from_slot, splat, to_slot, vector_type};
use super::helper;
use super::near::{self, near_or_far};
use super::ops::{Clif, Form, W32, W64};
use crate::unit::Imports;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use smallvec::SmallVec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::meaning::{Lane, Support, eval, maximum_of_number, minimum_of_number};
use tracelift_tensor::{DType, Error, Result};

/// Emits an operation on scalars in their register forms. Integer divisors have been found not to be 0.
pub(crate) fn scalar_op(
    b: &mut FunctionBuilder<'_>,
    imports: &mut Imports,
    conv: CallConv,
    op: LaneOp,
    types: &[DType],
    args: &[Value],
) -> Result<Value> {
    let result = check(op, types)?;
    if let LaneOp::Cast(to) = op {
        return Ok(cast(b, types[0], to, args[0]));
    }
    if op.can_fault(types[0]) {
        return Ok(divide(b, op, args[0], args[1]));
    }
    let generic = |b: &mut FunctionBuilder<'_>| match is_wide(types) {
        true => run(&mut Clif::<W64>::scalar(b), op, types, args),
        false => run(&mut Clif::<W32>::scalar(b), op, types, args),
    };
    let mut defined = |b: &mut FunctionBuilder<'_>| {
        let helper = imports.func(b, conv, helper::import(), &[I64; 4], &[I64]);
        let code = b.ins().iconst(I64, helper::encode(op, types[0]) as i64);
        let mut slots: SmallVec<[Value; 4]> = SmallVec::from_slice(&[code]);
        for n in 0..3 {
            slots.push(match args.get(n) {
                Some(arg) => to_slot(b, *arg),
                None => b.ins().iconst(I64, 0),
            });
        }
        let call = b.ins().call(helper, &slots);
        let bits = b.inst_results(call)[0];
        Ok(from_slot(b, result, bits))
    };
    match op.support(types) {
        Support::Definition => defined(b),
        Support::Near if is_wide(types) => near_or_far::<W64>(b, args[0], generic, defined),
        Support::Near => near_or_far::<W32>(b, args[0], generic, defined),
        Support::Lane | Support::Vector => Ok(generic(b)),
    }
}

/// Whether all lanes of all vectors are such that an operation of [`Support::Near`] has its form over vectors, as an `i8`.
pub(crate) fn all_near(b: &mut FunctionBuilder<'_>, dtype: DType, x: &[Value]) -> Value {
    match is_wide(&[dtype]) {
        true => near::all_near::<W64>(b, x),
        false => near::all_near::<W32>(b, x),
    }
}

/// Emits an operation on vectors: one value per operand and vector, or a scalar for all lanes.
///
/// `None` if there is no such form and lanes have to be taken one by one.
pub(crate) fn vector_op(
    b: &mut FunctionBuilder<'_>,
    op: LaneOp,
    types: &[DType],
    args: &[Operands<'_>],
) -> Result<Option<SmallVec<[Value; 8]>>> {
    check(op, types)?;
    if let (LaneOp::Cast(to), [Operands::Vectors(x)]) = (op, args) {
        return Ok(cast_vectors(b, types[0], to, x));
    }
    // Of operations that hold only near zero, the caller has found all lanes to be there.
    if !op.is_vectorizable(types) && op.support(types) != Support::Near {
        return Ok(None);
    }
    // Operations on nothing but truth values go by the width of their masks.
    let all_bools = types.iter().all(|dtype| *dtype == DType::Bool);
    let narrow_mask = |b: &FunctionBuilder<'_>, x: &[Value]| b.func.dfg.value_type(x[0]) == I32X4;
    let wide = match all_bools {
        true => !args.iter().any(|arg| matches!(arg, Operands::Vectors(x) if narrow_mask(b, x))),
        false => is_wide(types),
    };
    let ints = if wide { I64X2 } else { I32X4 };
    let mut vectors: SmallVec<[SmallVec<[Value; 8]>; 3]> = SmallVec::new();
    let mut count = 1;
    for (arg, dtype) in args.iter().zip(types) {
        let ty = if *dtype == DType::Bool { ints } else { vector_type(*dtype) };
        vectors.push(match arg {
            Operands::Vectors(x) if *dtype == DType::Bool => masks(b, ints, x),
            Operands::Vectors(x) => x.iter().copied().collect(),
            Operands::Scalar(x) => SmallVec::from_slice(&[splat(b, *dtype, ty, *x)]),
        });
        count = count.max(vectors.last().expect("it was just pushed").len());
    }
    let results = (0..count).map(|n| {
        let args: SmallVec<[Value; 3]> = vectors.iter().map(|x| if x.len() == 1 { x[0] } else { x[n] }).collect();
        if wide {
            run(&mut Clif::<W64>::vector(b), op, types, &args)
        } else {
            run(&mut Clif::<W32>::vector(b), op, types, &args)
        }
    });
    Ok(Some(results.collect()))
}

/// One operand of [`vector_op`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operands<'v> {
    /// The same for all lanes.
    Scalar(Value),
    /// Lane after lane.
    Vectors(&'v [Value]),
}

fn check(op: LaneOp, types: &[DType]) -> Result<DType> {
    op.result_type(types).map_err(|why| Error::internal(format!("a kernel has a badly typed operation: {why}")))
}

/// Whether the operation runs on 64-bit lanes.
fn is_wide(types: &[DType]) -> bool {
    types.iter().any(|dtype| matches!(dtype, DType::F64 | DType::I64))
}

fn run<W: Form>(clif: &mut Clif<'_, '_, W>, op: LaneOp, types: &[DType], args: &[Value]) -> Value {
    // One instruction instead of three where the second operand cannot be NaN, as in a relu.
    if let (LaneOp::Max | LaneOp::Min, &[a, number]) = (op, args)
        && is_number(clif.builder, number)
    {
        let choose = if op == LaneOp::Max { maximum_of_number } else { minimum_of_number };
        return choose(clif, a, number);
    }
    let lanes: SmallVec<[Lane<Value, Value, Value>; 3]> = args
        .iter()
        .zip(types)
        .map(|(x, dtype)| match dtype {
            DType::F32 | DType::F64 => Lane::F(*x),
            DType::Bool => Lane::M(*x),
            _ => Lane::I(*x),
        })
        .collect();
    match eval(clif, op, types, &lanes) {
        Lane::F(y) | Lane::I(y) | Lane::M(y) => y,
    }
}

/// Whether a value is a constant, or a vector of one, and no NaN.
fn is_number(b: &FunctionBuilder<'_>, value: Value) -> bool {
    let dfg = &b.func.dfg;
    let Some(inst) = dfg.value_def(value).inst() else { return false };
    match dfg.insts[inst] {
        InstructionData::UnaryIeee32 { imm, .. } => !imm.is_nan(),
        InstructionData::UnaryIeee64 { imm, .. } => !imm.is_nan(),
        InstructionData::Unary { opcode: Opcode::Splat, arg } => is_number(b, arg),
        _ => false,
    }
}

/// `floor_div` and `rem` of integers by a divisor that is not 0; nothing traps.
fn divide(b: &mut FunctionBuilder<'_>, op: LaneOp, x: Value, divisor: Value) -> Value {
    let ty = b.func.dfg.value_type(x);
    // The smallest integer by −1 would trap; by 1 and negated it wraps.
    let minus_one = b.ins().icmp_imm_s(IntCC::Equal, divisor, -1);
    let one = b.ins().iconst(ty, 1);
    let safe = b.ins().select(minus_one, one, divisor);
    let quotient = b.ins().sdiv(x, safe);
    let negated = b.ins().ineg(x);
    let quotient = b.ins().select(minus_one, negated, quotient);
    let product = b.ins().imul(quotient, divisor);
    let left = b.ins().isub(x, product);
    // Truncated toward zero, the quotient is one too large where what is left has not the divisor's sign.
    let inexact = b.ins().icmp_imm_s(IntCC::NotEqual, left, 0);
    let signs = b.ins().bxor(left, divisor);
    let opposite = b.ins().icmp_imm_s(IntCC::SignedLessThan, signs, 0);
    let off = b.ins().band(inexact, opposite);
    if op == LaneOp::FloorDiv {
        let off = b.ins().uextend(if ty == I64 { I64 } else { I32 }, off);
        return b.ins().isub(quotient, off);
    }
    let moved = b.ins().iadd(left, divisor);
    b.ins().select(off, moved, left)
}

/// About how many instructions an operation is on one vector of operands of `dtype`.
pub(crate) fn cost(op: LaneOp, dtype: DType) -> usize {
    use LaneOp::*;
    match op {
        Exp | Logistic | LnOctave | Ln1pUnit => 22,
        Sin | Cos | Atan => 25,
        Expm1 | Ln | Ln1p | Tan | Asin | Acos | Atan2 => 30,
        Sinh | Cosh | Tanh | Erf => 30,
        Asinh | Acosh | Atanh | ErfInv => 60,
        Pow if dtype.is_float() => 120,
        Pow | RandomBits | RandomUniform(_) | RandomNormal(_) => 40,
        FloorDiv | Rem => 40,
        Div | Sqrt | Rsqrt => 3,
        Max | Min if dtype.is_float() => 3,
        Shl | Shr => 10,
        Powi(n) => 2 * (32 - n.unsigned_abs().leading_zeros()) as usize,
        Cast(_) | Sign => 4,
        _ => 1,
    }
}
