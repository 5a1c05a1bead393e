//! Reading kernels.
//!
//! The reader checks what it needs to make sense of the text (names, counts of tokens); whether the kernel is a
//! correct one is the verifier's question. Element types of registers are inferred, never written.

use super::kernel::*;
use super::print::LOOP_VAR_PREFIX;
use super::renumber::renumber;
use crate::lane::LaneOp;
use crate::meaning::{ReduceKind, ReduceOrder};
use crate::text::{Cursor, Position, Punct, Registers, SyntaxError, Target, Token, Written, number_names, targets};
use smallvec::SmallVec;
use tracelift_tensor::{DType, Dim, Shape};

/// Reads one kernel; the cursor stands on `kernel`.
pub(crate) fn parse_kernel(cursor: &mut Cursor<'_>) -> Result<Kernel, SyntaxError> {
    cursor.expect_word("kernel")?;
    let name = cursor.global("the kernel's name, like `@k0`")?.into_owned();
    let kernel = Kernel {
        name,
        params: vec![],
        scalars: vec![],
        scratch: vec![],
        results: vec![],
        registers: vec![],
        loop_vars: 0,
        body: Block::default(),
    };
    let mut reader = Reader { cursor, kernel, registers: Registers::default(), loop_vars: vec![], scope: vec![] };
    reader.head()?;
    reader.cursor.expect(Punct::OpenBrace)?;
    while reader.cursor.at_word("scratch") {
        reader.scratch()?;
    }
    reader.kernel.body = reader.body()?;
    Ok(reader.finish())
}

struct Reader<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    kernel: Kernel,
    registers: Registers,
    /// The names of all loop variables, in the order of their numbers.
    loop_vars: Vec<String>,
    /// The loop variables of the loops that are open.
    scope: Vec<LoopVar>,
}

impl Reader<'_, '_> {
    fn head(&mut self) -> Result<(), SyntaxError> {
        self.cursor.expect(Punct::Open)?;
        while !self.cursor.eat(Punct::Close) {
            self.param()?;
            if !self.cursor.at(Punct::Close) {
                self.cursor.expect(Punct::Comma)?;
            }
        }
        if self.cursor.eat(Punct::Arrow) {
            self.cursor.expect(Punct::Open)?;
            self.kernel.results = self.cursor.list(Punct::Close, &mut |cursor| cursor.dtype())?;
        }
        Ok(())
    }

    /// `%x: f32[B]`, `out %y: f32[B]`, `inout %z: f32[B]`, `%lr: f32`.
    fn param(&mut self) -> Result<(), SyntaxError> {
        let access = if self.cursor.eat_word("out") {
            Access::Write
        } else if self.cursor.eat_word("inout") {
            Access::Update
        } else {
            Access::Read
        };
        let position = self.cursor.position();
        let name = self.cursor.value("a parameter")?.into_owned();
        self.cursor.expect(Punct::Colon)?;
        let dtype = self.cursor.dtype()?;
        if self.cursor.at(Punct::OpenBracket) || access != Access::Read {
            self.new_base(&name, position)?;
            let shape = self.cursor.shape()?;
            self.kernel.params.push(Param { name, dtype, shape, access });
        } else {
            let reg = self.set(&(name.clone(), position), dtype)?;
            self.kernel.scalars.push(ScalarParam { name, reg });
        }
        Ok(())
    }

    fn scratch(&mut self) -> Result<(), SyntaxError> {
        self.cursor.expect_word("scratch")?;
        let position = self.cursor.position();
        let name = self.cursor.value("the row's name")?.into_owned();
        self.new_base(&name, position)?;
        self.cursor.expect(Punct::Colon)?;
        let dtype = self.cursor.dtype()?;
        let shape: Shape = self.cursor.shape()?;
        match shape.dims() {
            [extent] => self.kernel.scratch.push(Scratch { name, dtype, extent: extent.clone() }),
            _ => return Err(self.cursor.error_at(position, "a scratch row has one axis")),
        }
        Ok(())
    }

