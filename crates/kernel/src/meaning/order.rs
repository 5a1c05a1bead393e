//! The kinds of reductions and the two orders in which they combine.

use crate::lane::LaneOp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tracelift_tensor::DType;

/// What a reduction makes of many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReduceKind {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// The smallest; NaN if there is one.
    Min,
    /// The largest; NaN if there is one.
    Max,
    /// Whether any is true.
    Any,
    /// Whether all are true.
    All,
    /// Where the largest is: the first of equals, the first NaN if there is one.
    ArgMax,
    /// Where the smallest is: the first of equals, the first NaN if there is one.
    ArgMin,
}

/// How the values of one block are combined; an attribute of a reduction that no pass changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReduceOrder {
    /// Element j of a block goes to lane j mod 32, then a fixed tree joins the lanes. The last axis is reduced.
    Lanes,
    /// One after the other. The last axis is kept.
    Chain,
}

impl ReduceKind {
    /// The operation that joins two results; of places, the one that joins what they are the places of.
    pub fn join_op(self) -> LaneOp {
        match self {
            ReduceKind::Sum => LaneOp::Add,
            ReduceKind::Prod => LaneOp::Mul,
            ReduceKind::Min | ReduceKind::ArgMin => LaneOp::Min,
            ReduceKind::Max | ReduceKind::ArgMax => LaneOp::Max,
            ReduceKind::Any => LaneOp::Or,
            ReduceKind::All => LaneOp::And,
        }
    }

    /// All kinds.
    pub const ALL: [ReduceKind; 8] = [
        ReduceKind::Sum,
        ReduceKind::Prod,
        ReduceKind::Min,
        ReduceKind::Max,
        ReduceKind::Any,
        ReduceKind::All,
        ReduceKind::ArgMax,
        ReduceKind::ArgMin,
    ];

    /// Its name in texts.
    pub fn name(self) -> &'static str {
        match self {
            ReduceKind::Sum => "sum",
            ReduceKind::Prod => "prod",
            ReduceKind::Min => "min",
            ReduceKind::Max => "max",
            ReduceKind::Any => "any",
            ReduceKind::All => "all",
            ReduceKind::ArgMax => "argmax",
            ReduceKind::ArgMin => "argmin",
        }
    }

    /// The element type of its result, or what is wrong with its operand.
    pub fn result_type(self, operand: DType) -> Result<DType, String> {
        let number = operand.is_float() || operand.is_int();
        match self {
            ReduceKind::Sum | ReduceKind::Prod if number => Ok(operand),
            ReduceKind::Min | ReduceKind::Max if number || operand == DType::Bool => Ok(operand),
            ReduceKind::Any | ReduceKind::All if operand == DType::Bool => Ok(DType::Bool),
            ReduceKind::ArgMax | ReduceKind::ArgMin if number => Ok(DType::I64),
            ReduceKind::Any | ReduceKind::All => Err(format!("`{self}` takes bool, not {operand}")),
            _ => Err(format!("`{self}` takes a float or integer type, not {operand}")),
        }
    }

    /// Whether it answers where an element is, rather than what it is.
    pub fn answers_position(self) -> bool {
        matches!(self, ReduceKind::ArgMax | ReduceKind::ArgMin)
    }

    /// Whether it has a value for no elements at all.
    pub fn has_identity(self) -> bool {
        matches!(self, ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Any | ReduceKind::All)
    }
}

impl fmt::Display for ReduceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ReduceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<ReduceKind, String> {
        let found = ReduceKind::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("no reduction is called `{text}`"))
    }
}

impl ReduceOrder {
    /// The order of a reduction that does or does not reduce the last axis.
    pub fn for_last_axis(reduced: bool) -> ReduceOrder {
        if reduced { ReduceOrder::Lanes } else { ReduceOrder::Chain }
    }
}

impl fmt::Display for ReduceOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReduceOrder::Lanes => "lanes",
            ReduceOrder::Chain => "chain",
        })
    }
}

impl FromStr for ReduceOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<ReduceOrder, String> {
        match text {
            "lanes" => Ok(ReduceOrder::Lanes),
            "chain" => Ok(ReduceOrder::Chain),
            _ => Err(format!("no reduction order is called `{text}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        for kind in ReduceKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for order in [ReduceOrder::Lanes, ReduceOrder::Chain] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        assert_eq!("mean".parse::<ReduceKind>().unwrap_err(), "no reduction is called `mean`");
    }
}
