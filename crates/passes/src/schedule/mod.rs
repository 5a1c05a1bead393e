//! Scheduling: the graph becomes a [`Program`], steps in the order they run.
//!
//! Rank-0 values become registers, all others buffers. Each node (or `fusion`) becomes a kernel with its launch, a
//! library call, a scalar step, or nothing but another view of a buffer; regions of loops and branches become blocks
//! of steps. States are committed at the end, after everything that may fault.

mod control;
mod custom;
mod matmul;
mod nest;
mod body;
mod kept;
mod program;
mod signs;
mod stack;

pub(crate) use matmul::is_only_read_by_products;
use nest::Group;
pub(crate) use nest::lowering;
use program::{Parts, Place};
use tracelift_ir::{Graph, Lowering, NodeIndex, Op, ParamRole, Type, Value, ValueMap};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::program::{
    BufferId, Launch, Program, ResultPlace, Role, ScalarArg, SiteId, State, Step, Unknown,
};
use tracelift_tensor::{Array, DType, Error, Result};

/// Makes the program of a graph, fused or not.
///
/// A graph that finds sizes while it runs has none: a program's memory is planned from the sizes of its arguments.
pub fn schedule(graph: &Graph) -> Result<Program> {
    if graph.finds_sizes() {
        let message = "has a loop whose shapes change from round to round: there is no program of it";
        return Err(Error::invalid(message).op(graph.name()).help("it is evaluated op by op"));
    }
    let mut parts = Parts::default();
    let mut region = Region::new(graph, &mut parts);
    let states = region.enter()?;
    region.nodes()?;
    let results = region.leave()?;
    let steps = region.steps;
    Ok(Program {
        name: graph.name().to_string(),
        unknowns: unknowns(graph)?,
        guards: graph.guards().cloned().collect(),
        buffers: parts.buffers,
        registers: parts.registers,
        kernels: parts.kernels,
        states,
        steps,
        results,
        sites: parts.sites,
    })
}

/// For each parameter, how many before it are states.
fn state_numbers(graph: &Graph) -> Vec<usize> {
    let mut states = 0;
    let number = |role: &ParamRole| {
        let number = states;
        states += usize::from(*role == ParamRole::State);
        number
    };
    graph.roles().iter().map(number).collect()
}

/// Where each unknown size is read from at a call.
fn unknowns(graph: &Graph) -> Result<Vec<Unknown>> {
    let found = graph.unknowns();
    for ty in graph.param_types() {
        let Some(tensor) = ty.as_tensor() else { continue };
        for sym in tensor.shape.iter().flat_map(|dim| dim.syms()) {
            if !found.iter().any(|(known, ..)| *known == sym) {
                let message = format!("no argument of @{} has a size that is `{sym}` itself", graph.name());
                return Err(Error::invalid(message).help("give an argument an axis of exactly that size"));
            }
        }
    }
    let position = |param: usize| {
        let state = graph.roles()[param] == ParamRole::State;
        let before = graph.roles()[..param].iter().filter(|r| (**r == ParamRole::State) == state).count();
        (before as u32, state)
    };
    Ok(found
        .into_iter()
        .map(|(sym, param, axis)| {
            let (index, state) = position(param);
            Unknown { sym, index, state, axis: axis as u32 }
        })
        .collect())
}

/// One graph (the function, or a region of a loop or branch) on its way to steps.
struct Region<'g, 'p> {
    graph: &'g Graph,
    parts: &'p mut Parts,
    places: ValueMap<Place>,
    steps: Vec<Step>,
}

impl<'g, 'p> Region<'g, 'p> {
    fn new(graph: &'g Graph, parts: &'p mut Parts) -> Self {
        Region { graph, parts, places: ValueMap::with_capacity(graph.len()), steps: vec![] }
    }

