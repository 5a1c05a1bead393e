//! The statements of random programs.

use crate::random::Chance;
use std::sync::Arc;
use tracelift_ir::ops::{Cond, Logistic, Save, Select, Sin, Tanh, While};
use tracelift_ir::{Builder, Graph, Op, ParamRole, Type, Value};
use tracelift_tensor::DType;

/// How deep branches and loops stand in each other.
const MAX_DEPTH: usize = 3;

/// A function or region that is being written.
pub(super) struct Block<'c> {
    b: Builder,
    values: Vec<Value>,
    float: Type,
    pub(super) chance: &'c mut Chance,
    depth: usize,
}

impl<'c> Block<'c> {
    pub(super) fn new(b: Builder, params: &[Value], float: &Type, chance: &'c mut Chance, depth: usize) -> Self {
        Block { b, values: params.to_vec(), float: float.clone(), chance, depth }
    }

    /// The builder, and the floats made last.
    pub(super) fn finish_with_floats(self) -> (Builder, Vec<Value>) {
        let is_float = |value: &&Value| *self.b.ty(**value) == self.float;
        let last = self.values.iter().rev().filter(is_float).take(2).copied().collect();
        (self.b, last)
    }

    pub(super) fn statements(&mut self, count: usize) {
        for _ in 0..count {
            let value = match self.chance.below(if self.depth < MAX_DEPTH { 12 } else { 7 }) {
                0..=3 => self.smooth(),
                4 => self.whole(),
                5 => self.truth(),
                6 => self.selected(),
                7 | 8 => self.branch(),
                9 | 10 => self.counted(),
                _ => self.open_ended(),
            };
            self.values.extend(value);
        }
    }

    fn push(&mut self, op: impl Into<Op>, operands: &[Value]) -> Vec<Value> {
        self.b.push_multi(op, operands).expect("a statement fits its operands").to_vec()
    }

    /// A value of a type, one made late more often than not.
    fn pick(&mut self, ty: &Type) -> Value {
        let fitting: Vec<Value> = self.values.iter().copied().filter(|value| self.b.ty(*value) == ty).collect();
        match fitting.len() {
            0 => self.literal(ty),
            count => fitting[count - 1 - self.chance.below(count.min(4))],
        }
    }

    fn literal(&mut self, ty: &Type) -> Value {
        let number = match ty.dtype() {
            DType::F64 => 0.2 + self.chance.unit(),
            _ => self.chance.below(2) as f64,
        };
        let number = self.b.number(ty.dtype(), number);
        if ty.rank() == 0 { number } else { self.b.broadcast(number, ty.shape().clone(), &[]).expect("numbers repeat") }
    }

    fn float(&mut self) -> Value {
        let ty = self.float.clone();
        if self.chance.one_in(6) { self.literal(&ty) } else { self.pick(&ty) }
    }

    /// `tanh(x * y + z)` and the like.
    fn smooth(&mut self) -> Vec<Value> {
        let (x, y) = (self.float(), self.float());
        let mixed = match self.chance.below(4) {
            0 => self.b.add(x, y),
            1 => self.b.sub(x, y),
            _ => self.b.mul(x, y),
        };
        let mixed = mixed.expect("floats have one type");
        match self.chance.below(4) {
            0 => self.push(Tanh, &[mixed]),
            1 => self.push(Sin, &[mixed]),
            2 => self.push(Logistic, &[mixed]),
            // A number that depends on how often a loop has run.
            _ => {
                let whole = self.pick(&Type::scalar(DType::I32));
                let number = self.b.cast(whole, DType::F64).expect("a number is cast");
                let number = self.push(Sin, &[number])[0];
                let shape = self.float.shape().clone();
                let number = self.b.broadcast(number, shape, &[]).expect("numbers repeat");
                let product = self.b.mul(mixed, number).expect("floats have one type");
                self.push(Tanh, &[product])
            }
        }
    }

    fn whole(&mut self) -> Vec<Value> {
        let int = Type::scalar(DType::I32);
        let (x, y) = (self.pick(&int), self.pick(&int));
        let sum = if self.chance.one_in(2) { self.b.add(x, y) } else { self.b.mul(x, y) };
        let seven = self.b.number(DType::I32, 7.0);
        vec![self.b.rem(sum.expect("whole numbers are added"), seven).expect("seven is not zero")]
    }

    fn truth(&mut self) -> Vec<Value> {
        let x = match self.chance.below(3) {
            0 => return vec![self.of_floats(0.1)],
            _ => self.pick(&Type::scalar(DType::I32)),
        };
        let bound = self.chance.below(4) as f64;
        let bound = self.b.number(DType::I32, bound);
        vec![self.b.lt(x, bound).expect("whole numbers are compared")]
    }

