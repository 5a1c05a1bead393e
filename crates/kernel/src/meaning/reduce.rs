//! Reductions of plain values: what each kind combines with and what it is over nothing.

use super::flush::Subnormals;
use super::fold::{Best, Fold};
use super::order::{ReduceKind, ReduceOrder};
use super::value::Scalar;
use crate::lane::LaneOp;
use tracelift_tensor::DType;

impl ReduceKind {
    /// The lane operation that combines two values; `None` for `argmax` and `argmin`, which keep positions.
    pub fn lane_op(self) -> Option<LaneOp> {
        Some(match self {
            ReduceKind::Sum => LaneOp::Add,
            ReduceKind::Prod => LaneOp::Mul,
            ReduceKind::Min => LaneOp::Min,
            ReduceKind::Max => LaneOp::Max,
            ReduceKind::Any => LaneOp::Or,
            ReduceKind::All => LaneOp::And,
            ReduceKind::ArgMax | ReduceKind::ArgMin => return None,
        })
    }

    /// The value i for which combining i and x gives the bits of x, whatever x is: −0.0 for float sums.
    pub fn identity(self, dtype: DType) -> Option<Scalar> {
        Some(match (self, dtype) {
            (ReduceKind::Sum, DType::F32) => Scalar::F32(-0.0),
            (ReduceKind::Sum, DType::F64) => Scalar::F64(-0.0),
            (ReduceKind::Sum | ReduceKind::Any, _) => Scalar::from_bits(dtype, 0),
            (ReduceKind::Prod, DType::F32) => Scalar::F32(1.0),
            (ReduceKind::Prod, DType::F64) => Scalar::F64(1.0),
            (ReduceKind::Prod | ReduceKind::All, _) => Scalar::from_bits(dtype, 1),
            (ReduceKind::Max, _) => lowest(dtype),
            (ReduceKind::Min, _) => highest(dtype),
            (ReduceKind::ArgMax | ReduceKind::ArgMin, _) => return None,
        })
    }

    /// The result over no elements: +0.0, 1, false, true. The other kinds have none, which is the caller's error.
    pub fn empty(self, dtype: DType) -> Option<Scalar> {
        match (self, dtype) {
            (ReduceKind::Sum, _) => Some(Scalar::from_bits(dtype, 0)),
            _ => self.identity(dtype).filter(|_| self.has_identity()),
        }
    }
}

fn lowest(dtype: DType) -> Scalar {
    match dtype {
        DType::F32 => Scalar::F32(f32::NEG_INFINITY),
        DType::F64 => Scalar::F64(f64::NEG_INFINITY),
        DType::I32 => Scalar::I32(i32::MIN),
        DType::I64 => Scalar::I64(i64::MIN),
        other => Scalar::from_bits(other, 0),
    }
}

fn highest(dtype: DType) -> Scalar {
    match dtype {
        DType::F32 => Scalar::F32(f32::INFINITY),
        DType::F64 => Scalar::F64(f64::INFINITY),
        DType::I32 => Scalar::I32(i32::MAX),
        DType::I64 => Scalar::I64(i64::MAX),
        other => Scalar::from_bits(other, u64::MAX),
    }
}

/// A reduction of plain values under way, of any kind.
#[derive(Clone, Debug)]
pub struct ScalarFold {
    rule: Subnormals,
    kind: ReduceKind,
    dtype: DType,
    values: Fold<Scalar, Join>,
    best: Best<Scalar>,
}

/// The function that combines two values by a kind that has one.
type Join = fn(Scalar, Scalar) -> Scalar;

impl ScalarFold {
    /// A reduction without values of the given type.
    pub fn new(kind: ReduceKind, order: ReduceOrder, dtype: DType) -> ScalarFold {
        ScalarFold::by_rule(Subnormals::Keep, kind, order, dtype)
    }

    /// The same under a rule for subnormals.
    pub fn by_rule(rule: Subnormals, kind: ReduceKind, order: ReduceOrder, dtype: DType) -> ScalarFold {
        let combine = match rule {
            Subnormals::Keep => join::<false>(kind),
            Subnormals::Flush => join::<true>(kind),
        };
        ScalarFold { rule, kind, dtype, values: Fold::new(order, combine), best: Best::default() }
    }

    /// Takes the next value.
    pub fn push(&mut self, value: Scalar) {
        let rule = self.rule;
        let beyond = |op| move |a, b| rule.eval(op, &[a, b]) == Ok(Scalar::Bool(true));
        match self.kind {
            ReduceKind::ArgMax => self.best.push(value, Scalar::is_nan, beyond(LaneOp::Gt)),
            ReduceKind::ArgMin => self.best.push(value, Scalar::is_nan, beyond(LaneOp::Lt)),
            _ => self.values.push(value),
        }
    }

    /// The result; `None` if there were no values and the kind needs some.
    pub fn finish(self) -> Option<Scalar> {
        match self.kind {
            ReduceKind::ArgMax | ReduceKind::ArgMin => self.best.position().map(Scalar::I64),
            _ => self.values.finish().or_else(|| self.kind.empty(self.dtype)),
        }
    }
}