    /// Gives the function's parameters their places.
    fn enter(&mut self) -> Result<Vec<State>> {
        let graph = self.graph;
        let (mut inputs, mut states) = (0, vec![]);
        for (&param, role) in graph.params().iter().zip(graph.roles()) {
            let name = graph.name_of(param).map(|n| n.to_string());
            let role = match role {
                ParamRole::State => {
                    states.push(State { name: name.clone().unwrap_or_default(), written: false });
                    Role::State(states.len() as u32 - 1)
                }
                ParamRole::Input | ParamRole::Captured => {
                    inputs += 1;
                    Role::Input(inputs - 1)
                }
            };
            let Some(ty) = graph.ty(param).as_tensor() else {
                return Err(Error::invalid(format!("@{} takes a {} as an argument", graph.name(), graph.ty(param))));
            };
            let buffer = self.parts.buffer(name.as_deref().unwrap_or("x"), ty.dtype, ty.shape.clone(), role);
            let place = if ty.shape.rank() == 0 { self.read(buffer) } else { Place::Buffer(buffer) };
            self.places.insert(param, place);
        }
        let numbers = state_numbers(graph);
        for pair in graph.states() {
            states[numbers[pair.param]].written = true;
        }
        Ok(states)
    }

    /// Schedules every node.
    fn nodes(&mut self) -> Result {
        for (id, _) in self.graph.nodes() {
            self.node(id)?;
        }
        Ok(())
    }

    /// Writes the function's results and commits its states.
    fn leave(&mut self) -> Result<Vec<ResultPlace>> {
        let graph = self.graph;
        let mut is_state = vec![false; graph.results().len()];
        graph.states().iter().for_each(|pair| is_state[pair.result] = true);
        let numbers = state_numbers(graph);
        let mut results = vec![];
        for (n, &value) in graph.results().iter().enumerate().filter(|(n, _)| !is_state[*n]) {
            let _ = n;
            let place = match self.place(value)? {
                Place::Scalar(arg) => ResultPlace::Scalar(arg),
                Place::Buffer(buffer) => ResultPlace::Buffer(self.output(buffer, results.len() as u32)),
                Place::Strided(_) | Place::Token | Place::Stack(_) => {
                    return Err(Error::invalid(format!("@{} cannot return a {}", graph.name(), graph.ty(value))));
                }
            };
            results.push(place);
        }
        for pair in graph.states() {
            let value = graph.results()[pair.result];
            let n = numbers[pair.param] as u32;
            let ty = graph.ty(value).clone();
            let name = graph.name_of(graph.params()[pair.param]).map_or("state".to_string(), |n| format!("{n}.next"));
            let to = self.parts.buffer(&name, ty.dtype(), ty.shape().clone(), Role::NextState(n));
            match self.place(value)? {
                Place::Scalar(value) => self.steps.push(Step::Write { to, value }),
                Place::Buffer(from) => self.steps.push(Step::Commit { to, from }),
                Place::Strided(_) | Place::Token | Place::Stack(_) => {
                    return Err(Error::invalid(format!("a variable cannot hold a {ty}")));
                }
            }
        }
        Ok(results)
    }

    /// The buffer of a result: the arena buffer itself where it can be given away, else a copy.
    fn output(&mut self, buffer: BufferId, n: u32) -> BufferId {
        if self.parts.buffers[buffer.0 as usize].role == Role::Arena && !self.parts.swapped.contains(&buffer) {
            self.parts.buffers[buffer.0 as usize].role = Role::Output(n);
            return buffer;
        }
        let like = self.parts.buffers[buffer.0 as usize].clone();
        let to = self.parts.buffer("out", like.dtype, like.shape, Role::Output(n));
        self.steps.push(Step::Copy { from: buffer, to });
        to
    }

