//! Random programs: every form of every step, most of them put together wrongly.

use crate::choices::Choices;
use crate::kernels::{array, kernel, literal};
use std::sync::Arc;
use tracelift_kernel::guard::Guard;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::program::*;
use tracelift_tensor::{Bool, DType, Dim, F32, F64, I32, I64, Origin, Shape, Sym, U8};

pub(crate) fn program(choices: &mut Choices<'_>) -> Program {
    let mut program = Program {
        name: choices.of(&["p", "dense/step", "two words", "größe"]).to_owned(),
        unknowns: vec![],
        guards: vec![],
        buffers: vec![],
        registers: vec![],
        kernels: vec![],
        states: vec![],
        steps: vec![],
        results: vec![],
        sites: vec![],
    };
    for n in 0..choices.below(3) {
        program.kernels.push(Arc::new(kernel(choices, &format!("k{n}"))));
    }
    for sym in ["B", "N"] {
        let (index, axis) = (choices.below(3) as u32, choices.below(2) as u32);
        program.unknowns.push(Unknown { sym: Sym::new(sym), index, state: choices.once_in(2), axis });
    }
    for _ in 0..choices.below(3) {
        let (a, b) = (size(choices), size(choices));
        program.guards.push(choices.of(&[Guard::eq(a.clone(), b.clone()), Guard::ge(a.clone(), b), Guard::ne1(a)]));
    }
    for _ in 0..choices.below(3) {
        let name = choices.of(&["w", "dense/kernel", "\"quoted\"\n"]).to_owned();
        program.states.push(State { name, written: choices.once_in(2) });
        program.sites.push(Site { op: choices.of(&["gather", ""]).to_owned(), origin: Origin::default() });
    }
    for n in 0..1 + choices.below(6) {
        let buffer = buffer(choices, n as u32);
        program.buffers.push(buffer);
    }
    let mut writer = Writer { program, depth: 0, visible: vec![] };
    let steps = writer.steps(choices);
    let results = (0..choices.below(3)).map(|_| match choices.once_in(2) {
        true => ResultPlace::Buffer(writer.buffer(choices)),
        false => ResultPlace::Scalar(writer.scalar(choices)),
    });
    let results = results.collect();
    let mut program = writer.program;
    (program.steps, program.results) = (steps, results);
    program
}

fn size(choices: &mut Choices<'_>) -> Dim {
    choices.of(&["3", "B", "N", "2*B + 1", "(B + 1)//2", "B*N - N"]).parse().unwrap()
}

fn dtype(choices: &mut Choices<'_>) -> DType {
    choices.of(&[F32, F64, I32, I64, U8, Bool])
}

fn buffer(choices: &mut Choices<'_>, n: u32) -> Buffer {
    let dtype = dtype(choices);
    let shape: Shape = (0..choices.below(4)).map(|_| size(choices)).collect();
    let role = match choices.below(8) {
        0 => Role::Arena,
        1 => Role::Input(n),
        2 => Role::Output(n),
        3 => Role::State(n),
        4 => Role::NextState(n),
        5 => Role::Stack(choices.once_in(2).then(|| Dim::from(3))),
        6 if n > 0 => Role::View(BufferId(choices.below(n as usize) as u32)),
        _ => {
            let sizes: Vec<usize> = (0..choices.below(3)).map(|_| choices.below(3)).collect();
            let value = array(dtype, &sizes, n as usize);
            return Buffer { name: format!("b{n}"), dtype, shape: Shape::from(sizes), role: Role::Constant(value) };
        }
    };
    Buffer { name: format!("b{n}"), dtype, shape, role }
}

struct Writer {
    program: Program,
    depth: usize,
    /// Registers that are set before, in the text's order.
    visible: Vec<RegisterId>,
}

impl Writer {
    fn steps(&mut self, choices: &mut Choices<'_>) -> Vec<Step> {
        (0..choices.below(5)).map(|_| self.step(choices)).collect()
    }

