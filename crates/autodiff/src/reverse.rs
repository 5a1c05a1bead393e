//! The walk back over the nodes between targets and sources.

use crate::regions::Region;
use std::ops::Range;
use tracelift_ir::ops::StackNew;
use tracelift_ir::{Builder, Node, NodeIndex, Op, Type, Value, ValueMap, Vjp, VjpRule};
use tracelift_tensor::{Error, Result};

/// What is known of the gradient with respect to a value.
#[derive(Clone, Copy, Debug)]
enum Cotangent {
    /// A path exists, along which nothing changes.
    Zero,
    /// The sum of what has come along the paths walked so far.
    Value(Value),
}

/// Appends the gradients of targets with respect to sources.
///
/// `targets` are values with the cotangents they start from (of the same type; the gradient is that of
/// Σ target · cotangent). The answer has an entry per source: `None` where no path of nodes with gradients leads
/// from the source to a target. Where several paths meet, their cotangents are added in the order of the walk, which is the
/// reverse of the order in which the nodes were made.
///
/// # Errors
///
/// A path through an op that has no gradient names the op and the line that made it.
///
/// ```
/// use tracelift_autodiff::gradients;
/// use tracelift_ir::{Builder, ParamRole, Type, evaluate};
/// use tracelift_tensor::{Array, F64};
///
/// let mut b = Builder::new("f");
/// let x = b.param("x", Type::scalar(F64), ParamRole::Input);
/// let y = b.mul(x, x)?;
/// let one = b.scalar_like(y, 1.0)?;
/// let dx = gradients(&mut b, &[(y, one)], &[x])?[0].expect("y depends on x");
/// let graph = b.finish(&[dx])?;
/// assert_eq!(evaluate(&graph, &[Array::scalar(3.0_f64)])?[0].item::<f64>()?, 6.0);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn gradients(b: &mut Builder, targets: &[(Value, Value)], sources: &[Value]) -> Result<Vec<Option<Value>>> {
    gradients_through(b, targets, sources, NodeIndex(0), &|_| true)
}

/// As [`gradients`], along paths that lead through some nodes only: those from `first` on for which `through` holds.
///
/// All other nodes are constants, except that a source is a source wherever it was made. The walk looks at no node before
/// `first`.
pub fn gradients_through(
    b: &mut Builder,
    targets: &[(Value, Value)],
    sources: &[Value],
    first: NodeIndex,
    through: &dyn Fn(NodeIndex) -> bool,
) -> Result<Vec<Option<Value>>> {
    let Some(last) = targets.iter().map(|(y, _)| y.node.0).max() else { return Ok(vec![None; sources.len()]) };
    let active = active(b, sources, first.0..last + 1, through);
    let mut walk = Walk { cotangents: ValueMap::with_capacity(last as usize + 1), active };
    for &(y, dy) in targets {
        if b.ty(y) != b.ty(dy) {
            let message = format!("wants a cotangent of type {} for a target of that type, not {}", b.ty(y), b.ty(dy));
            return Err(Error::invalid(message).op("gradient"));
        }
        walk.add(b, y, Cotangent::Value(dy))?;
    }
    let origin = b.origin().clone();
    for n in (first.0..=last).rev() {
        let index = NodeIndex(n);
        if walk.active.first(index) && through(index) {
            walk.node(b, index)?;
        }
    }
    b.at(origin);
    let found = sources.iter().map(|x| match walk.cotangents.get(*x).copied() {
        None => Ok(None),
        Some(Cotangent::Value(dx)) => Ok(Some(dx)),
        Some(Cotangent::Zero) => zeros(b, *x).map(Some),
    });
    found.collect()
}

/// The values that depend on a source along what has cotangents.
pub(crate) struct Active(ValueMap<()>);

impl Active {
    /// What is active among nodes, operands before users.
    pub(crate) fn among<'n>(
        sources: impl Iterator<Item = Value>,
        nodes: impl Iterator<Item = (NodeIndex, &'n Node)>,
    ) -> Active {
        let mut active = ValueMap::new();
        for source in sources {
            active.insert(source, ());
        }
        for (index, node) in nodes {
            if node.operands.iter().any(|x| active.contains(*x)) && node.types.iter().any(Type::has_cotangent) {
                for (result, ty) in node.types.iter().enumerate() {
                    // Result 0 stands for the node as a whole.
                    if result == 0 || ty.has_cotangent() {
                        active.insert(index.result(result), ());
                    }
                }
            }
        }
        Active(active)
    }

