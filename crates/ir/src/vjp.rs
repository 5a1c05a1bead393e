//! What an op is given, and what it answers, when its gradient is built.

use crate::build::Builder;
use crate::value::Value;

/// The place where one node's gradient is built.
///
/// `x` and `y` are values of the graph being built, of the same types as the node's operands and results.
#[derive(Debug)]
pub struct Vjp<'a> {
    /// Takes the nodes of the rule.
    pub b: &'a mut Builder,
    /// The node's operands.
    pub x: &'a [Value],
    /// The node's results.
    pub y: &'a [Value],
    /// The cotangents of the results; `None` where no path leads on, or the result has no gradient.
    pub dy: &'a [Option<Value>],
}

/// How gradients pass through an op.
#[derive(Clone, Debug, PartialEq)]
pub enum VjpRule {
    /// The cotangents of the operands; `None` for an operand that never has one (an index, a condition).
    Local(Vec<Option<Value>>),
    /// The result does not change when operands change a little: a path exists, and the gradient along it is zero.
    Zero,
    /// The op owns graphs, and the rule is the differentiator's.
    Region,
    /// There is no gradient; why not.
    NotDifferentiable(&'static str),
}