    fn step(&mut self, choices: &mut Choices<'_>) -> Step {
        let count = if self.depth < 3 { 15 } else { 13 };
        match choices.below(count) {
            0 => Step::Copy { from: self.buffer(choices), to: self.buffer(choices) },
            1 => Step::Swap { a: self.buffer(choices), b: self.buffer(choices) },
            2 => Step::Commit { to: self.buffer(choices), from: self.buffer(choices) },
            3 => {
                let dim = size(choices);
                Step::Dim { dst: self.set(I64), dim }
            }
            4 => {
                let from = self.buffer(choices);
                let dtype = self.program.buffer(from).dtype;
                Step::Read { dst: self.set(dtype), from }
            }
            5 => Step::Write { to: self.buffer(choices), value: self.scalar(choices) },
            6 => self.scalar_step(choices),
            7 => {
                let values = (0..choices.below(3)).map(|_| match choices.once_in(2) {
                    true => PrintArg::Buffer(self.buffer(choices)),
                    false => PrintArg::Scalar(self.scalar(choices)),
                });
                Step::Print { values: values.collect(), message: choices.of(&["", "x = ", "\\ \"\t"]).to_owned() }
            }
            8 => self.check(choices),
            9 => self.library(choices),
            10 | 11 => self.launch(choices),
            12 => self.stack(choices),
            13 => {
                let condition = self.scalar(choices);
                let then = self.block(choices);
                let otherwise = if choices.once_in(2) { self.block(choices) } else { StepBlock::default() };
                let types: Vec<DType> = then.yields.iter().map(|value| self.program.dtype(value)).collect();
                let results = types.into_iter().map(|dtype| self.set(dtype)).collect();
                Step::If { condition, then, otherwise, results }
            }
            _ => {
                let firsts: Vec<ScalarArg> = (0..choices.below(3)).map(|_| self.scalar(choices)).collect();
                let types: Vec<DType> = firsts.iter().map(|first| self.program.dtype(first)).collect();
                let carried = types.iter().zip(firsts).map(|(dtype, first)| (self.set(*dtype), first)).collect();
                let (condition, body) = (self.block(choices), self.block(choices));
                let results = types.into_iter().map(|dtype| self.set(dtype)).collect();
                Step::Loop(LoopStep { carried, condition, body, results })
            }
        }
    }

    fn stack(&mut self, choices: &mut Choices<'_>) -> Step {
        let (stack, site) = (self.buffer(choices), self.site(choices));
        let op = match choices.below(6) {
            0 => StackOp::New,
            1 => StackOp::Push(StackItem::Buffer(self.buffer(choices))),
            2 => StackOp::Push(StackItem::Scalar(self.scalar(choices))),
            3 => StackOp::PopBuffer(self.buffer(choices)),
            4 => StackOp::PopScalar(self.set(self.program.buffer(stack).dtype)),
            _ => StackOp::Len(self.set(I64)),
        };
        Step::Stack(StackStep { stack, op, site })
    }

    fn scalar_step(&mut self, choices: &mut Choices<'_>) -> Step {
        let op =
            choices.of(&[LaneOp::Neg, LaneOp::Add, LaneOp::Lt, LaneOp::Cast(F64), LaneOp::FloorDiv, LaneOp::Powi(-1)]);
        let args: Vec<ScalarArg> = (0..op.arity()).map(|_| self.scalar(choices)).collect();
        let types: Vec<DType> = args.iter().map(|arg| self.program.dtype(arg)).collect();
        let dtype = op.result_type(&types).unwrap_or(types[0]);
        let site = self.site(choices);
        Step::Scalar { dst: self.set(dtype), op, args, site }
    }

