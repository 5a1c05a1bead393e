//! A graph while it grows: values so far, parameters and their arguments.

use super::chance::Chance;
use super::{Case, elementwise, index, layout, regions, values, windows};
use smallvec::SmallVec;
use std::sync::Arc;
use tracelift_ir::{Builder, Graph, Infer, Op, ParamRole, Type, Value, ops};
use tracelift_tensor::{Array, Binding, DType, Dim, Shape};

/// No value has more elements: graphs are many, and engines slow in tests.
const MAX_ELEMENTS: i64 = 12_000;

/// How deep loops, branches and calls are nested.
const MAX_DEPTH: u32 = 2;

/// A graph, or a region of one, while it grows.
pub(super) struct Growth<'c> {
    pub(super) b: Builder,
    pub(super) chance: &'c mut Chance,
    pub(super) sizes: Binding,
    /// Tensors that further steps may use.
    pub(super) pool: Vec<Value>,
    pub(super) depth: u32,
    /// Arguments of the parameters; a region cannot have more than it was given.
    arguments: Option<Vec<Array>>,
    /// The last token, if there are effects.
    token: Option<Value>,
    states: Vec<(usize, Type)>,
}

impl<'c> Growth<'c> {
    pub(super) fn new(name: &str, sizes: Binding, chance: &'c mut Chance) -> Self {
        Growth {
            b: Builder::new(name),
            chance,
            sizes,
            pool: vec![],
            depth: 0,
            arguments: Some(vec![]),
            token: None,
            states: vec![],
        }
    }

    /// Parameters that say what the unknown sizes are, and perhaps a state.
    pub(super) fn first_parameters(&mut self) {
        for name in ["B", "C"] {
            if !self.chance.one_in(3) {
                let mut dims = vec![Dim::sym(name)];
                if self.chance.one_in(2) {
                    dims.push(self.known_dim());
                }
                let dtype = self.dtype();
                self.parameter(Type::tensor(dtype, dims), ParamRole::Input);
            }
        }
        for _ in 0..self.chance.below(3) {
            let dims: Vec<Dim> = (0..self.chance.below(4)).map(|_| self.known_dim()).collect();
            let dtype = self.dtype();
            self.parameter(Type::tensor(dtype, dims), ParamRole::Input);
        }
        if self.pool.is_empty() || self.chance.one_in(4) {
            let dims: Vec<Dim> = (0..self.chance.below(3)).map(|_| self.known_dim()).collect();
            let dtype = self.dtype();
            let ty = Type::tensor(dtype, dims);
            let state = self.parameter(ty.clone(), ParamRole::State);
            let position = self.b.params().iter().position(|param| Some(*param) == state);
            self.states.extend(position.map(|position| (position, ty)));
        }
    }

    fn known_dim(&mut self) -> Dim {
        // Once in a while more than one block of a reduction.
        let size =
            if self.chance.one_in(60) { 4100 } else { *self.chance.pick(&[0usize, 1, 2, 3, 4, 5, 7, 8, 16, 33]) };
        // Nothing comes of nothing: empty axes are rarer than others.
        Dim::from(if size == 0 && !self.chance.one_in(3) { 6 } else { size })
    }

    /// Mostly f32.
    pub(super) fn dtype(&mut self) -> DType {
        match self.chance.below(20) {
            0..=10 => DType::F32,
            11 | 12 => DType::F64,
            13 | 14 => DType::I32,
            15 | 16 => DType::I64,
            17 => DType::U8,
            _ => DType::Bool,
        }
    }

    /// Tries so many steps.
    pub(super) fn steps(&mut self, steps: usize) {
        for _ in 0..steps {
            let before = self.pool.len();
            self.step();
            if self.pool.len() > before && self.chance.one_in(8) {
                let name = *self.chance.pick(&["h", "loss/x", "y.1", "7"]);
                let last = self.pool[self.pool.len() - 1];
                self.b.set_name(last, name);
            }
        }
    }

    fn step(&mut self) {
        let nested = self.depth < MAX_DEPTH;
        // What does not fit is no step.
        let _ = match self.chance.below(100) {
            0..=66 => elementwise::step(self),
            67..=83 => layout::step(self),
            84..=90 => index::step(self),
            91 | 92 => windows::step(self),
            93..=97 if nested => regions::step(self),
            98 if self.depth == 0 => self.effect(),
            _ => elementwise::step(self),
        };
    }

    /// Shows a value.
    fn effect(&mut self) -> Option<()> {
        let value = self.any()?;
        if self.elements(&self.b.ty(value).clone()) > 40 {
            return None;
        }
        let token = match self.token {
            Some(token) => token,
            None => self.b.push(ops::Token, &[]).expect("a token takes nothing"),
        };
        let message = format!("message {}", self.chance.below(3));
        let print = self.b.push(ops::Print { message }, &[token, value]);
        self.token = Some(print.expect("any tensor can be printed"));
        Some(())
    }

    /// One of the values so far, likely a late one.
    pub(super) fn any(&mut self) -> Option<Value> {
        self.find(|_| true)
    }

    /// One of the values so far of that kind, likely a late one.
    pub(super) fn find(&mut self, fits: impl Fn(&Type) -> bool) -> Option<Value> {
        let fitting: Vec<Value> = self.pool.iter().copied().filter(|value| fits(self.b.ty(*value))).collect();
        let count = fitting.len();
        let back = match self.chance.below(3) {
            0 => self.chance.below(count.max(1)),
            _ => self.chance.below(count.clamp(1, 3)),
        };
        fitting.get(count.checked_sub(1 + back)?).copied()
    }