    pub(crate) fn holds(&self, value: Value) -> bool {
        self.0.contains(value)
    }

    /// Whether any result of a node is active; an op's results are active together.
    fn first(&self, index: NodeIndex) -> bool {
        self.0.contains(index.value())
    }
}

fn active(b: &Builder, sources: &[Value], nodes: Range<u32>, through: &dyn Fn(NodeIndex) -> bool) -> Active {
    let sources = sources.iter().copied().filter(|source| b.ty(*source).has_cotangent());
    Active::among(sources, nodes.map(NodeIndex).filter(|n| through(*n)).map(|n| (n, b.node(n))))
}

/// Zeros of the type of a value; of a stack, one that answers zeros.
pub(crate) fn zeros(b: &mut Builder, like: Value) -> Result<Value> {
    match b.ty(like).clone() {
        Type::Stack(item) => b.push(StackNew { item, capacity: None }, &[]),
        _ => b.zeros_like(like),
    }
}

struct Walk {
    cotangents: ValueMap<Cotangent>,
    active: Active,
}

impl Walk {
    fn add(&mut self, b: &mut Builder, x: Value, dx: Cotangent) -> Result {
        let sum = match (self.cotangents.get(x).copied(), dx) {
            (None | Some(Cotangent::Zero), dx @ Cotangent::Value(_)) => dx,
            (None, Cotangent::Zero) => Cotangent::Zero,
            (Some(before), Cotangent::Zero) => before,
            (Some(Cotangent::Value(before)), Cotangent::Value(dx)) => Cotangent::Value(b.add(before, dx)?),
        };
        self.cotangents.insert(x, sum);
        Ok(())
    }

    /// Passes the cotangents of a node's results on to its operands.
    fn node(&mut self, b: &mut Builder, index: NodeIndex) -> Result {
        let node = b.node(index);
        let arity = node.types.len();
        let float: Vec<bool> = node.types.iter().map(Type::has_cotangent).collect();
        let found: Vec<Option<Cotangent>> =
            (0..arity).map(|n| self.cotangents.get(index.result(n)).copied().filter(|_| float[n])).collect();
        if found.iter().all(Option::is_none) {
            return Ok(());
        }
        let (op, operands, origin) = (node.op.clone(), node.operands.clone(), node.origin.clone());
        let reached: Vec<Value> =
            operands.iter().copied().filter(|x| self.active.holds(*x) && b.ty(*x).has_cotangent()).collect();
        if reached.is_empty() {
            return Ok(());
        }
        let dy: Vec<Option<Value>> = found
            .iter()
            .map(|c| match c {
                Some(Cotangent::Value(dy)) => Some(*dy),
                _ => None,
            })
            .collect();
        if dy.iter().all(Option::is_none) {
            return reached.into_iter().try_for_each(|x| self.add(b, x, Cotangent::Zero));
        }
        let y: Vec<Value> = (0..arity).map(|n| index.result(n)).collect();
        b.at(origin.clone());
        let rule = op.vjp(&mut Vjp { b, x: &operands, y: &y, dy: &dy })?;
        let local = match rule {
            VjpRule::Local(local) => local,
            VjpRule::Region => {
                let wanted: Vec<bool> = operands.iter().map(|x| reached.contains(x)).collect();
                let region = Region { at: index, op: &op, x: &operands, wanted: &wanted, y: &y, dy: &dy };
                region.vjp(b).map_err(|e| if e.origin.is_unknown() { e.at(origin) } else { e })?
            }
            VjpRule::Zero => return reached.into_iter().try_for_each(|x| self.add(b, x, Cotangent::Zero)),
            VjpRule::NotDifferentiable(reason) => return Err(not_differentiable(b, &op, &operands, origin, reason)),
        };
        for (x, dx) in operands.iter().zip(local) {
            if let (Some(dx), true) = (dx, self.active.holds(*x)) {
                self.add(b, *x, Cotangent::Value(dx))?;
            }
        }
        Ok(())
    }
}

fn not_differentiable(
    b: &Builder,
    op: &Op,
    operands: &[Value],
    origin: tracelift_tensor::Origin,
    reason: &str,
) -> Error {
    Error::invalid(format!("has no gradient: {reason}"))
        .op(op.name())
        .operands(operands.iter().map(|x| b.ty(*x)))
        .at(origin)
        .help("use `stop_gradient` on its operand if nothing should flow through it")
}