    fn check(&mut self, choices: &mut Choices<'_>) -> Step {
        let message = choices.of(&["", "must be positive"]).to_owned();
        let check = match choices.below(4) {
            0 => Check::Bounds { indices: self.buffer(choices), extent: size(choices) },
            1 => Check::IndexBounds { index: self.scalar(choices), extent: size(choices) },
            2 => Check::Assert { condition: self.scalar(choices), message },
            _ => Check::AssertAll { conditions: self.buffer(choices), message },
        };
        Step::Check { check, site: SiteId(choices.below(3) as u32) }
    }

    fn library(&mut self, choices: &mut Choices<'_>) -> Step {
        let operands = vec![self.buffer(choices), self.buffer(choices)];
        let shape = |n: usize| &self.program.buffer(operands[n]).shape;
        let dense = MatMulSpec::dense(F32, shape(0), shape(1));
        let mut strides = || [size(choices), size(choices), size(choices)];
        let (a, b, sizes) = (strides(), strides(), strides());
        let [m, k, n] = sizes;
        let batch = size(choices);
        let mut axes = || (0..choices.below(3) + 1).map(|_| (size(choices), size(choices))).collect();
        let spread = Spread { rows: axes(), steps: axes() };
        let spread = choices.once_in(2).then_some(spread);
        let other = MatMulSpec { dtype: F64, batch, m, k, n, a, b, vector: choices.once_in(2), spread };
        let spec = dense.filter(|_| choices.once_in(2)).unwrap_or(other);
        let result = self.buffer(choices);
        let epilogue = (!self.program.kernels.is_empty() && choices.once_in(2)).then(|| {
            let (kernel, buffers, scalars) = self.call(choices);
            Epilogue { kernel, buffers, scalars }
        });
        Step::Library(LibraryCall { op: LibraryOp::MatMul(Box::new(spec)), operands, result, epilogue })
    }

    fn launch(&mut self, choices: &mut Choices<'_>) -> Step {
        if self.program.kernels.is_empty() {
            return Step::Dim { dst: self.set(I64), dim: size(choices) };
        }
        let (kernel, buffers, scalars) = self.call(choices);
        let site = self.site(choices);
        let types = self.program.kernel(kernel).results.clone();
        let results = types.into_iter().map(|dtype| self.set(dtype)).collect();
        Step::Launch(Launch { kernel, buffers, scalars, results, site })
    }

    fn call(&mut self, choices: &mut Choices<'_>) -> (KernelId, Vec<BufferId>, Vec<ScalarArg>) {
        let kernel = KernelId(choices.below(self.program.kernels.len()) as u32);
        let (buffers, scalars) = {
            let kernel = self.program.kernel(kernel);
            (kernel.params.len(), kernel.scalars.len())
        };
        let buffers = (0..buffers).map(|_| self.buffer(choices)).collect();
        (kernel, buffers, (0..scalars).map(|_| self.scalar(choices)).collect())
    }

    fn block(&mut self, choices: &mut Choices<'_>) -> StepBlock {
        self.depth += 1;
        let steps = self.steps(choices);
        let yields = (0..choices.below(3)).map(|_| self.scalar(choices)).collect();
        self.depth -= 1;
        StepBlock { steps, yields }
    }

    fn site(&mut self, choices: &mut Choices<'_>) -> Option<SiteId> {
        choices.once_in(2).then(|| SiteId(choices.below(3) as u32))
    }

    fn buffer(&mut self, choices: &mut Choices<'_>) -> BufferId {
        BufferId(choices.below(self.program.buffers.len()) as u32)
    }

    fn scalar(&mut self, choices: &mut Choices<'_>) -> ScalarArg {
        if self.visible.is_empty() || choices.once_in(3) {
            let dtype = dtype(choices);
            return ScalarArg::Const(literal(choices, dtype));
        }
        ScalarArg::Register(choices.of(&self.visible))
    }

    fn set(&mut self, dtype: DType) -> RegisterId {
        self.program.registers.push(dtype);
        let register = RegisterId(self.program.registers.len() as u32 - 1);
        self.visible.push(register);
        register
    }
}
