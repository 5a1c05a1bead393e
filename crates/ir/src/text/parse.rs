//! Reading graphs.

use super::names::user_name;
use super::region;
use crate::attrs::{Attr, Attrs};
use crate::build::Builder;
use crate::graph::{Graph, ParamRole, StatePair};
use crate::op::Op;
use crate::ops::Constant;
use crate::types::{TensorType, Type};
use crate::value::Value;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;
use tracelift_kernel::lane::Scalar;
use tracelift_kernel::text::{Cursor, Position, Punct, Source, SyntaxError, Token};
use tracelift_tensor::{Array, DType, Error, Result};

/// The functions of a text, in its order; kernels and programs in it are passed over.
///
/// ```
/// use tracelift_ir::Module;
/// use tracelift_kernel::text::Source;
///
/// let text = "func @square(%x: f32[B]) -> f32[B] {\n  %0 = mul %x, %x : f32[B]\n  return %0\n}\n";
/// let module = Module::parse(Source::new("square.tl", text))?;
/// assert_eq!(module.function("square").unwrap().to_string(), text);
/// # Ok::<(), tracelift_kernel::text::SyntaxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The functions; each calls only those before it.
    pub functions: Vec<Arc<Graph>>,
}

impl Module {
    /// Reads a text. Types that it states are compared with those that inference finds.
    pub fn parse(source: Source<'_>) -> Result<Module, SyntaxError> {
        let mut parser = Parser { cursor: Cursor::new(source)?, functions: Vec::new(), depth: 0 };
        loop {
            match parser.cursor.peek() {
                Token::Word("func") => {
                    let position = parser.cursor.position();
                    let (name, graph) = parser.function()?;
                    if parser.find(&name).is_some() {
                        let message = format!("there are two functions called `@{name}`");
                        return Err(parser.cursor.error_at(position, message));
                    }
                    parser.functions.push((name, Arc::new(graph)));
                }
                Token::Word("kernel" | "program") => parser.cursor.skip_item()?,
                Token::End => break,
                _ => return Err(parser.cursor.expected("`func`, `kernel` or `program`")),
            }
        }
        Ok(Module { functions: parser.functions.into_iter().map(|(_, graph)| graph).collect() })
    }

    /// A function by its name.
    pub fn function(&self, name: &str) -> Option<&Arc<Graph>> {
        self.functions.iter().find(|graph| graph.name() == name)
    }
}

impl Graph {
    /// Reads the last function of a text, which may call those before it.
    pub fn parse(text: &str) -> Result<Graph> {
        let module = Module::parse(Source::new("text", text)).map_err(|error| Error::format(error.to_string()))?;
        let last = module.functions.into_iter().next_back();
        last.map(Arc::unwrap_or_clone).ok_or_else(|| Error::format("there is no `func` in the text"))
    }
}

/// What stands behind `=` and is pushed: op, operands, the types that are stated and where.
pub(super) type Stated = (Op, Vec<Value>, Vec<Type>, Position);

pub(super) struct Parser<'a> {
    pub(super) cursor: Cursor<'a>,
    functions: Vec<(String, Arc<Graph>)>,
    pub(super) depth: u32,
}

/// A function or region while it is being read.
pub(super) struct Body {
    pub(super) b: Builder,
    pub(super) names: FxHashMap<String, Value>,
}

impl Body {
    pub(super) fn new(name: &str) -> Body {
        Body { b: Builder::new(name), names: FxHashMap::default() }
    }

    /// Adds a parameter under its name in the text.
    pub(super) fn param(&mut self, name: &str, ty: Type, role: ParamRole) -> bool {
        let value = self.b.param(user_name(name).unwrap_or(""), ty, role);
        self.names.insert(name.to_owned(), value).is_none()
    }
}

impl<'a> Parser<'a> {
    fn find(&self, name: &str) -> Option<&Arc<Graph>> {
        self.functions.iter().find(|(n, _)| n == name).map(|(_, graph)| graph)
    }