    fn node(&mut self, id: NodeIndex) -> Result {
        let graph = self.graph;
        let node = graph.node(id);
        let value = id.value();
        // A branch or loop that only prints has no result.
        let ty = node.types.first().and_then(Type::as_tensor);
        let scalar = ty.is_some_and(|ty| ty.shape.rank() == 0);
        match lowering(graph, id) {
            Lowering::Parameter => {}
            Lowering::Const => self.constant(value),
            Lowering::Dim(dim) => {
                let dst = self.parts.register(DType::I64);
                self.steps.push(Step::Dim { dst, dim });
                let arg = self.cast(ScalarArg::Register(dst), graph.ty(value).dtype(), None);
                self.places.insert(value, Place::Scalar(arg));
            }
            Lowering::View => self.view(node.operands[0], value)?,
            Lowering::Lane(op) if scalar => {
                let args = node.operands.iter().map(|x| self.scalar(*x)).collect::<Result<Vec<_>>>()?;
                let site = op.can_fault(graph.ty(node.operands[0]).dtype()).then(|| self.site(id));
                let arg = self.scalar_step(op, args, graph.ty(value).dtype(), site);
                self.places.insert(value, Place::Scalar(arg));
            }
            Lowering::Index(_) if scalar => self.view(node.operands[0], value)?,
            Lowering::Index(_) if matmul::is_only_read_by_products(graph, id) => matmul::defer(self, id)?,
            // The position of the largest among one is 0.
            Lowering::Reduce(spec) if spec.axes.is_empty() && spec.kind.answers_position() => {
                custom::fill(self, value, Scalar::I64(0));
            }
            Lowering::Reduce(spec) if spec.axes.is_empty() => self.view(node.operands[0], value)?,
            Lowering::Lane(_) | Lowering::Index(_) | Lowering::Reduce(_) | Lowering::Iota { .. } => {
                let mut inputs = node.operands.to_vec();
                inputs.dedup();
                self.group(Group::new(graph, inputs.clone(), vec![value], vec![id]), &inputs, &[value], id)?;
            }
            Lowering::Library(library) => matmul::schedule(self, id, &library)?,
            Lowering::Kernel(kernel) => custom::schedule(self, id, &kernel)?,
            Lowering::Fusion => control::fusion(self, id)?,
            Lowering::Control => control::schedule(self, id)?,
            Lowering::Stack => stack::schedule(self, id)?,
            Lowering::Host => custom::host(self, id)?,
        }
        Ok(())
    }

    fn constant(&mut self, value: Value) {
        let Op::Constant(constant) = &self.graph.node(value).op else {
            panic!("only `const` is lowered as a literal:\n{}", self.graph)
        };
        let array = constant.value();
        let place = if array.rank() == 0 {
            Place::Scalar(ScalarArg::Const(literal(array)))
        } else {
            let ty = self.graph.ty(value);
            Place::Buffer(self.parts.buffer("c", ty.dtype(), ty.shape().clone(), Role::Constant(array.clone())))
        };
        self.places.insert(value, place);
    }

    /// The same elements with another shape; registers stand for rank 0.
    fn view(&mut self, from: Value, value: Value) -> Result {
        let ty = self.graph.ty(value).clone();
        let place = match (self.place(from)?, ty.as_tensor()) {
            (place, None) => place,
            (place @ Place::Scalar(_), Some(ty)) if ty.shape.rank() == 0 => place,
            (Place::Scalar(arg), Some(ty)) => {
                let to = self.parts.buffer("one", ty.dtype, ty.shape.clone(), Role::Arena);
                self.steps.push(Step::Write { to, value: arg });
                Place::Buffer(to)
            }
            (Place::Buffer(buffer), Some(ty)) if ty.shape.rank() == 0 => self.read(buffer),
            (Place::Buffer(buffer), Some(ty)) if self.parts.buffers[buffer.0 as usize].shape == ty.shape => {
                Place::Buffer(buffer)
            }
            (Place::Buffer(buffer), Some(ty)) => {
                Place::Buffer(self.parts.buffer("view", ty.dtype, ty.shape.clone(), Role::View(buffer)))
            }
            (place @ (Place::Strided(_) | Place::Token | Place::Stack(_)), Some(_)) => place,
        };
        self.places.insert(value, place);
        Ok(())
    }

