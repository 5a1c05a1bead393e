//! Reading the steps of a program.

use super::data::*;
use super::parse::buffer_ref;
use super::stacks::{StackItem, StackOp, StackStep};
use crate::lane::LaneOp;
use crate::text::{Cursor, Position, Punct, Registers, SyntaxError, Target, Token, Written, targets};
use tracelift_tensor::{DType, Dim};

/// Reads steps; names of registers are known everywhere behind the step that sets them.
pub(super) struct Steps<'c, 'a> {
    pub cursor: &'c mut Cursor<'a>,
    program: Program,
    registers: Registers,
}

/// An `if` or a `loop` that is being read.
struct Open {
    head: Head,
    targets: Vec<Target>,
    /// Its first block, while the second one is read.
    first: Option<StepBlock>,
}

/// What precedes the first block.
enum Head {
    If(ScalarArg),
    Loop(Vec<(RegisterId, ScalarArg)>),
}

/// What the end of a block leads to.
enum Closed {
    Again(Box<Open>),
    Done(Box<Step>),
}

impl<'c, 'a> Steps<'c, 'a> {
    pub(super) fn new(cursor: &'c mut Cursor<'a>, program: Program) -> Self {
        Steps { cursor, program, registers: Registers::default() }
    }

    /// The program with its registers, and their names.
    pub(super) fn finish(self) -> (Program, Vec<String>) {
        (self.program, self.registers.names().map(str::to_owned).collect())
    }

    /// Reads up to `result` or the program's closing brace; blocks that are open wait on a stack.
    pub(super) fn steps(&mut self) -> Result<Vec<Step>, SyntaxError> {
        let (mut open, mut steps): (Vec<(Open, Vec<Step>)>, Vec<Step>) = (vec![], vec![]);
        loop {
            if self.cursor.at(Punct::CloseBrace) || self.cursor.at_word("yield") || self.cursor.at_word("result") {
                let Some((opened, outer)) = open.pop() else { return Ok(steps) };
                let yields = if self.cursor.eat_word("yield") { self.scalars()? } else { vec![] };
                self.cursor.expect(Punct::CloseBrace)?;
                self.cursor.leave();
                match self.close(opened, StepBlock { steps: std::mem::take(&mut steps), yields })? {
                    Closed::Again(opened) => open.push((*opened, outer)),
                    Closed::Done(step) => {
                        steps = outer;
                        steps.push(*step);
                    }
                }
                continue;
            }
            let targets = targets(self.cursor)?;
            if self.cursor.at_word("if") || self.cursor.at_word("loop") {
                let opened = self.open(targets)?;
                open.push((opened, std::mem::take(&mut steps)));
            } else {
                steps.push(self.step(&targets)?);
            }
        }
    }

    /// `if %c {` or `loop (%i = 0) while {`.
    fn open(&mut self, targets: Vec<Target>) -> Result<Open, SyntaxError> {
        let head = if self.cursor.eat_word("if") {
            Head::If(self.scalar()?)
        } else {
            self.cursor.expect_word("loop")?;
            let carried = self.carried()?;
            self.cursor.expect_word("while")?;
            Head::Loop(carried)
        };
        self.open_block()?;
        Ok(Open { head, targets, first: None })
    }

    fn open_block(&mut self) -> Result<(), SyntaxError> {
        self.cursor.expect(Punct::OpenBrace)?;
        self.cursor.enter()
    }

    /// A block has ended: either the second block of the same step begins, or the step is complete.
    fn close(&mut self, mut opened: Open, block: StepBlock) -> Result<Closed, SyntaxError> {
        if opened.first.is_none() {
            let goes_on = match opened.head {
                Head::If(_) => self.cursor.eat_word("else"),
                Head::Loop(_) => self.cursor.expect_word("do").map(|()| true)?,
            };
            if goes_on {
                self.open_block()?;
                opened.first = Some(block);
                return Ok(Closed::Again(Box::new(opened)));
            }
        }
        let (first, second) = match opened.first {
            None => (block, StepBlock::default()),
            Some(first) => (first, block),
        };
        let step = match opened.head {
            Head::If(condition) => {
                let types: Vec<DType> = first.yields.iter().map(|value| self.program.dtype(value)).collect();
                let results = self.set_all(&opened.targets, &types)?;
                Step::If { condition, then: first, otherwise: second, results }
            }
            Head::Loop(carried) => {
                let types: Vec<DType> = carried.iter().map(|(_, first)| self.program.dtype(first)).collect();
                let results = self.set_all(&opened.targets, &types)?;
                Step::Loop(LoopStep { carried, condition: first, body: second, results })
            }
        };
        Ok(Closed::Done(Box::new(step)))
    }