    /// `func @f(%x: f32[B], state %w: f32[3]) -> f32[] { … }`; answers its name in the text, too.
    fn function(&mut self) -> Result<(String, Graph), SyntaxError> {
        self.cursor.expect_word("func")?;
        let name = self.cursor.global("the function's name, like `@f`")?.into_owned();
        let mut body = Body::new(user_name(&name).unwrap_or(&name));
        self.cursor.expect(Punct::Open)?;
        while !self.cursor.eat(Punct::Close) {
            let role = match self.cursor.peek() {
                Token::Word("captured") => ParamRole::Captured,
                Token::Word("state") => ParamRole::State,
                _ => ParamRole::Input,
            };
            if role != ParamRole::Input {
                self.cursor.advance();
            }
            let position = self.cursor.position();
            let param = self.cursor.value("a parameter, like `%x`")?;
            self.cursor.expect(Punct::Colon)?;
            let ty = self.ty()?;
            if !body.param(&param, ty, role) {
                return Err(self.cursor.error_at(position, format!("there are two parameters called `%{param}`")));
            }
            if !self.cursor.at(Punct::Close) {
                self.cursor.expect(Punct::Comma)?;
            }
        }
        self.cursor.expect(Punct::Arrow)?;
        let position = self.cursor.position();
        let types = self.types()?;
        self.cursor.expect(Punct::OpenBrace)?;
        let graph = self.body(body, "return")?;
        let found: Vec<Type> = graph.result_types().cloned().collect();
        self.check_types(position, &types, &found)?;
        Ok((name, graph))
    }

    /// Guards, nodes and the last line, up to the closing brace.
    pub(super) fn body(&mut self, mut body: Body, end: &str) -> Result<Graph, SyntaxError> {
        while !self.cursor.at_word(end) {
            match self.cursor.peek() {
                Token::Word("guard") => {
                    self.cursor.advance();
                    let guard = self.cursor.guard()?;
                    body.b.assume(guard);
                }
                Token::Value(_) | Token::Word(_) => self.node(&mut body)?,
                _ => return Err(self.cursor.expected(&format!("a node or `{end}`"))),
            }
        }
        self.cursor.advance();
        let (mut results, mut states) = (Vec::new(), Vec::new());
        while !self.cursor.at(Punct::CloseBrace) {
            if !results.is_empty() {
                self.cursor.expect(Punct::Comma)?;
            }
            let position = self.cursor.position();
            let mut value = self.operand(&body)?;
            if self.cursor.eat(Punct::BackArrow) {
                let Some(param) = body.b.params().iter().position(|param| *param == value) else {
                    return Err(self.cursor.error_at(position, "only a parameter has a next value"));
                };
                states.push(StatePair { param, result: results.len() });
                value = self.operand(&body)?;
            }
            results.push(value);
        }
        let position = self.cursor.position();
        self.cursor.expect(Punct::CloseBrace)?;
        body.b.finish_with_states(&results, states).map_err(|error| self.refuse(position, &error))
    }

    /// `%a, %b = op operands {attributes} : types`.
    fn node(&mut self, body: &mut Body) -> Result<(), SyntaxError> {
        let mut names: SmallVec<[(String, Position); 1]> = SmallVec::new();
        if let Token::Value(_) = self.cursor.peek() {
            loop {
                let position = self.cursor.position();
                names.push((self.cursor.value("a value, like `%x`")?.into_owned(), position));
                if !self.cursor.eat(Punct::Comma) {
                    break;
                }
            }
            self.cursor.expect(Punct::Eq)?;
        }
        let position = self.cursor.position();
        let name = self.cursor.word("an op")?;
        let (op, operands, types, types_at) = self.right_side(body, name, position)?;
        let values = body.b.push_multi(op, &operands).map_err(|error| self.refuse(position, &error))?;
        let found: Vec<Type> = values.iter().map(|value| body.b.ty(*value).clone()).collect();
        self.check_types(types_at, &types, &found)?;
        if names.len() != values.len() {
            let message = format!("`{name}` has {} results, not {}", values.len(), names.len());
            return Err(self.cursor.error_at(position, message));
        }
        for ((name, at), value) in names.into_iter().zip(values) {
            if let Some(user) = user_name(&name) {
                body.b.set_name(value, user);
            }
            if body.names.contains_key(&name) {
                return Err(self.cursor.error_at(at, format!("there are two values called `%{name}`")));
            }
            body.names.insert(name, value);
        }
        Ok(())
    }

