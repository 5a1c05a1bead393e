//! Operations that have only a scalar definition: code calls the definition itself.

use crate::unit::Import;
use tracelift_kernel::lane::{LaneOp, Scalar, eval_scalar};
use tracelift_tensor::DType;

/// The helper behind [`scalar_definition`], for imports.
pub(crate) fn import() -> Import {
    Import { name: "tracelift_scalar_definition", address: scalar_definition as *const () as usize }
}

/// Runs the definition of an operation on operands given as bits; answers the bits of the result.
///
/// `op` is [`encode`]d. Faults are tested for before the call.
#[cfg(target_arch = "x86_64")]
extern "sysv64" fn scalar_definition(op: u64, a: u64, b: u64, c: u64) -> u64 {
    run(op, [a, b, c])
}

/// Runs the definition of an operation on operands given as bits; answers the bits of the result.
///
/// `op` is [`encode`]d. Faults are tested for before the call.
#[cfg(not(target_arch = "x86_64"))]
extern "C" fn scalar_definition(op: u64, a: u64, b: u64, c: u64) -> u64 {
    run(op, [a, b, c])
}

fn run(op: u64, bits: [u64; 3]) -> u64 {
    // A panic must not run into native code. There is none: types and divisors were checked before.
    let attempt = std::panic::catch_unwind(|| {
        let (op, dtype) = decode(op)?;
        let operands = bits.map(|bits| Scalar::from_bits(dtype, bits));
        eval_scalar(op, &operands[..op.arity()]).ok()
    });
    attempt.ok().flatten().map_or(0, Scalar::bits)
}

/// An operation and the type of its operands as a number: the operation's place in its list, then the types.
pub(crate) fn encode(op: LaneOp, dtype: DType) -> u64 {
    let (number, parameter) = match op {
        LaneOp::RandomUniform(to) => (1000, type_number(to)),
        LaneOp::RandomNormal(to) => (1001, type_number(to)),
        plain => (LaneOp::PLAIN.iter().position(|op| *op == plain).unwrap_or(usize::MAX >> 16), 0),
    };
    number as u64 | parameter << 32 | type_number(dtype) << 40
}

fn decode(code: u64) -> Option<(LaneOp, DType)> {
    let dtype = |shift: u32| DType::ALL.get((code >> shift & 0xff) as usize).copied();
    let op = match (code & 0xffff_ffff) as usize {
        1000 => LaneOp::RandomUniform(dtype(32)?),
        1001 => LaneOp::RandomNormal(dtype(32)?),
        number => *LaneOp::PLAIN.get(number)?,
    };
    Some((op, dtype(40)?))
}

fn type_number(dtype: DType) -> u64 {
    DType::ALL.iter().position(|known| *known == dtype).expect("`ALL` lists every type") as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_survive_the_way_through_a_number() {
        let mut ops = LaneOp::PLAIN.to_vec();
        ops.extend([DType::F32, DType::F64].map(LaneOp::RandomUniform));
        ops.extend([DType::F32, DType::F64].map(LaneOp::RandomNormal));
        for op in ops {
            for dtype in DType::ALL {
                assert_eq!(decode(encode(op, dtype)), Some((op, dtype)));
            }
        }
    }

    #[test]
    fn the_helper_runs_the_definition() {
        let bits = |x: f32| u64::from(x.to_bits());
        let got = scalar_definition(encode(LaneOp::Pow, DType::F32), bits(2.0), bits(10.0), 0);
        assert_eq!(got, bits(1024.0));
    }
}