    /// A value of that very type: one there is, a new parameter, or a number everywhere.
    pub(super) fn of_type(&mut self, ty: &Type) -> Value {
        if !self.chance.one_in(4)
            && let Some(value) = self.find(|known| known == ty)
        {
            return value;
        }
        match self.arguments {
            Some(_) if self.chance.one_in(2) => self.parameter(ty.clone(), ParamRole::Input),
            _ => None,
        }
        .unwrap_or_else(|| self.number(ty))
    }

    /// A new parameter of that type, if there can be one.
    pub(super) fn parameter(&mut self, ty: Type, role: ParamRole) -> Option<Value> {
        let dims = ty.shape().eval(&self.sizes).ok()?;
        let array = values::array(self.chance, ty.dtype(), &dims);
        self.parameter_of(ty, role, array)
    }

    /// A new parameter with its argument, if there can be one.
    pub(super) fn parameter_of(&mut self, ty: Type, role: ParamRole, array: Array) -> Option<Value> {
        // An unknown is read where it stands alone: whoever comes later may only use it.
        let known = |b: &Builder, dim: &Dim| {
            dim.as_sym().is_some() || dim.syms().iter().all(|sym| reads(b).any(|read| read == *sym))
        };
        if !ty.shape().iter().all(|dim| known(&self.b, dim)) {
            return None;
        }
        self.arguments.as_mut()?.push(array);
        let name = if self.chance.one_in(2) { format!("x{}", self.b.params().len()) } else { String::new() };
        let value = self.b.param(name, ty, role);
        self.pool.push(value);
        Some(value)
    }

    /// The same number everywhere.
    pub(super) fn number(&mut self, ty: &Type) -> Value {
        let number: f64 = *self.chance.pick(&[0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -0.0, 1e30]);
        let number = if ty.is_float() { number } else { number.clamp(0.0, 3.0).trunc() };
        self.exactly(ty, number)
    }

    /// That number everywhere.
    pub(super) fn exactly(&mut self, ty: &Type, number: f64) -> Value {
        let scalar = self.b.number(ty.dtype(), number);
        match ty.rank() {
            0 => scalar,
            _ => self.b.broadcast(scalar, ty.shape().clone(), &[]).expect("a number fits every shape"),
        }
    }

    /// Whether every unknown of a type is read from a parameter, and its values are not too many.
    pub(super) fn is_small(&self, ty: &Type) -> bool {
        let elements = ty.shape().num_elements().eval(&self.sizes);
        elements.is_ok_and(|elements| (0..=MAX_ELEMENTS).contains(&elements))
    }

    /// How many elements a type has.
    pub(super) fn elements(&self, ty: &Type) -> i64 {
        ty.shape().num_elements().eval(&self.sizes).unwrap_or(i64::MAX)
    }

    /// The size of a dim.
    pub(super) fn size(&self, dim: &Dim) -> usize {
        dim.eval(&self.sizes).ok().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
    }

    /// Adds a node if inference takes it and all that it assumes holds; its results may be used from then on.
    pub(super) fn push(&mut self, op: impl Into<Op>, operands: &[Value]) -> Option<SmallVec<[Value; 2]>> {
        let op = op.into();
        let types: Vec<Type> = operands.iter().map(|value| self.b.ty(*value).clone()).collect();
        let mut infer = Infer::new();
        let results = op.infer(&mut infer, &types).ok()?;
        let holds = infer.into_guards().iter().all(|guard| guard.holds(&self.sizes).unwrap_or(false));
        if !holds || !results.iter().all(|ty| self.is_small(ty)) {
            return None;
        }
        let made = self.b.push_multi(op, operands).ok()?;
        self.pool.extend(made.iter().copied());
        Some(made)
    }

    /// A region over values of these types that answers values of those; grown from a few steps.
    pub(super) fn region(&mut self, name: &str, params: &[Type], wanted: &[Type], sizes: Binding) -> Arc<Graph> {
        let mut inner = Growth::new(name, sizes, &mut *self.chance);
        inner.depth = self.depth + 1;
        inner.arguments = None;
        inner.pool = params.iter().map(|ty| inner.b.param("", ty.clone(), ParamRole::Input)).collect();
        let steps = inner.chance.below(6);
        inner.steps(steps);
        let results: Vec<Value> = wanted.iter().map(|ty| inner.of_type(ty)).collect();
        Arc::new(inner.b.finish(&results).expect("results are values of the region"))
    }

    /// The case that has grown.
    pub(super) fn finish(mut self) -> Case {
        let mut results = vec![];
        for _ in 0..1 + self.chance.below(3) {
            results.extend(self.any());
        }
        for (position, ty) in std::mem::take(&mut self.states) {
            let value = self.of_type(&ty);
            self.b.set_state(position, value);
        }
        let graph = self.b.finish(&results).expect("results are values of the graph");
        Case { graph, arguments: self.arguments.expect("a function, not a region") }
    }
}

/// The unknowns that stand alone as an axis of a parameter.
fn reads(b: &Builder) -> impl Iterator<Item = tracelift_tensor::Sym> + '_ {
    b.params().iter().flat_map(|param| b.ty(*param).shape().iter().filter_map(Dim::as_sym).collect::<Vec<_>>())
}

/// The same sizes but for one axis.
pub(super) fn with_axis(shape: &Shape, axis: usize, dim: impl Into<Dim>) -> Shape {
    let mut dims: Vec<Dim> = shape.iter().cloned().collect();
    dims[axis] = dim.into();
    Shape::from_iter(dims)
}