    /// What stands behind the op's name. Only regions recurse, so the other forms have functions, and stack, of their
    /// own.
    fn right_side(&mut self, body: &Body, name: &str, position: Position) -> Result<Stated, SyntaxError> {
        match name {
            "while" | "cond" | "fusion" => region::parse(self, body, name, position),
            "const" => self.constant(),
            "call" => self.call(body),
            "parameter" => Err(self.cursor.error_at(position, "parameters stand in the head of the function")),
            _ => self.plain(body, name, position),
        }
    }

    /// `%x, %y {axes=[0]} : f32[B]`
    fn plain(&mut self, body: &Body, name: &str, position: Position) -> Result<Stated, SyntaxError> {
        let operands = self.operands(body)?;
        let attributes = self.attributes()?;
        let op = Op::from_attributes(name, &attributes).map_err(|error| self.refuse(position, &error))?;
        let (types, at) = self.stated_types()?;
        Ok((op, operands, types, at))
    }

    /// `@f(%x, %y) : f32[B]`, `@f(%x, %y) gradient @g : f32[B]`, or `@f(%x, %y) {sizes=[r1]} : f32[r1]`
    fn call(&mut self, body: &Body) -> Result<Stated, SyntaxError> {
        let callee = self.called()?;
        self.cursor.expect(Punct::Open)?;
        let operands = self.operands(body)?;
        self.cursor.expect(Punct::Close)?;
        let gradient = if self.cursor.eat_word("gradient") { Some(self.called()?) } else { None };
        let position = self.cursor.position();
        let mut attributes = self.attributes()?.region("callee", &callee);
        if let Some(gradient) = &gradient {
            attributes = attributes.region("gradient", gradient);
        }
        let op = Op::from_attributes("call", &attributes).map_err(|error| self.refuse(position, &error))?;
        let (types, at) = self.stated_types()?;
        Ok((op, operands, types, at))
    }

    /// `@f`, a function that stands before this one.
    fn called(&mut self) -> Result<Arc<Graph>, SyntaxError> {
        let at = self.cursor.position();
        let name = self.cursor.global("a function, like `@f`")?;
        let missing = || self.cursor.error_at(at, format!("there is no function `@{name}` before this"));
        self.find(&name).cloned().ok_or_else(missing)
    }

    /// `[1.0, 2.0] : f32[2]`: the type stands behind the elements, but is needed to read them.
    fn constant(&mut self) -> Result<Stated, SyntaxError> {
        let elements_at = self.cursor.position();
        let mark = self.cursor.mark();
        while !matches!(self.cursor.peek(), Token::Punct(Punct::Colon) | Token::End) {
            self.cursor.advance();
        }
        let (types, at) = self.stated_types()?;
        let end = self.cursor.mark();
        let [Type::Tensor(ty)] = types.as_slice() else {
            return Err(self.cursor.error_at(at, "a constant has one type, with dtype and shape"));
        };
        self.cursor.rewind(mark);
        let text = self.cursor.array_of(ty.dtype)?;
        if !self.cursor.at(Punct::Colon) {
            return Err(self.cursor.expected("`:`"));
        }
        self.cursor.rewind(end);
        let dims = ty.shape.known().ok_or_else(|| self.cursor.error_at(at, "a constant's sizes are all known"))?;
        let count = tracelift_tensor::count_elements(&dims).map_err(|error| self.refuse(at, &error))?;
        let fits = text.elements.len() == count && (text.shape[..] == dims[..] || count == 0);
        if !fits {
            let message = format!("expected {ty}, found elements of shape {:?}", text.shape);
            return Err(self.cursor.error_at(elements_at, message));
        }
        let array = array_of(ty.dtype, &dims, &text.elements).map_err(|error| self.refuse(elements_at, &error))?;
        Ok((Constant::new(array).into(), vec![], types, at))
    }

    fn operands(&mut self, body: &Body) -> Result<Vec<Value>, SyntaxError> {
        let mut operands = Vec::new();
        while let Token::Value(_) = self.cursor.peek() {
            operands.push(self.operand(body)?);
            if !self.cursor.eat(Punct::Comma) {
                break;
            }
        }
        Ok(operands)
    }