    /// `result $y, %m`, if there is one.
    pub(super) fn results(&mut self) -> Result<Vec<ResultPlace>, SyntaxError> {
        let mut results = vec![];
        if self.cursor.eat_word("result") {
            loop {
                results.push(match self.cursor.peek() {
                    Token::Buffer(_) => ResultPlace::Buffer(self.buffer()?),
                    _ => ResultPlace::Scalar(self.scalar()?),
                });
                if !self.cursor.eat(Punct::Comma) {
                    break;
                }
            }
        }
        Ok(results)
    }

    /// A step without blocks.
    fn step(&mut self, targets: &[Target]) -> Result<Step, SyntaxError> {
        let position = self.cursor.position();
        let word = self.cursor.word("a step")?;
        let single = match word {
            "scalar" | "dim" | "read" => Some(1),
            "launch" | "stack" => None,
            _ => Some(0),
        };
        if single.is_some_and(|count| count != targets.len()) {
            let count = if single == Some(0) { "no register" } else { "one register" };
            return Err(self.cursor.error_at(position, format!("`{word}` sets {count}, not {}", targets.len())));
        }
        match word {
            "launch" => self.launch(targets),
            "lib" => self.library(),
            "scalar" => {
                let position = self.cursor.position();
                let name = self.cursor.word("a scalar operation")?;
                let op: LaneOp = name.parse().map_err(|message: String| self.cursor.error_at(position, message))?;
                let args = self.scalars()?;
                let types: Vec<DType> = args.iter().map(|arg| self.program.dtype(arg)).collect();
                let dst = self.set(&targets[0], op.result_type(&types).unwrap_or(types[0]))?;
                Ok(Step::Scalar { dst, op, args, site: self.site()? })
            }
            "dim" => {
                let dim = self.cursor.dim()?;
                Ok(Step::Dim { dst: self.set(&targets[0], DType::I64)?, dim })
            }
            "read" => {
                let from = self.buffer()?;
                let dtype = self.program.buffer(from).dtype;
                Ok(Step::Read { dst: self.set(&targets[0], dtype)?, from })
            }
            "write" => {
                let to = self.buffer()?;
                self.cursor.expect(Punct::Comma)?;
                Ok(Step::Write { to, value: self.scalar()? })
            }
            "check" => self.check(),
            "copy" => {
                let (from, to) = self.pair(Punct::Arrow)?;
                Ok(Step::Copy { from, to })
            }
            "swap" => {
                let (a, b) = self.pair(Punct::Comma)?;
                Ok(Step::Swap { a, b })
            }
            "commit" => {
                let (to, from) = self.pair(Punct::BackArrow)?;
                Ok(Step::Commit { to, from })
            }
            "stack" => self.stack(targets, position),
            "print" => self.print(),
            other => Err(self.cursor.error_at(position, format!("no step is called `{other}`"))),
        }
    }

    fn launch(&mut self, targets: &[Target]) -> Result<Step, SyntaxError> {
        let (kernel, buffers, scalars) = self.call()?;
        let site = self.site()?;
        let types = self.program.kernel(kernel).results.clone();
        let results = self.set_all(targets, &types)?;
        Ok(Step::Launch(Launch { kernel, buffers, scalars, results, site }))
    }

    /// `@k0($x, $y; %a)`.
    fn call(&mut self) -> Result<(KernelId, Vec<BufferId>, Vec<ScalarArg>), SyntaxError> {
        let position = self.cursor.position();
        let name = self.cursor.global("a kernel")?;
        let Some(kernel) = self.program.kernels.iter().position(|kernel| kernel.name == name) else {
            let message = format!("the kernel `@{name}` is not in this program's list `kernels`");
            return Err(self.cursor.error_at(position, message));
        };
        self.cursor.expect(Punct::Open)?;
        let (mut buffers, mut scalars) = (vec![], vec![]);
        while !self.cursor.eat(Punct::Close) {
            match self.cursor.peek() {
                Token::Buffer(_) => buffers.push(self.buffer()?),
                _ => scalars.push(self.scalar()?),
            }
            if !self.cursor.at(Punct::Close) {
                self.cursor.expect(Punct::Comma)?;
            }
        }
        Ok((KernelId(kernel as u32), buffers, scalars))
    }