    /// Reads up to the brace that closes the kernel; loops that are open wait on a stack.
    fn body(&mut self) -> Result<Block, SyntaxError> {
        let (mut open, mut block): (Vec<(Loop, Vec<Target>, Block)>, Block) = (vec![], Block::default());
        loop {
            let mut closed = self.cursor.eat(Punct::CloseBrace);
            if !closed && self.cursor.eat_word("yield") {
                block.yields.extend(self.operands()?);
                self.cursor.expect(Punct::CloseBrace)?;
                closed = true;
            }
            if closed {
                let Some((opened, targets, outer)) = open.pop() else { return Ok(block) };
                self.cursor.leave();
                let stmt = self.close_loop(opened, &targets, block)?;
                block = outer;
                block.stmts.push(stmt);
                continue;
            }
            let targets = targets(self.cursor)?;
            match *self.cursor.peek() {
                Token::Word(word @ ("par" | "seq" | "reduce")) => {
                    self.cursor.advance();
                    let opened = self.open_loop(word)?;
                    open.push((opened, targets, std::mem::take(&mut block)));
                    self.cursor.enter()?;
                }
                _ => block.stmts.push(self.stmt(&targets)?),
            }
        }
    }

    /// A statement that is no loop.
    fn stmt(&mut self, targets: &[Target]) -> Result<Stmt, SyntaxError> {
        let position = self.cursor.position();
        let word = self.cursor.word("a statement")?;
        match (word, targets) {
            ("store", []) => {
                let to = self.place()?;
                self.cursor.expect(Punct::Comma)?;
                Ok(Stmt::Store { to, value: self.operand()? })
            }
            ("load", [target]) => {
                let from = self.place()?;
                let dtype = match from.base {
                    Base::Param(n) => self.kernel.params[n as usize].dtype,
                    Base::Scratch(n) => self.kernel.scratch[n as usize].dtype,
                };
                Ok(Stmt::Load { dst: self.set(target, dtype)?, from })
            }
            ("index", [target]) => {
                let value = self.affine()?;
                Ok(Stmt::Index { dst: self.set(target, DType::I64)?, value })
            }
            (_, [target]) => {
                let op: LaneOp = word.parse().map_err(|message: String| self.cursor.error_at(position, message))?;
                let args: SmallVec<[Operand; 3]> = self.operands()?.into();
                let types: SmallVec<[DType; 3]> = args.iter().map(|arg| self.kernel.dtype(arg)).collect();
                let dtype = op.result_type(&types).unwrap_or(types[0]);
                Ok(Stmt::Lane { dst: self.set(target, dtype)?, op, args })
            }
            (_, targets) => {
                let wanted =
                    if word == "store" { "no register".to_owned() } else { format!("one, not {}", targets.len()) };
                Err(self.cursor.error_at(position, format!("`{word}` sets {wanted}")))
            }
        }
    }

    /// A loop up to its opening brace; its variables come into scope.
    fn open_loop(&mut self, word: &str) -> Result<Loop, SyntaxError> {
        let kind = match word {
            "par" => LoopKind::Par,
            "seq" => LoopKind::Seq,
            _ => self.reduction()?,
        };
        let (names, extents) = self.axes()?;
        let mut carried: SmallVec<[(Reg, Operand); 1]> = SmallVec::new();
        if self.cursor.eat_word("carry") {
            self.cursor.expect(Punct::Open)?;
            while !self.cursor.eat(Punct::Close) {
                let position = self.cursor.position();
                let name = self.cursor.value("a register")?.into_owned();
                self.cursor.expect(Punct::Eq)?;
                let first = self.operand()?;
                let dtype = self.kernel.dtype(&first);
                carried.push((self.set(&(name.clone(), position), dtype)?, first));
                if !self.cursor.at(Punct::Close) {
                    self.cursor.expect(Punct::Comma)?;
                }
            }
        }
        self.cursor.expect(Punct::OpenBrace)?;
        let mut axes = SmallVec::new();
        for (name, extent) in names.into_iter().zip(extents) {
            let var = LoopVar(self.loop_vars.len() as u32);
            self.scope.push(var);
            self.loop_vars.push(name);
            axes.push((var, extent));
        }
        Ok(Loop { kind, axes, carried, body: Block::default(), results: SmallVec::new() })
    }

