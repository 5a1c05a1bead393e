//! How values of each element type stand in registers and in memory, one at a time and four or two at a time.

use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8, I8X16, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{ConstantData, Endianness, Immediate, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;
use tracelift_tensor::DType;

/// The register type of one value: u8 as a zero-extended i32, bool as an i8 of 0 or 1.
pub(crate) fn scalar_type(dtype: DType) -> Type {
    match dtype {
        DType::F32 => F32,
        DType::F64 => F64,
        DType::I32 | DType::U8 => I32,
        DType::I64 => I64,
        DType::Bool => I8,
        other => unreachable!("kernels have no registers of {other}"),
    }
}

/// The register type of 128 bits of values: u8 as i32, bool as a mask of 0 and −1 as wide as what it was made from
/// (the 32-bit one when it comes from memory).
pub(crate) fn vector_type(dtype: DType) -> Type {
    match dtype {
        DType::F32 => F32X4,
        DType::F64 => F64X2,
        DType::I32 | DType::U8 | DType::Bool => I32X4,
        DType::I64 => I64X2,
        other => unreachable!("kernels have no registers of {other}"),
    }
}

/// A constant, the same in every lane of a vector.
pub(crate) fn constant(builder: &mut FunctionBuilder<'_>, ty: Type, bits: u64) -> Value {
    let lane_bytes = ty.lane_type().bytes() as usize;
    if ty.is_vector() {
        let lane = &bits.to_le_bytes()[..lane_bytes];
        return vector_constant(builder, ty, &lane.repeat(ty.lane_count() as usize));
    }
    match ty {
        F32 => builder.ins().f32const(f32::from_bits(bits as u32)),
        F64 => builder.ins().f64const(f64::from_bits(bits)),
        // The immediate of an integer narrower than 64 bits is its zero-extended value.
        I8 => builder.ins().iconst(I8, i64::from(bits as u8)),
        I32 => builder.ins().iconst(I32, i64::from(bits as u32)),
        _ => builder.ins().iconst(ty, bits as i64),
    }
}

/// A vector constant from its 16 bytes.
pub(crate) fn vector_constant(builder: &mut FunctionBuilder<'_>, ty: Type, bytes: &[u8]) -> Value {
    let handle = builder.func.dfg.constants.insert(ConstantData::from(bytes));
    builder.ins().vconst(ty, handle)
}

/// The same bits as another type.
pub(crate) fn bitcast(builder: &mut FunctionBuilder<'_>, ty: Type, value: Value) -> Value {
    if builder.func.dfg.value_type(value) == ty {
        return value;
    }
    builder.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
}

/// Runs `each` on every lane of `args`; what it answers are the lanes of the result.
pub(crate) fn scalarize(
    builder: &mut FunctionBuilder<'_>,
    ty: Type,
    args: &[Value],
    mut each: impl FnMut(&mut FunctionBuilder<'_>, &[Value]) -> Value,
) -> Value {
    let mut result = constant(builder, ty, 0);
    for lane in 0..ty.lane_count() as u8 {
        let lanes: smallvec::SmallVec<[Value; 3]> =
            args.iter().map(|arg| builder.ins().extractlane(*arg, lane)).collect();
        let value = each(builder, &lanes);
        result = builder.ins().insertlane(result, value, lane);
    }
    result
}

/// Loads one value.
pub(crate) fn load_scalar(
    builder: &mut FunctionBuilder<'_>,
    dtype: DType,
    flags: MemFlagsData,
    address: Value,
    offset: i32,
) -> Value {
    match dtype {
        DType::U8 => builder.ins().uload8(I32, flags, address, offset),
        _ => builder.ins().load(scalar_type(dtype), flags, address, offset),
    }
}

/// Stores one value.
pub(crate) fn store_scalar(
    builder: &mut FunctionBuilder<'_>,
    dtype: DType,
    flags: MemFlagsData,
    value: Value,
    address: Value,
    offset: i32,
) {
    match dtype {
        DType::U8 => builder.ins().istore8(flags, value, address, offset),
        _ => builder.ins().store(flags, value, address, offset),
    };
}

/// Loads the neighbours that make up one vector: 16 bytes, or 4 of u8 and bool.
pub(crate) fn load_vector(
    builder: &mut FunctionBuilder<'_>,
    dtype: DType,
    flags: MemFlagsData,
    address: Value,
    offset: i32,
) -> Value {
    match dtype {
        DType::U8 | DType::Bool => {
            let four = builder.ins().load(I32, flags, address, offset);
            let low = builder.ins().scalar_to_vector(I32X4, four);
            let bytes = bitcast(builder, I8X16, low);
            let words = builder.ins().uwiden_low(bytes);
            let wide = builder.ins().uwiden_low(words);
            if dtype == DType::Bool { builder.ins().ineg(wide) } else { wide }
        }
        _ => builder.ins().load(vector_type(dtype), flags, address, offset),
    }
}

/// Stores one vector to neighbouring elements.
pub(crate) fn store_vector(
    builder: &mut FunctionBuilder<'_>,
    dtype: DType,
    flags: MemFlagsData,
    value: Value,
    address: Value,
    offset: i32,
) {
    match dtype {
        DType::U8 | DType::Bool => {
            let wide = if dtype == DType::Bool { builder.ins().ineg(value) } else { value };
            let words = builder.ins().snarrow(wide, wide);
            let bytes = builder.ins().unarrow(words, words);
            let fours = bitcast(builder, I32X4, bytes);
            let four = builder.ins().extractlane(fours, 0);
            builder.ins().store(flags, four, address, offset);
        }
        _ => {
            builder.ins().store(flags, value, address, offset);
        }
    }
}

/// One lane of a vector of `dtype` in its scalar form.
pub(crate) fn extract(builder: &mut FunctionBuilder<'_>, dtype: DType, vector: Value, lane: u8) -> Value {
    let value = builder.ins().extractlane(vector, lane);
    match dtype {
        DType::Bool => {
            let low = builder.ins().ireduce(I8, value);
            builder.ins().band_imm_u(low, 1)
        }
        _ => value,
    }
}

/// A vector of `ty` with `value`, a scalar of `dtype`, in every lane.
pub(crate) fn splat(builder: &mut FunctionBuilder<'_>, dtype: DType, ty: Type, value: Value) -> Value {
    let value = widen_truth(builder, dtype, ty, value);
    builder.ins().splat(ty, value)
}

/// The vector with one lane replaced by `value`, a scalar of `dtype`.
pub(crate) fn insert(builder: &mut FunctionBuilder<'_>, dtype: DType, vector: Value, value: Value, lane: u8) -> Value {
    let ty = builder.func.dfg.value_type(vector);
    let value = widen_truth(builder, dtype, ty, value);
    builder.ins().insertlane(vector, value, lane)
}

/// A scalar of `dtype` as a lane of the vector type `ty`: bools become 0 or −1.
fn widen_truth(builder: &mut FunctionBuilder<'_>, dtype: DType, ty: Type, value: Value) -> Value {
    if dtype != DType::Bool {
        return value;
    }
    let wide = builder.ins().uextend(ty.lane_type(), value);
    builder.ins().ineg(wide)
}

/// Two masks of 64-bit lanes as one of 32-bit lanes.
pub(crate) fn narrow_masks(builder: &mut FunctionBuilder<'_>, low: Value, high: Value) -> Value {
    let bytes = shuffle_bytes(builder, low, high, &[0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]);
    bitcast(builder, I32X4, bytes)
}

/// One mask of 32-bit lanes as two of 64-bit lanes.
pub(crate) fn widen_mask(builder: &mut FunctionBuilder<'_>, mask: Value) -> [Value; 2] {
    [builder.ins().swiden_low(mask), builder.ins().swiden_high(mask)]
}

/// The upper half of a vector moved down to its beginning.
pub(crate) fn upper_half(builder: &mut FunctionBuilder<'_>, vector: Value) -> Value {
    shift_down(builder, vector, 8)
}

/// A vector moved down by `bytes`; what comes in from above is its own beginning.
pub(crate) fn shift_down(builder: &mut FunctionBuilder<'_>, vector: Value, bytes: u8) -> Value {
    let ty = builder.func.dfg.value_type(vector);
    let picks: Vec<u8> = (0..16).map(|i| (i + bytes) % 16).collect();
    let moved = shuffle_bytes(builder, vector, vector, &picks);
    bitcast(builder, ty, moved)
}

/// The bytes of two vectors picked by number, as `i8x16`.
pub(crate) fn shuffle_bytes(builder: &mut FunctionBuilder<'_>, a: Value, b: Value, picks: &[u8]) -> Value {
    let (a, b) = (bitcast(builder, I8X16, a), bitcast(builder, I8X16, b));
    let mask: Immediate = builder.func.dfg.immediates.push(ConstantData::from(picks));
    builder.ins().shuffle(a, b, mask)
}

/// A scalar as the 64 bits of a slot, zero-extended.
pub(crate) fn to_slot(builder: &mut FunctionBuilder<'_>, value: Value) -> Value {
    match builder.func.dfg.value_type(value) {
        F32 => {
            let bits = builder.ins().bitcast(I32, MemFlagsData::new(), value);
            builder.ins().uextend(I64, bits)
        }
        F64 => builder.ins().bitcast(I64, MemFlagsData::new(), value),
        I64 => value,
        _ => builder.ins().uextend(I64, value),
    }
}

/// What [`to_slot`] made of a value of `dtype`.
pub(crate) fn from_slot(builder: &mut FunctionBuilder<'_>, dtype: DType, slot: Value) -> Value {
    match scalar_type(dtype) {
        I64 => slot,
        F64 => builder.ins().bitcast(F64, MemFlagsData::new(), slot),
        F32 => {
            let bits = builder.ins().ireduce(I32, slot);
            builder.ins().bitcast(F32, MemFlagsData::new(), bits)
        }
        ty => builder.ins().ireduce(ty, slot),
    }
}
