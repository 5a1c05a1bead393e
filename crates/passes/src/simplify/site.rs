//! What a rule sees, and how rules are tried.

use super::rules::RULES;
use tracelift_ir::{Builder, Laws, Op, Type, Value};
use tracelift_tensor::{DType, Result};

/// One equation.
pub struct Rule {
    /// Its name in tests.
    pub name: &'static str,
    /// What it says, as text.
    pub equation: &'static str,
    /// The right side, if the node is the left side.
    pub apply: fn(&mut Site<'_>) -> Result<Option<Value>>,
}

/// A node about to be made: its op on operands of the new graph.
pub struct Site<'a> {
    /// The new graph.
    pub b: &'a mut Builder,
    /// The op.
    pub op: &'a Op,
    /// Its operands.
    pub x: &'a [Value],
}

/// Tries all rules on a node; what a rule makes is tried in turn.
pub(super) fn apply(b: &mut Builder, op: &Op, x: &[Value]) -> Result<Option<Value>> {
    let mut site = Site { b, op, x };
    for rule in RULES {
        if let Some(value) = (rule.apply)(&mut site)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

impl Site<'_> {
    /// Makes a node, simplified.
    pub fn push(&mut self, op: impl Into<Op>, x: &[Value]) -> Result<Value> {
        let op = op.into();
        match apply(self.b, &op, x)? {
            Some(value) => Ok(value),
            None => self.b.push(op, x),
        }
    }

    /// The laws of the op for these operands.
    pub fn laws(&self) -> Laws {
        self.op.laws(self.x.first().and_then(|x| self.b.ty(*x).as_tensor()).map_or(DType::F32, |ty| ty.dtype))
    }

    /// The type of an operand.
    pub fn ty(&self, n: usize) -> &Type {
        self.b.ty(self.x[n])
    }

    /// The op that made an operand, with its own operands.
    pub fn made_by(&self, n: usize) -> (Op, Vec<Value>) {
        let node = self.b.node(self.x[n]);
        (node.op.clone(), node.operands.to_vec())
    }

    /// The op of one operand that made an operand, with what it was applied to.
    pub fn made_by_op(&self, n: usize) -> Option<(Op, Value)> {
        let node = self.b.node(*self.x.get(n)?);
        Some((node.op.clone(), *node.operands.first()?))
    }

    /// The one number that an operand is everywhere, if that is known: a rank-0 constant, perhaps broadcast.
    pub fn number(&self, n: usize) -> Option<f64> {
        self.b.number_of(self.x[n])
    }

    /// Whether an operand is that very number everywhere; the two zeros are different.
    pub fn is(&self, n: usize, number: f64) -> bool {
        self.number(n).is_some_and(|known| known == number && known.is_sign_negative() == number.is_sign_negative())
    }
}