    fn read(&mut self, from: BufferId) -> Place {
        let dst = self.parts.register(self.parts.buffers[from.0 as usize].dtype);
        self.steps.push(Step::Read { dst, from });
        Place::Scalar(ScalarArg::Register(dst))
    }

    fn scalar_step(&mut self, op: LaneOp, args: Vec<ScalarArg>, dtype: DType, site: Option<SiteId>) -> ScalarArg {
        let dst = self.parts.register(dtype);
        self.steps.push(Step::Scalar { dst, op, args, site });
        ScalarArg::Register(dst)
    }

    fn cast(&mut self, arg: ScalarArg, to: DType, site: Option<SiteId>) -> ScalarArg {
        match self.parts.dtype(&arg) {
            from if from == to => arg,
            _ => self.scalar_step(LaneOp::Cast(to), vec![arg], to, site),
        }
    }

    /// Launches the kernel of a group. `inputs` and `values` are what its inputs and outputs are in this region.
    fn group(&mut self, group: Group<'_>, inputs: &[Value], values: &[Value], at: NodeIndex) -> Result {
        let nest = nest::lower(self.parts.kernel_name(), &group);
        let faults = nest.kernel.can_fault();
        let mut buffers = nest.reads.iter().map(|n| self.buffer(inputs[*n])).collect::<Result<Vec<_>>>()?;
        let scalars = nest.scalars.iter().map(|n| self.scalar(inputs[*n])).collect::<Result<Vec<_>>>()?;
        for &n in &nest.writes {
            let to = self.arena(values[n]);
            buffers.push(to);
            self.places.insert(values[n], Place::Buffer(to));
        }
        let mut results = vec![];
        for &n in &nest.results {
            let dst = self.parts.register(self.graph.ty(values[n]).dtype());
            results.push(dst);
            self.places.insert(values[n], Place::Scalar(ScalarArg::Register(dst)));
        }
        let site = faults.then(|| self.site(at));
        let kernel = self.parts.kernel(nest.kernel);
        self.steps.push(Step::Launch(Launch { kernel, buffers, scalars, results, site }));
        Ok(())
    }

    /// A new arena buffer for a value.
    fn arena(&mut self, value: Value) -> BufferId {
        let ty = self.graph.ty(value);
        let name = self.graph.name_of(value).map_or("t", |name| name);
        self.parts.buffer(name, ty.dtype(), ty.shape().clone(), Role::Arena)
    }

    fn site(&mut self, id: NodeIndex) -> SiteId {
        let node = self.graph.node(id);
        self.parts.site(node.op.name(), &node.origin)
    }

    fn place(&mut self, value: Value) -> Result<Place> {
        if let Place::Strided(_) = &self.places[value] {
            matmul::materialise(self, value)?;
        }
        Ok(self.places[value].clone())
    }

    /// The buffer of a value of rank above 0.
    fn buffer(&mut self, value: Value) -> Result<BufferId> {
        match self.place(value)? {
            Place::Buffer(buffer) => Ok(buffer),
            other => panic!("{value:?} is {other:?}, not a buffer:\n{}", self.graph),
        }
    }

    /// A rank-0 value.
    fn scalar(&mut self, value: Value) -> Result<ScalarArg> {
        match self.place(value)? {
            Place::Scalar(arg) => Ok(arg),
            other => panic!("{value:?} is {other:?}, not a rank-0 value:\n{}", self.graph),
        }
    }
}

/// The one element of a rank-0 array.
pub(crate) fn literal(array: &Array) -> Scalar {
    const ONE: &str = "a rank-0 array has one element of its own type";
    match array.dtype() {
        DType::F32 => Scalar::F32(array.item().expect(ONE)),
        DType::F64 => Scalar::F64(array.item().expect(ONE)),
        DType::I32 => Scalar::I32(array.item().expect(ONE)),
        DType::I64 => Scalar::I64(array.item().expect(ONE)),
        DType::U8 => Scalar::U8(array.item().expect(ONE)),
        DType::Bool => Scalar::Bool(array.item().expect(ONE)),
        other => panic!("there are no literals of {other}"),
    }
}
