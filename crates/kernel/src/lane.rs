//! The scalar operations of kernels and programs: their names, operand counts and types.
//!
//! What each computes is defined in [`meaning`](crate::meaning).

pub use crate::meaning::{Fault, Lane, LaneOf, Scalar, Support, eval, eval_scalar};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tracelift_tensor::DType::{self, Bool, I32, I64};

macro_rules! lane_ops {
    ($($(#[$doc:meta])* $op:ident $name:literal $arity:literal;)+) => {
        /// An operation on one lane: scalars in, one scalar out.
        ///
        /// Its text is one word; a parameter follows after a dot.
        ///
        /// ```
        /// use tracelift_kernel::lane::LaneOp;
        /// let op: LaneOp = "powi.3".parse().unwrap();
        /// assert_eq!(op, LaneOp::Powi(3));
        /// assert_eq!(LaneOp::FloorDiv.to_string(), "floor_div");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum LaneOp {
            $($(#[$doc])* $op,)+
            /// `x` to a constant whole power, by repeated multiplication from the left.
            Powi(i32),
            /// The value in another element type.
            Cast(DType),
            /// A number in [0, 1) of the given float type from (key, counter, index).
            RandomUniform(DType),
            /// A standard normal number of the given float type from (key, counter, index).
            RandomNormal(DType),
        }

        impl LaneOp {
            /// All operations without a parameter.
            pub const PLAIN: &[LaneOp] = &[$(LaneOp::$op),+];

            /// Its name without the parameter.
            pub fn name(self) -> &'static str {
                match self {
                    $(LaneOp::$op => $name,)+
                    LaneOp::Powi(_) => "powi",
                    LaneOp::Cast(_) => "cast",
                    LaneOp::RandomUniform(_) => "random_uniform",
                    LaneOp::RandomNormal(_) => "random_normal",
                }
            }

            /// How many operands it takes.
            pub fn arity(self) -> usize {
                match self {
                    $(LaneOp::$op => $arity,)+
                    LaneOp::Powi(_) | LaneOp::Cast(_) => 1,
                    LaneOp::RandomUniform(_) | LaneOp::RandomNormal(_) => 3,
                }
            }
        }
    };
}

lane_ops! {
    /// `-x`; integers wrap.
    Neg "neg" 1;
    /// The magnitude; the smallest integer stays as it is.
    Abs "abs" 1;
    /// −1, 0 or 1; keeps −0 and NaN.
    Sign "sign" 1;
    /// e to the power x.
    Exp "exp" 1;
    /// eˣ − 1, accurate near zero.
    Expm1 "expm1" 1;
    /// The natural logarithm.
    Ln "ln" 1;
    /// `ln` where x is in [1, 2], or NaN: the same bits in fewer steps. Of other x it is any number.
    LnOctave "ln_octave" 1;
    /// ln(1 + x), accurate near zero.
    Ln1p "ln_1p" 1;
    /// `ln_1p` where x is in [0, 1], but not −0, or NaN: the same bits in fewer steps. Of other x it is any number.
    Ln1pUnit "ln_1p_unit" 1;
    /// The square root.
    Sqrt "sqrt" 1;
    /// `1 / sqrt(x)`, two roundings.
    Rsqrt "rsqrt" 1;
    /// The sine.
    Sin "sin" 1;
    /// The cosine.
    Cos "cos" 1;
    /// The tangent.
    Tan "tan" 1;
    /// The angle in [−π/2, π/2] whose sine is x.
    Asin "asin" 1;
    /// The angle in [0, π] whose cosine is x.
    Acos "acos" 1;
    /// The angle in [−π/2, π/2] whose tangent is x.
    Atan "atan" 1;
    /// The hyperbolic sine.
    Sinh "sinh" 1;
    /// The hyperbolic cosine.
    Cosh "cosh" 1;
    /// The number whose hyperbolic sine is x.
    Asinh "asinh" 1;
    /// The number, not negative, whose hyperbolic cosine is x.
    Acosh "acosh" 1;
    /// The number whose hyperbolic tangent is x.
    Atanh "atanh" 1;
    /// The hyperbolic tangent.
    Tanh "tanh" 1;
    /// `1 / (1 + exp(-x))`.
    Logistic "logistic" 1;
    /// The error function.
    Erf "erf" 1;
    /// The number whose error function is x.
    ErfInv "erf_inv" 1;
    /// Rounds down.
    Floor "floor" 1;
    /// Rounds up.
    Ceil "ceil" 1;
    /// Rounds to the nearest whole number, halves to the even one.
    Round "round" 1;
    /// Whether x is NaN.
    IsNan "is_nan" 1;
    /// Whether x is neither NaN nor infinite.
    IsFinite "is_finite" 1;
    /// The opposite truth value; of an integer, all bits flipped.
    Not "not" 1;
    /// `a + b`
    Add "add" 2;
    /// `a - b`
    Sub "sub" 2;
    /// `a * b`
    Mul "mul" 2;
    /// `a / b`, floats only.
    Div "div" 2;
    /// The quotient rounded down.
    FloorDiv "floor_div" 2;
    /// What the rounded-down quotient leaves; has the sign of the divisor.
    Rem "rem" 2;
    /// `a` to the power `b`.
    Pow "pow" 2;
    /// The angle of the point (b, a).
    Atan2 "atan2" 2;
    /// The larger; NaN if either is NaN.
    Max "max" 2;
    /// The smaller; NaN if either is NaN.
    Min "min" 2;
    /// Both.
    And "and" 2;
    /// Either.
    Or "or" 2;
    /// One of both.
    Xor "xor" 2;
    /// Left shift by `b` modulo the width.
    Shl "shl" 2;
    /// Right shift by `b` modulo the width; copies the sign of signed types.
    Shr "shr" 2;
    /// `a < b`
    Lt "lt" 2;
    /// `a <= b`
    Le "le" 2;
    /// `a > b`
    Gt "gt" 2;
    /// `a >= b`
    Ge "ge" 2;
    /// `a == b`
    Eq "eq" 2;
    /// `a != b`
    Ne "ne" 2;
    /// `if c { a } else { b }`
    Select "select" 3;
    /// The 32 random bits of (key, counter, index), as an i32.
    RandomBits "random_bits" 3;
}

/// The element types that an operand may have.
struct Class {
    what: &'static str,
    accepts: fn(DType) -> bool,
}

const FLOAT: Class = Class { what: "f32 or f64", accepts: DType::is_float };
const INT: Class = Class { what: "an integer type", accepts: DType::is_int };
const NUMBER: Class = Class { what: "a float or integer type", accepts: |t| t.is_float() || t.is_int() };
const LOGICAL: Class = Class { what: "bool or an integer type", accepts: |t| t == Bool || t.is_int() };
const ANY: Class = Class { what: "any type", accepts: |_| true };

impl LaneOp {
    /// The element type of its result, or what is wrong with its operands.
    ///
    /// ```
    /// use tracelift_kernel::lane::LaneOp;
    /// use tracelift_tensor::DType::{Bool, F32, I32};
    /// assert_eq!(LaneOp::Lt.result_type(&[F32, F32]), Ok(Bool));
    /// assert_eq!(LaneOp::Exp.result_type(&[I32]).unwrap_err(), "`exp` takes f32 or f64, not i32");
    /// ```
    pub fn result_type(self, operands: &[DType]) -> Result<DType, String> {
        if operands.len() != self.arity() {
            return Err(format!("`{self}` takes {} operands, not {}", self.arity(), operands.len()));
        }
        match self {
            LaneOp::Select => {
                if operands[0] != Bool {
                    return Err(format!("the condition of `select` is bool, not {}", operands[0]));
                }
                self.check_equal(&operands[1..])
            }
            LaneOp::RandomBits | LaneOp::RandomUniform(_) | LaneOp::RandomNormal(_) => {
                if let Some(wrong) = operands.iter().find(|&&t| t != I64) {
                    return Err(format!("`{self}` takes key, counter and index as i64, not {wrong}"));
                }
                match self {
                    LaneOp::RandomUniform(to) | LaneOp::RandomNormal(to) if to.is_float() => Ok(to),
                    LaneOp::RandomUniform(to) | LaneOp::RandomNormal(to) => {
                        Err(format!("`{}` gives f32 or f64, not {to}", self.name()))
                    }
                    _ => Ok(I32),
                }
            }
            _ => {
                let class = self.class();
                if let Some(wrong) = operands.iter().find(|&&t| !(class.accepts)(t)) {
                    return Err(format!("`{self}` takes {}, not {wrong}", class.what));
                }
                let common = self.check_equal(operands)?;
                Ok(match self {
                    LaneOp::IsNan | LaneOp::IsFinite => Bool,
                    LaneOp::Lt | LaneOp::Le | LaneOp::Gt | LaneOp::Ge | LaneOp::Eq | LaneOp::Ne => Bool,
                    LaneOp::Cast(to) => to,
                    _ => common,
                })
            }
        }
    }

    fn check_equal(self, operands: &[DType]) -> Result<DType, String> {
        match operands {
            [a, b] if a != b => Err(format!("`{self}` takes operands of one type, not {a} and {b}")),
            _ => Ok(operands[0]),
        }
    }

    /// Which types the operands may have, for ops whose operands share one type.
    fn class(self) -> Class {
        use LaneOp::*;
        match self {
            Exp | Expm1 | Ln | LnOctave | Ln1p | Ln1pUnit | Sqrt | Rsqrt | Logistic | Erf | ErfInv => FLOAT,
            Sin | Cos | Tan | Asin | Acos | Atan | Atan2 => FLOAT,
            Sinh | Cosh | Tanh | Asinh | Acosh | Atanh => FLOAT,
            Floor | Ceil | Round | IsNan | IsFinite | Div => FLOAT,
            Neg | Abs | Sign | Add | Sub | Mul | FloorDiv | Rem | Pow | Powi(_) => NUMBER,
            Lt | Le | Gt | Ge => NUMBER,
            Not | And | Or | Xor => LOGICAL,
            Shl | Shr => INT,
            Max | Min | Eq | Ne | Cast(_) | Select => ANY,
            RandomBits | RandomUniform(_) | RandomNormal(_) => INT,
        }
    }

    /// Whether evaluating it may fail for some operands of this type: integer division by zero does.
    pub fn can_fault(self, dtype: DType) -> bool {
        matches!(self, LaneOp::FloorDiv | LaneOp::Rem) && dtype.is_int()
    }
}

impl fmt::Display for LaneOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LaneOp::Powi(n) => write!(f, "powi.{n}"),
            LaneOp::Cast(to) | LaneOp::RandomUniform(to) | LaneOp::RandomNormal(to) => {
                write!(f, "{}.{to}", self.name())
            }
            plain => f.write_str(plain.name()),
        }
    }
}