/// The function that combines two values by a kind.
fn join<const FLUSH: bool>(kind: ReduceKind) -> Join {
    fn run<const FLUSH: bool>(op: LaneOp, a: Scalar, b: Scalar) -> Scalar {
        let rule = if FLUSH { Subnormals::Flush } else { Subnormals::Keep };
        rule.eval(op, &[a, b]).expect("no operation of a reduction faults")
    }
    match kind {
        ReduceKind::Sum => |a, b| run::<FLUSH>(LaneOp::Add, a, b),
        ReduceKind::Prod => |a, b| run::<FLUSH>(LaneOp::Mul, a, b),
        ReduceKind::Min => |a, b| run::<FLUSH>(LaneOp::Min, a, b),
        ReduceKind::Max => |a, b| run::<FLUSH>(LaneOp::Max, a, b),
        ReduceKind::Any => |a, b| run::<FLUSH>(LaneOp::Or, a, b),
        ReduceKind::All => |a, b| run::<FLUSH>(LaneOp::And, a, b),
        // These keep positions; nothing is combined.
        ReduceKind::ArgMax | ReduceKind::ArgMin => |a, _| a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::eval_scalar;

    #[test]
    fn scalars_follow_the_order_of_typed_folds() {
        let x: Vec<f32> = (0..9000).map(|i| ((i * 7919) % 1013) as f32 * 0.37 - 150.0).collect();
        for order in [ReduceOrder::Lanes, ReduceOrder::Chain] {
            let mut scalars = ScalarFold::new(ReduceKind::Sum, order, DType::F32);
            x.iter().for_each(|&x| scalars.push(Scalar::F32(x)));
            let sum = super::super::fold(order, x.iter().copied(), |a, b| a + b).unwrap();
            assert_eq!(scalars.finish(), Some(Scalar::F32(sum)));
        }
    }

    #[test]
    fn sums_flush_when_asked() {
        let sum = |rule| {
            let mut fold = ScalarFold::by_rule(rule, ReduceKind::Sum, ReduceOrder::Chain, DType::F32);
            fold.push(Scalar::F32(1.5 * f32::MIN_POSITIVE));
            fold.push(Scalar::F32(-f32::MIN_POSITIVE));
            fold.finish().unwrap()
        };
        assert_eq!(sum(Subnormals::Keep), Scalar::F32(f32::MIN_POSITIVE / 2.0));
        assert_eq!(sum(Subnormals::Flush), Scalar::F32(0.0));
    }

    #[test]
    fn identities_change_no_bits() {
        let floats = [0.0, -0.0, 1.5, -3.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45];
        let mut tried = 0;
        for dtype in DType::ALL {
            let x: Vec<Scalar> = match dtype {
                DType::F32 => floats.map(Scalar::F32).into(),
                DType::F64 => floats.map(|x| Scalar::F64(x.into())).into(),
                _ => [0, 1, 255, u64::MAX, 1 << 31, 1 << 63].map(|bits| Scalar::from_bits(dtype, bits)).into(),
            };
            for kind in ReduceKind::ALL {
                let (Ok(_), Some(op)) = (kind.result_type(dtype), kind.lane_op()) else { continue };
                let identity = kind.identity(dtype).unwrap();
                for &x in &x {
                    for operands in [[identity, x], [x, identity]] {
                        assert!(eval_scalar(op, &operands).unwrap().same(x), "{kind} of {operands:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried > 200);
    }

    #[test]
    fn empty_extents() {
        let of = |kind, dtype| ScalarFold::new(kind, ReduceOrder::Lanes, dtype).finish();
        assert_eq!(of(ReduceKind::Sum, DType::F32), Some(Scalar::F32(0.0)));
        assert_eq!(of(ReduceKind::Prod, DType::F64), Some(Scalar::F64(1.0)));
        assert_eq!(of(ReduceKind::Any, DType::Bool), Some(Scalar::Bool(false)));
        assert_eq!(of(ReduceKind::All, DType::Bool), Some(Scalar::Bool(true)));
        for kind in [ReduceKind::Min, ReduceKind::Max, ReduceKind::ArgMax, ReduceKind::ArgMin] {
            assert_eq!(of(kind, DType::F32), None);
        }
    }

    #[test]
    fn positions_are_of_the_first_best_or_the_first_nan() {
        let nan = f32::NAN;
        let of = |kind, x: &[f32]| {
            let mut fold = ScalarFold::new(kind, ReduceOrder::Lanes, DType::F32);
            x.iter().for_each(|&x| fold.push(Scalar::F32(x)));
            fold.finish()
        };
        for (x, most, least) in [
            (&[1.0, 3.0, 3.0, -2.0, -2.0][..], 1, 3),
            (&[1.0, nan, 9.0, nan], 1, 1),
            (&[-0.0, 0.0], 0, 0),
            (&[f32::NEG_INFINITY; 2], 0, 0),
        ] {
            assert_eq!(of(ReduceKind::ArgMax, x), Some(Scalar::I64(most)));
            assert_eq!(of(ReduceKind::ArgMin, x), Some(Scalar::I64(least)));
        }
    }
}
