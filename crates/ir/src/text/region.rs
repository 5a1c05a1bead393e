//! Reading ops that own regions.

use super::names::user_name;
use super::parse::{Body, Parser, Stated};
use crate::build::MAX_DEPTH;
use crate::graph::{Graph, ParamRole};
use crate::op::Op;
use crate::types::Type;
use crate::value::Value;
use std::sync::Arc;
use tracelift_kernel::text::{Position, Punct, SyntaxError};

/// A parameter of a region: its name in the text and its type.
struct Param {
    name: String,
    ty: Type,
}

/// `while (…) captures (…) {save=residuals} : types { … } do { … }`, `cond %p captures (…) : types { … } else { … }`,
/// `fusion captures (…) : types { … }`.
pub(super) fn parse(
    parser: &mut Parser<'_>,
    outer: &Body,
    name: &str,
    position: Position,
) -> Result<Stated, SyntaxError> {
    parser.depth += 1;
    if parser.depth > MAX_DEPTH {
        return Err(parser.cursor.error_at(position, format!("nested more than {MAX_DEPTH} levels deep")));
    }
    let mut operands = Vec::new();
    let mut params: Vec<Param> = Vec::new();
    if name == "cond" {
        operands.push(parser.operand(outer)?);
    }
    if name == "while" {
        parser.cursor.expect(Punct::Open)?;
        pairs(parser, outer, &mut params, &mut operands)?;
    }
    let carried = params.len();
    if parser.cursor.eat_word("captures") {
        parser.cursor.expect(Punct::Open)?;
        pairs(parser, outer, &mut params, &mut operands)?;
    }
    let attributes = parser.attributes()?;
    let (types, at) = parser.stated_types()?;
    // What a loop carries has the types of its results.
    if carried > types.len() {
        return Err(parser.cursor.error_at(at, format!("expected {carried} types or more, found {}", types.len())));
    }
    for (param, ty) in params[..carried].iter_mut().zip(&types) {
        param.ty = ty.clone();
    }
    parser.cursor.expect(Punct::OpenBrace)?;
    let first = region(parser, &params)?;
    let attributes = match name {
        "fusion" => attributes.region("body", &first),
        "cond" => attributes.region("then", &first).region("otherwise", &second(parser, "else", params)?),
        _ => attributes.region("condition", &first).region("body", &second(parser, "do", params)?),
    };
    let op = Op::from_attributes(name, &attributes).map_err(|error| parser.refuse(position, &error))?;
    parser.depth -= 1;
    Ok((op, operands, types, at))
}

/// `else { … }`, or `do (%names) { … }` where parameters have other names than in the first region.
fn second(parser: &mut Parser<'_>, word: &str, mut params: Vec<Param>) -> Result<Arc<Graph>, SyntaxError> {
    parser.cursor.expect_word(word)?;
    let position = parser.cursor.position();
    if parser.cursor.eat(Punct::Open) {
        let names = parser
            .cursor
            .list(Punct::Close, &mut |cursor| cursor.value("a parameter, like `%x`").map(|name| name.into_owned()))?;
        if names.len() != params.len() {
            let message = format!("expected {} names, found {}", params.len(), names.len());
            return Err(parser.cursor.error_at(position, message));
        }
        for (param, name) in params.iter_mut().zip(names) {
            param.name = name;
        }
    }
    parser.cursor.expect(Punct::OpenBrace)?;
    region(parser, &params)
}

/// `%i = %0, %n, %k: f32[B] = %x)`: parameters with the operands given to them.
fn pairs(
    parser: &mut Parser<'_>,
    outer: &Body,
    params: &mut Vec<Param>,
    operands: &mut Vec<Value>,
) -> Result<(), SyntaxError> {
    while !parser.cursor.eat(Punct::Close) {
        let mark = parser.cursor.mark();
        let name = parser.cursor.value("a value, like `%x`")?.into_owned();
        let ty = if parser.cursor.eat(Punct::Colon) { Some(parser.ty()?) } else { None };
        if !parser.cursor.eat(Punct::Eq) {
            // Short for `%n = %n`.
            parser.cursor.rewind(mark);
        }
        let operand = parser.operand(outer)?;
        let ty = ty.unwrap_or_else(|| outer.b.ty(operand).clone());
        params.push(Param { name, ty });
        operands.push(operand);
        if !parser.cursor.at(Punct::Close) {
            parser.cursor.expect(Punct::Comma)?;
        }
    }
    Ok(())
}

fn region(parser: &mut Parser<'_>, params: &[Param]) -> Result<Arc<Graph>, SyntaxError> {
    let mut body = Body::new("region");
    for param in params {
        if !body.param(&param.name, param.ty.clone(), ParamRole::Input) {
            let name = user_name(&param.name).unwrap_or(&param.name);
            return Err(parser.cursor.error(format!("there are two parameters called `%{name}`")));
        }
    }
    parser.body(body, "yield").map(Arc::new)
}