impl FromStr for LaneOp {
    type Err = String;

    fn from_str(text: &str) -> Result<LaneOp, String> {
        let unknown = || format!("no scalar operation is called `{text}`");
        let Some((name, parameter)) = text.split_once('.') else {
            return LaneOp::PLAIN.iter().copied().find(|op| op.name() == text).ok_or_else(unknown);
        };
        let dtype = || parameter.parse::<DType>().map_err(|_| format!("no element type is called `{parameter}`"));
        match name {
            "powi" => parameter.parse().map(LaneOp::Powi).map_err(|_| format!("`{parameter}` is no i32 exponent")),
            "cast" => dtype().map(LaneOp::Cast),
            "random_uniform" => dtype().map(LaneOp::RandomUniform),
            "random_normal" => dtype().map(LaneOp::RandomNormal),
            _ => Err(unknown()),
        }
    }
}

impl From<LaneOp> for String {
    fn from(op: LaneOp) -> String {
        op.to_string()
    }
}

impl TryFrom<String> for LaneOp {
    type Error = String;

    fn try_from(text: String) -> Result<LaneOp, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::DType::{F32, F64, U8};

    fn every_op() -> Vec<LaneOp> {
        let mut ops = LaneOp::PLAIN.to_vec();
        ops.extend([-3, 0, 7].map(LaneOp::Powi));
        for dtype in [F32, F64, I32, I64, U8, Bool] {
            ops.extend([LaneOp::Cast(dtype), LaneOp::RandomUniform(dtype), LaneOp::RandomNormal(dtype)]);
        }
        ops
    }