    /// `matmul $x, $w -> $h {vector=true} epilogue @k1($h, $b)`.
    fn library(&mut self) -> Result<Step, SyntaxError> {
        let is_sort = self.cursor.eat_word("argsort");
        if !is_sort {
            self.cursor.expect_word("matmul")?;
        }
        let mut operands = vec![self.buffer()?];
        while self.cursor.eat(Punct::Comma) {
            operands.push(self.buffer()?);
        }
        self.cursor.expect(Punct::Arrow)?;
        let result = self.buffer()?;
        if is_sort {
            let op = LibraryOp::ArgSort { descending: self.descending()? };
            return Ok(Step::Library(LibraryCall { op, operands, result, epilogue: None }));
        }
        let mut spec = self.program.written_matmul(&operands, result);
        if self.cursor.eat(Punct::OpenBrace) {
            self.cursor.list(Punct::CloseBrace, &mut |cursor| matmul_attribute(cursor, &mut spec))?;
        }
        let mut epilogue = None;
        if self.cursor.eat_word("epilogue") {
            let (kernel, buffers, scalars) = self.call()?;
            epilogue = Some(Epilogue { kernel, buffers, scalars });
        }
        Ok(Step::Library(LibraryCall { op: LibraryOp::MatMul(Box::new(spec)), operands, result, epilogue }))
    }

    /// `{descending=true}`, or nothing.
    fn descending(&mut self) -> Result<bool, SyntaxError> {
        if !self.cursor.eat(Punct::OpenBrace) {
            return Ok(false);
        }
        self.cursor.expect_word("descending")?;
        self.cursor.expect(Punct::Eq)?;
        self.cursor.expect_word("true")?;
        self.cursor.expect(Punct::CloseBrace)?;
        Ok(true)
    }

    fn check(&mut self) -> Result<Step, SyntaxError> {
        let position = self.cursor.position();
        let check = match self.cursor.word("`bounds`, `index`, `assert` or `all`")? {
            "bounds" => Check::Bounds { indices: self.buffer()?, extent: self.range()? },
            "index" => Check::IndexBounds { index: self.scalar()?, extent: self.range()? },
            "assert" => Check::Assert { condition: self.scalar()?, message: self.message()? },
            "all" => Check::AssertAll { conditions: self.buffer()?, message: self.message()? },
            other => return Err(self.cursor.error_at(position, format!("no check is called `{other}`"))),
        };
        match self.site()? {
            Some(site) => Ok(Step::Check { check, site }),
            None => Err(self.cursor.expected("`at` and the number of a site")),
        }
    }

    /// `in 0..B`.
    fn range(&mut self) -> Result<Dim, SyntaxError> {
        self.cursor.expect_word("in")?;
        let position = self.cursor.position();
        if self.cursor.integer("`0`")? != 0 {
            return Err(self.cursor.error_at(position, "a range of indices starts at 0"));
        }
        self.cursor.expect(Punct::Range)?;
        self.cursor.dim()
    }

    fn message(&mut self) -> Result<String, SyntaxError> {
        Ok(self.cursor.text("the message in quotes")?.into_owned())
    }

    /// `(%i = 0, %v = %m)`.
    fn carried(&mut self) -> Result<Vec<(RegisterId, ScalarArg)>, SyntaxError> {
        self.cursor.expect(Punct::Open)?;
        let mut carried = vec![];
        while !self.cursor.eat(Punct::Close) {
            let position = self.cursor.position();
            let name = self.cursor.value("a register")?.into_owned();
            self.cursor.expect(Punct::Eq)?;
            let first = self.scalar()?;
            let dtype = self.program.dtype(&first);
            carried.push((self.set(&(name, position), dtype)?, first));
            if !self.cursor.at(Punct::Close) {
                self.cursor.expect(Punct::Comma)?;
            }
        }
        Ok(carried)
    }

    /// `push $s, %v at 1`, `pop $s -> $x`, `len $s`.
    fn stack(&mut self, targets: &[Target], position: Position) -> Result<Step, SyntaxError> {
        let at = self.cursor.position();
        let word = self.cursor.word("`new`, `push`, `pop` or `len`")?;
        let stack = self.buffer()?;
        let op = match (word, targets) {
            ("new", []) => StackOp::New,
            ("push", []) => {
                self.cursor.expect(Punct::Comma)?;
                StackOp::Push(match self.cursor.peek() {
                    Token::Buffer(_) => StackItem::Buffer(self.buffer()?),
                    _ => StackItem::Scalar(self.scalar()?),
                })
            }
            ("pop", []) => {
                self.cursor.expect(Punct::Arrow)?;
                StackOp::PopBuffer(self.buffer()?)
            }
            ("pop", [target]) => StackOp::PopScalar(self.set(target, self.program.buffer(stack).dtype)?),
            ("len", [target]) => StackOp::Len(self.set(target, DType::I64)?),
            ("new" | "push" | "pop" | "len", _) => {
                let message = format!("`stack {word}` does not set {} registers", targets.len());
                return Err(self.cursor.error_at(position, message));
            }
            (other, _) => return Err(self.cursor.error_at(at, format!("no step is called `stack {other}`"))),
        };
        Ok(Step::Stack(StackStep { stack, op, site: self.site()? }))
    }

