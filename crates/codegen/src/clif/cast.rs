//! Conversions between element types: one value, and as vectors where the machine has them.

use super::form::{bitcast, constant, narrow_masks, shuffle_bytes, upper_half, vector_type, widen_mask};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use smallvec::SmallVec;
use tracelift_tensor::DType::{self, Bool, F32 as Float, F64 as Double, I32 as Int, I64 as Long, U8 as Byte};

/// One value of `from` as one of `to`, both in their register forms.
///
/// Floats are truncated and saturate, NaN becomes 0; integers wrap; what is not zero is true.
pub(crate) fn cast(b: &mut FunctionBuilder<'_>, from: DType, to: DType, x: Value) -> Value {
    match (from, to) {
        _ if from == to => x,
        (Float, Double) => b.ins().fpromote(F64, x),
        (Double, Float) => b.ins().fdemote(F32, x),
        (Float | Double, Int) => b.ins().fcvt_to_sint_sat(I32, x),
        (Float | Double, Long) => b.ins().fcvt_to_sint_sat(I64, x),
        (Float | Double, Byte) => {
            let whole = b.ins().fcvt_to_sint_sat(I32, x);
            let (least, most) = (b.ins().iconst(I32, 0), b.ins().iconst(I32, 255));
            let whole = b.ins().smax(whole, least);
            b.ins().smin(whole, most)
        }
        (Float | Double, _) => {
            let ty = b.func.dfg.value_type(x);
            let zero = constant(b, ty, 0);
            b.ins().fcmp(FloatCC::NotEqual, x, zero)
        }
        (Int | Long | Byte, Bool) => b.ins().icmp_imm_s(IntCC::NotEqual, x, 0),
        (Bool, _) => {
            let int = b.ins().uextend(I32, x);
            cast(b, Byte, to, int)
        }
        (Int | Long | Byte, Float) => b.ins().fcvt_from_sint(F32, x),
        (Int | Long | Byte, Double) => b.ins().fcvt_from_sint(F64, x),
        (Byte, Int) => x,
        (Byte, _) => b.ins().uextend(I64, x),
        (Int, Long) => b.ins().sextend(I64, x),
        (Long, Int) => b.ins().ireduce(I32, x),
        (Int, _) => b.ins().band_imm_u(x, 255),
        (_, _) => {
            let low = b.ins().ireduce(I32, x);
            b.ins().band_imm_u(low, 255)
        }
    }
}

/// Vectors of `from` as vectors of `to`, all lanes together; `None` if that is not worth having.
pub(crate) fn cast_vectors(
    b: &mut FunctionBuilder<'_>,
    from: DType,
    to: DType,
    x: &[Value],
) -> Option<SmallVec<[Value; 8]>> {
    let each = |b: &mut FunctionBuilder<'_>, f: &dyn Fn(&mut FunctionBuilder<'_>, Value) -> Value| {
        x.iter().map(|x| f(b, *x)).collect::<SmallVec<[Value; 8]>>()
    };
    Some(match (from, to) {
        _ if from == to => x.iter().copied().collect(),
        (Float, Int) => each(b, &|b, x| b.ins().fcvt_to_sint_sat(I32X4, x)),
        (Int | Byte, Float) => each(b, &|b, x| b.ins().fcvt_from_sint(F32X4, x)),
        (Byte, Int) => x.iter().copied().collect(),
        (Int, Byte) => each(b, &|b, x| {
            let low = constant(b, I32X4, 255);
            b.ins().band(x, low)
        }),
        (Float | Double, Bool) => each(b, &|b, x| {
            let ty = b.func.dfg.value_type(x);
            let zero = constant(b, ty, 0);
            b.ins().fcmp(FloatCC::NotEqual, x, zero)
        }),
        (Int | Byte | Long, Bool) => each(b, &|b, x| {
            let ty = b.func.dfg.value_type(x);
            let zero = constant(b, ty, 0);
            b.ins().icmp(IntCC::NotEqual, x, zero)
        }),
        (Bool, _) => {
            let ty = vector_type(to);
            let ints = if ty.lane_bits() == 64 { I64X2 } else { I32X4 };
            let one = match to {
                Float => u64::from(1f32.to_bits()),
                Double => 1f64.to_bits(),
                _ => 1,
            };
            let one = constant(b, ints, one);
            masks(b, ints, x)
                .into_iter()
                .map(|mask| {
                    let bits = b.ins().band(mask, one);
                    bitcast(b, ty, bits)
                })
                .collect()
        }
        (Float, Double) => x
            .iter()
            .flat_map(|x| {
                let high = upper_half(b, *x);
                [b.ins().fvpromote_low(*x), b.ins().fvpromote_low(high)]
            })
            .collect(),
        (Double, Float) => x
            .chunks(2)
            .map(|pair| {
                let (low, high) = (b.ins().fvdemote(pair[0]), b.ins().fvdemote(pair[1]));
                first_halves(b, low, high)
            })
            .collect(),
        (Int | Byte, Double) => x
            .iter()
            .flat_map(|x| {
                let wide = [b.ins().swiden_low(*x), b.ins().swiden_high(*x)];
                wide.map(|x| b.ins().fcvt_from_sint(F64X2, x))
            })
            .collect(),
        (Int | Byte, Long) => x.iter().flat_map(|x| [b.ins().swiden_low(*x), b.ins().swiden_high(*x)]).collect(),
        (Long, Int) => x.chunks(2).map(|pair| narrow_masks(b, pair[0], pair[1])).collect(),
        _ => return None,
    })
}

/// Masks with lanes as wide as those of `ty`.
pub(crate) fn masks(b: &mut FunctionBuilder<'_>, ty: cranelift_codegen::ir::Type, x: &[Value]) -> SmallVec<[Value; 8]> {
    match (b.func.dfg.value_type(x[0]), ty) {
        (I64X2, I32X4) => x.chunks(2).map(|pair| narrow_masks(b, pair[0], pair[1])).collect(),
        (I32X4, I64X2) => x.iter().flat_map(|x| widen_mask(b, *x)).collect(),
        _ => x.iter().copied().collect(),
    }
}

/// The first two lanes of one vector of f32, then those of another.
fn first_halves(b: &mut FunctionBuilder<'_>, low: Value, high: Value) -> Value {
    let joined = shuffle_bytes(b, low, high, &[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
    bitcast(b, F32X4, joined)
}

// The type of a truth value in a scalar register.
const _: cranelift_codegen::ir::Type = I8;
