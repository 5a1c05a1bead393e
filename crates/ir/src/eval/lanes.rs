//! One scalar operation on every element.

use tracelift_kernel::lane::{Fault, LaneOp, Scalar, eval_scalar};
use tracelift_tensor::{Array, DType, Error, Result};

/// Runs a scalar operation on operands of equal shapes.
pub(crate) fn eval_lane(op: LaneOp, x: &[Array]) -> Result<Array> {
    let dtypes: Vec<DType> = x.iter().map(Array::dtype).collect();
    let dtype = op.result_type(&dtypes).map_err(Error::type_)?;
    let mut y = Array::zeros(dtype, x[0].shape())?;
    let mut operands = [Scalar::Bool(false); 3];
    for i in 0..y.len() {
        for (operand, x) in operands.iter_mut().zip(x) {
            *operand = scalar_at(x, i);
        }
        let result = eval_scalar(op, &operands[..x.len()]).map_err(|fault| explain(fault, i))?;
        put(&mut y, i, result);
    }
    Ok(y)
}

fn explain(fault: Fault, position: usize) -> Error {
    match fault {
        Fault::DivideByZero => Error::invalid(format!("divides an integer by zero at element {position}")),
    }
}

fn scalar_at(x: &Array, i: usize) -> Scalar {
    match x.dtype() {
        DType::F32 => Scalar::F32(x.as_slice()[i]),
        DType::F64 => Scalar::F64(x.as_slice()[i]),
        DType::I32 => Scalar::I32(x.as_slice()[i]),
        DType::I64 => Scalar::I64(x.as_slice()[i]),
        DType::U8 => Scalar::U8(x.as_slice()[i]),
        _ => Scalar::Bool(x.as_slice::<u8>()[i] != 0),
    }
}

/// Sets an element.
pub(crate) fn put(y: &mut Array, i: usize, value: Scalar) {
    match value {
        Scalar::F32(value) => y.as_mut_slice()[i] = value,
        Scalar::F64(value) => y.as_mut_slice()[i] = value,
        Scalar::I32(value) => y.as_mut_slice()[i] = value,
        Scalar::I64(value) => y.as_mut_slice()[i] = value,
        Scalar::U8(value) => y.as_mut_slice()[i] = value,
        Scalar::Bool(value) => y.as_mut_slice()[i] = u8::from(value),
    }
}