    fn print(&mut self) -> Result<Step, SyntaxError> {
        let message = self.message()?;
        let mut values = vec![];
        while self.cursor.eat(Punct::Comma) {
            values.push(match self.cursor.peek() {
                Token::Buffer(_) => PrintArg::Buffer(self.buffer()?),
                _ => PrintArg::Scalar(self.scalar()?),
            });
        }
        Ok(Step::Print { message, values })
    }

    /// `at 3`, if it is there.
    fn site(&mut self) -> Result<Option<SiteId>, SyntaxError> {
        if !self.cursor.eat_word("at") {
            return Ok(None);
        }
        Ok(Some(SiteId(self.cursor.count("the number of a site")?)))
    }

    fn buffer(&mut self) -> Result<BufferId, SyntaxError> {
        buffer_ref(self.cursor, &self.program)
    }

    fn pair(&mut self, between: Punct) -> Result<(BufferId, BufferId), SyntaxError> {
        let first = self.buffer()?;
        self.cursor.expect(between)?;
        Ok((first, self.buffer()?))
    }

    fn scalars(&mut self) -> Result<Vec<ScalarArg>, SyntaxError> {
        let mut scalars = vec![self.scalar()?];
        while self.cursor.eat(Punct::Comma) {
            scalars.push(self.scalar()?);
        }
        Ok(scalars)
    }

    fn scalar(&mut self) -> Result<ScalarArg, SyntaxError> {
        Ok(match self.registers.operand(self.cursor, |_| None)? {
            Written::Register(number) => ScalarArg::Register(RegisterId(number)),
            Written::Literal(literal) => ScalarArg::Const(literal),
        })
    }

    /// Where there are more registers than types, any type will do: the verifier refuses the step.
    fn set_all(&mut self, targets: &[Target], types: &[DType]) -> Result<Vec<RegisterId>, SyntaxError> {
        let types = types.iter().copied().chain(std::iter::repeat(DType::F32));
        targets.iter().zip(types).map(|(target, dtype)| self.set(target, dtype)).collect()
    }

    /// A register that is set again keeps its number (the verifier objects), so its type must stay the same.
    fn set(&mut self, target: &Target, dtype: DType) -> Result<RegisterId, SyntaxError> {
        self.registers.set(self.cursor, target, dtype, &mut self.program.registers).map(RegisterId)
    }
}

/// `m=B`, `a=[0, 8, 1]`, `rows=[[26, 28], [26, 1]]`, `vector=true`, `dtype=f64`.
fn matmul_attribute(cursor: &mut Cursor<'_>, spec: &mut MatMulSpec) -> Result<(), SyntaxError> {
    let position = cursor.position();
    let name = cursor.word("an attribute")?;
    cursor.expect(Punct::Eq)?;
    match name {
        "dtype" => spec.dtype = cursor.dtype()?,
        "batch" => spec.batch = cursor.dim()?,
        "m" => spec.m = cursor.dim()?,
        "k" => spec.k = cursor.dim()?,
        "n" => spec.n = cursor.dim()?,
        "a" => spec.a = strides(cursor)?,
        "b" => spec.b = strides(cursor)?,
        "rows" => spread(spec).rows = axes(cursor)?,
        "steps" => spread(spec).steps = axes(cursor)?,
        "vector" if cursor.eat_word("true") => spec.vector = true,
        "vector" if cursor.eat_word("false") => spec.vector = false,
        "vector" => return Err(cursor.expected("`true` or `false`")),
        other => return Err(cursor.error_at(position, format!("a product has no attribute `{other}`"))),
    }
    Ok(())
}

fn spread(spec: &mut MatMulSpec) -> &mut Spread {
    spec.spread.get_or_insert_with(|| Spread { rows: vec![], steps: vec![] })
}

/// `[[26, 28], [26, 1]]`: sizes and strides.
fn axes(cursor: &mut Cursor<'_>) -> Result<Vec<(Dim, Dim)>, SyntaxError> {
    cursor.expect(Punct::OpenBracket)?;
    cursor.list(Punct::CloseBracket, &mut |cursor| {
        let position = cursor.position();
        match cursor.shape()?.dims() {
            [size, stride] => Ok((size.clone(), stride.clone())),
            _ => Err(cursor.error_at(position, "expected the size of an axis and its stride")),
        }
    })
}

fn strides(cursor: &mut Cursor<'_>) -> Result<[Dim; 3], SyntaxError> {
    let position = cursor.position();
    let strides = cursor.shape()?;
    let strides: Result<[Dim; 3], _> = strides.to_vec().try_into();
    strides.map_err(|_| cursor.error_at(position, "expected three strides: of the batch, the row, and the column"))
}