    pub(super) fn operand(&mut self, body: &Body) -> Result<Value, SyntaxError> {
        let position = self.cursor.position();
        let name = self.cursor.value("a value, like `%x`")?;
        let found = body.names.get(name.as_ref()).copied();
        found.ok_or_else(|| self.cursor.error_at(position, format!("there is no value `%{name}` before this")))
    }

    pub(super) fn attributes(&mut self) -> Result<Attrs, SyntaxError> {
        let mut attributes = Attrs::new();
        if !self.cursor.eat(Punct::OpenBrace) {
            return Ok(attributes);
        }
        while !self.cursor.eat(Punct::CloseBrace) {
            let position = self.cursor.position();
            let name = self.cursor.word("an attribute")?;
            if attributes.get(name).is_some() {
                return Err(self.cursor.error_at(position, format!("there are two attributes `{name}`")));
            }
            self.cursor.expect(Punct::Eq)?;
            let value = self.attribute()?;
            attributes = attributes.with(name, value);
            if !self.cursor.at(Punct::CloseBrace) {
                self.cursor.expect(Punct::Comma)?;
            }
        }
        Ok(attributes)
    }

    fn attribute(&mut self) -> Result<Attr, SyntaxError> {
        let ends = matches!(self.cursor.peek_nth(1), Token::Punct(Punct::Comma | Punct::CloseBrace));
        match self.cursor.peek().clone() {
            Token::Text(text) => {
                self.cursor.advance();
                Ok(Attr::Text(text.into_owned()))
            }
            Token::Word(word) if ends => {
                self.cursor.advance();
                Ok(match word {
                    "true" => Attr::Bool(true),
                    "false" => Attr::Bool(false),
                    word => Attr::Word(word.to_owned()),
                })
            }
            Token::Punct(Punct::OpenBracket) => {
                self.cursor.advance();
                Ok(Attr::List(self.cursor.list(Punct::CloseBracket, &mut |cursor| cursor.dim())?))
            }
            _ => Ok(Attr::Dim(self.cursor.dim()?)),
        }
    }

    /// `: f32[B], i32[]`, and where the first type is.
    pub(super) fn stated_types(&mut self) -> Result<(Vec<Type>, Position), SyntaxError> {
        self.cursor.expect(Punct::Colon)?;
        let position = self.cursor.position();
        Ok((self.types()?, position))
    }

    fn types(&mut self) -> Result<Vec<Type>, SyntaxError> {
        if self.cursor.eat(Punct::Open) {
            self.cursor.expect(Punct::Close)?;
            return Ok(Vec::new());
        }
        let mut types = vec![self.ty()?];
        while self.cursor.eat(Punct::Comma) {
            types.push(self.ty()?);
        }
        Ok(types)
    }

    pub(super) fn ty(&mut self) -> Result<Type, SyntaxError> {
        if self.cursor.eat_word("token") {
            return Ok(Type::Token);
        }
        if self.cursor.eat_word("stack") {
            self.cursor.expect(Punct::Less)?;
            let item = self.tensor_type()?;
            self.cursor.expect(Punct::Greater)?;
            return Ok(Type::Stack(item));
        }
        self.tensor_type().map(Type::Tensor)
    }

    fn tensor_type(&mut self) -> Result<TensorType, SyntaxError> {
        let dtype = self.cursor.dtype()?;
        let shape = self.cursor.shape()?;
        Ok(TensorType { dtype, shape })
    }

    fn check_types(&self, at: Position, stated: &[Type], found: &[Type]) -> Result<(), SyntaxError> {
        if stated == found {
            return Ok(());
        }
        let text = |types: &[Type]| match types {
            [] => "()".to_owned(),
            types => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        Err(self.cursor.error_at(at, format!("expected {}, found {}", text(found), text(stated))))
    }

    /// An error of inference as a mistake in the text.
    pub(super) fn refuse(&self, at: Position, error: &Error) -> SyntaxError {
        self.cursor.error_at(at, error.to_string())
    }
}

fn array_of(dtype: DType, dims: &[usize], elements: &[Scalar]) -> Result<Array> {
    let mut array = Array::zeros(dtype, dims)?;
    for (i, element) in elements.iter().enumerate() {
        crate::eval::put(&mut array, i, *element);
    }
    Ok(array)
}