    #[test]
    fn texts_read_back() {
        for op in every_op() {
            assert_eq!(op.to_string().parse(), Ok(op));
        }
        assert_eq!("frob".parse::<LaneOp>().unwrap_err(), "no scalar operation is called `frob`");
        assert_eq!("cast.f31".parse::<LaneOp>().unwrap_err(), "no element type is called `f31`");
        assert_eq!("powi.x".parse::<LaneOp>().unwrap_err(), "`x` is no i32 exponent");
        assert_eq!("add.f32".parse::<LaneOp>().unwrap_err(), "no scalar operation is called `add.f32`");
    }

    #[test]
    fn types_are_checked() {
        let err = |op: LaneOp, types: &[DType]| op.result_type(types).unwrap_err();
        assert_eq!(LaneOp::Select.result_type(&[Bool, I64, I64]), Ok(I64));
        assert_eq!(LaneOp::RandomBits.result_type(&[I64; 3]), Ok(I32));
        assert_eq!(LaneOp::Cast(U8).result_type(&[Bool]), Ok(U8));
        assert_eq!(err(LaneOp::Add, &[F32]), "`add` takes 2 operands, not 1");
        assert_eq!(err(LaneOp::Add, &[F32, I32]), "`add` takes operands of one type, not f32 and i32");
        assert_eq!(err(LaneOp::Add, &[Bool, Bool]), "`add` takes a float or integer type, not bool");
        assert_eq!(err(LaneOp::Div, &[I32, I32]), "`div` takes f32 or f64, not i32");
        assert_eq!(err(LaneOp::Select, &[I32, F32, F32]), "the condition of `select` is bool, not i32");
        assert_eq!(err(LaneOp::RandomNormal(I32), &[I64, I64, I64]), "`random_normal` gives f32 or f64, not i32");
    }
}