    /// The loop with its body, and the registers that it sets.
    fn close_loop(&mut self, mut closed: Loop, targets: &[Target], body: Block) -> Result<Stmt, SyntaxError> {
        self.scope.truncate(self.scope.len() - closed.axes.len());
        for (n, target) in targets.iter().enumerate() {
            // Where the counts or types do not fit, any type will do: the verifier refuses the loop.
            let dtype = match &closed.kind {
                LoopKind::Reduce { kinds, .. } => body.yields.get(n).zip(kinds.get(n)).map(|(value, kind)| {
                    let dtype = self.kernel.dtype(value);
                    kind.result_type(dtype).unwrap_or(dtype)
                }),
                _ => closed.carried.get(n).map(|(reg, _)| self.kernel.registers[reg.0 as usize]),
            };
            closed.results.push(self.set(target, dtype.unwrap_or(DType::F32))?);
        }
        closed.body = body;
        Ok(Stmt::Loop(closed))
    }

    /// `sum lanes`, `(sum, max) chain`; `lanes` may be left out.
    fn reduction(&mut self) -> Result<LoopKind, SyntaxError> {
        let mut kinds: SmallVec<[ReduceKind; 1]> = SmallVec::new();
        let kind = |cursor: &mut Cursor<'_>| {
            let position = cursor.position();
            let word = cursor.word("a reduction, like `sum`")?;
            word.parse().map_err(|message: String| cursor.error_at(position, message))
        };
        if self.cursor.eat(Punct::Open) {
            kinds.extend(self.cursor.list(Punct::Close, &mut |cursor| kind(cursor))?);
        } else {
            kinds.push(kind(self.cursor)?);
        }
        let position = self.cursor.position();
        let order = match self.cursor.peek() {
            Token::Word(_) => self.cursor.word("an order")?.parse(),
            _ => Ok(ReduceOrder::Lanes),
        };
        let order = order.map_err(|message: String| self.cursor.error_at(position, message))?;
        Ok(LoopKind::Reduce { kinds, order })
    }

    /// `%i in 0..B`, `(%i, %j) in (0..A, 0..B)`.
    fn axes(&mut self) -> Result<(Vec<String>, Vec<Dim>), SyntaxError> {
        let name = |cursor: &mut Cursor<'_>| Ok(cursor.value("a loop variable")?.into_owned());
        let range = |cursor: &mut Cursor<'_>| {
            let position = cursor.position();
            if cursor.integer("`0`")? != 0 {
                return Err(cursor.error_at(position, "a loop starts at 0"));
            }
            cursor.expect(Punct::Range)?;
            cursor.dim()
        };
        if !self.cursor.eat(Punct::Open) {
            let names = vec![name(self.cursor)?];
            self.cursor.expect_word("in")?;
            return Ok((names, vec![range(self.cursor)?]));
        }
        let names = self.cursor.list(Punct::Close, &mut |cursor| name(cursor))?;
        self.cursor.expect_word("in")?;
        let position = self.cursor.position();
        self.cursor.expect(Punct::Open)?;
        let extents = self.cursor.list(Punct::Close, &mut |cursor| range(cursor))?;
        if names.len() != extents.len() {
            let message = format!("{} loop variables have {} ranges", names.len(), extents.len());
            return Err(self.cursor.error_at(position, message));
        }
        Ok((names, extents))
    }

    /// `%x[%i, 2*%j + 1, %7]`.
    fn place(&mut self) -> Result<Place, SyntaxError> {
        let position = self.cursor.position();
        let name = self.cursor.value("a buffer or a scratch row")?;
        let Some(base) = self.base(&name) else {
            let message = format!("`%{name}` is neither a buffer parameter nor a scratch row");
            return Err(self.cursor.error_at(position, message));
        };
        self.cursor.expect(Punct::OpenBracket)?;
        let mut index = SmallVec::new();
        while !self.cursor.eat(Punct::CloseBracket) {
            index.push(self.index()?);
            if !self.cursor.at(Punct::CloseBracket) {
                self.cursor.expect(Punct::Comma)?;
            }
        }
        Ok(Place { base, index })
    }

    /// A register that stands alone is an indirect index, everything else is affine.
    fn index(&mut self) -> Result<Index, SyntaxError> {
        if let Token::Value(name) = self.cursor.peek()
            && self.loop_var(name).is_none()
        {
            let Operand::Reg(reg) = self.operand()? else { unreachable!("a name is a register") };
            return Ok(Index::Indirect(reg));
        }
        Ok(Index::Affine(self.affine()?))
    }

    fn affine(&mut self) -> Result<Affine, SyntaxError> {
        let source = *self.cursor.source();
        let (scope, names) = (&self.scope, &self.loop_vars);
        let linear = self.cursor.linear(&mut |name, at| {
            let found = scope.iter().rev().find(|var| names[var.0 as usize] == name).copied();
            found.ok_or_else(|| source.error(at, format!("`%{name}` is not the variable of a loop around this")))
        })?;
        Ok(Affine { terms: linear.terms.into_iter().collect(), offset: linear.constant })
    }

    fn operands(&mut self) -> Result<Vec<Operand>, SyntaxError> {
        let mut operands = vec![self.operand()?];
        while self.cursor.eat(Punct::Comma) {
            operands.push(self.operand()?);
        }
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        let Reader { cursor, registers, scope, loop_vars, .. } = self;
        let hint = |name: &str| {
            let is_var = scope.iter().any(|var| loop_vars[var.0 as usize] == name);
            is_var.then(|| format!("`%{name}` is a loop variable: `%v = index %{name}` makes a value of it"))
        };
        Ok(match registers.operand(cursor, hint)? {
            Written::Register(number) => Operand::Reg(Reg(number)),
            Written::Literal(literal) => Operand::Const(literal),
        })
    }

    fn loop_var(&self, name: &str) -> Option<LoopVar> {
        self.scope.iter().rev().find(|var| self.loop_vars[var.0 as usize] == name).copied()
    }

    fn base(&self, name: &str) -> Option<Base> {
        let param = self.kernel.params.iter().position(|param| param.name == name);
        let scratch = self.kernel.scratch.iter().position(|scratch| scratch.name == name);
        param.map(|n| Base::Param(n as u32)).or(scratch.map(|n| Base::Scratch(n as u32)))
    }

    fn new_base(&self, name: &str, position: Position) -> Result<(), SyntaxError> {
        match self.base(name) {
            None => Ok(()),
            Some(_) => Err(self.cursor.error_at(position, format!("there are two buffers called `%{name}`"))),
        }
    }

    fn set(&mut self, target: &Target, dtype: DType) -> Result<Reg, SyntaxError> {
        self.registers.set(self.cursor, target, dtype, &mut self.kernel.registers).map(Reg)
    }

    /// Gives registers and loop variables the numbers that their names ask for.
    fn finish(mut self) -> Kernel {
        self.kernel.loop_vars = self.loop_vars.len() as u32;
        let registers = number_names(self.registers.names(), "");
        let loop_vars = number_names(self.loop_vars.iter().map(String::as_str), LOOP_VAR_PREFIX);
        renumber(&mut self.kernel, &registers, &loop_vars);
        self.kernel
    }
}