    /// Whether the sum of some floats is below a bound.
    fn of_floats(&mut self, bound: f64) -> Value {
        let x = self.float();
        let axes: Vec<usize> = (0..self.b.ty(x).rank()).collect();
        let sum = if axes.is_empty() { x } else { self.b.sum(x, &axes, false).expect("floats have sums") };
        let bound = self.b.number(DType::F64, bound);
        self.b.lt(sum, bound).expect("numbers are compared")
    }

    fn selected(&mut self) -> Vec<Value> {
        let condition = self.pick(&Type::scalar(DType::Bool));
        let shape = self.float.shape().clone();
        let condition = self.b.broadcast(condition, shape, &[]).expect("truth values repeat");
        let (x, y) = (self.float(), self.float());
        self.push(Select, &[condition, x, y])
    }

    fn captures(&mut self) -> Vec<Value> {
        (0..1 + self.chance.below(3)).map(|_| *self.chance.pick(&self.values)).collect()
    }

    fn types(&self, values: &[Value]) -> Vec<Type> {
        values.iter().map(|value| self.b.ty(*value).clone()).collect()
    }

    /// A region that answers values of given types.
    fn region(&mut self, given: &[Type], wanted: &[Type]) -> Graph {
        let mut b = Builder::new("region");
        let params: Vec<Value> = given.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let mut inner = Block::new(b, &params, &self.float, self.chance, self.depth + 1);
        let count = 1 + inner.chance.below(4);
        inner.statements(count);
        let results: Vec<Value> = wanted.iter().map(|ty| inner.pick(ty)).collect();
        inner.b.finish(&results).expect("a region is a graph")
    }

    fn branch(&mut self) -> Vec<Value> {
        let condition = self.pick(&Type::scalar(DType::Bool));
        let captured = self.captures();
        let given = self.types(&captured);
        let mut wanted = vec![self.float.clone()];
        if self.chance.one_in(3) {
            wanted.push(Type::scalar(DType::I32));
        }
        let then = Arc::new(self.region(&given, &wanted));
        let otherwise = Arc::new(self.region(&given, &wanted));
        let operands: Vec<Value> = std::iter::once(condition).chain(captured).collect();
        self.push(Cond::new(then, otherwise), &operands)
    }

    /// `for i in 0..n`, with a limit that is known, or given, or computed.
    fn counted(&mut self) -> Vec<Value> {
        let limit = match self.chance.below(3) {
            0 => {
                let limit = self.chance.below(4) as f64;
                self.b.number(DType::I32, limit)
            }
            _ => {
                let x = self.pick(&Type::scalar(DType::I32));
                let five = self.b.number(DType::I32, 5.0);
                self.b.rem(x, five).expect("five is not zero")
            }
        };
        self.repeat(limit, false)
    }

    /// A loop that also ends when a float says so.
    fn open_ended(&mut self) -> Vec<Value> {
        let limit = self.b.number(DType::I32, 5.0);
        self.repeat(limit, true)
    }

    fn repeat(&mut self, limit: Value, asks_floats: bool) -> Vec<Value> {
        let start = self.b.number(DType::I32, 0.0);
        let mut carried = vec![start];
        carried.extend((0..1 + self.chance.below(2)).map(|_| self.float()));
        if self.chance.one_in(2) {
            let kind = if self.chance.one_in(2) { DType::I32 } else { DType::Bool };
            carried.push(self.pick(&Type::scalar(kind)));
        }
        let kept = self.types(&carried);
        let operands: Vec<Value> = carried.into_iter().chain([limit]).chain(self.captures()).collect();
        let given = self.types(&operands);
        let condition = {
            let mut b = Builder::new("condition");
            let params: Vec<Value> = given.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
            let mut inner = Block::new(b, &params[1..2], &self.float, self.chance, MAX_DEPTH);
            let counts = inner.b.lt(params[0], params[kept.len()]).expect("whole numbers are compared");
            let go_on = match asks_floats {
                true => {
                    let small = inner.of_floats(0.6);
                    inner.b.and(counts, small).expect("truth values are joined")
                }
                false => counts,
            };
            Arc::new(inner.b.finish(&[go_on]).expect("a region is a graph"))
        };
        let body = self.region(&given, &kept[1..]);
        let body = Arc::new(counting(&body));
        let save = match self.chance.below(4) {
            0 => Save::Residuals,
            1 => Save::Carried,
            2 => Save::default(),
            // Enough for some loops.
            _ => Save::Within(64),
        };
        self.push(While { save, ..While::new(condition, body) }, &operands)
    }
}

/// The region with a further result in front: its first parameter, and one more.
fn counting(body: &Graph) -> Graph {
    let mut b = Builder::new(body.name());
    let params: Vec<Value> = body.param_types().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let made = b.splice(body, &params).expect("a graph fits itself");
    let one = b.number(DType::I32, 1.0);
    let next = b.add(params[0], one).expect("a counter counts");
    let results: Vec<Value> = std::iter::once(next).chain(body.results().iter().map(|value| made[*value])).collect();
    b.finish(&results).expect("a region is a graph")
}
