//! `while`, `for`, `loop` and `while let` as calls of the run-time support.

use proc_macro2::{Ident, Span};
use quote::quote_spanned;
use syn::{
    Attribute, Block, Expr, ExprForLoop, ExprLoop, ExprWhile, Stmt, Token, parse::Parse, parse_quote_spanned,
    visit_mut::VisitMut,
};

use super::{names::has_let, own, rewrite::Rewrite};

/// What the lowering of jumps says of a loop.
#[derive(Default)]
pub(crate) struct Lowered {
    pub(crate) number: Option<usize>,
    value: bool,
}

impl Lowered {
    /// From the attribute that the lowering left.
    pub(crate) fn of(attributes: &[Attribute]) -> Lowered {
        let own = attributes.iter().find(|attribute| attribute.path().is_ident("__loop"));
        own.and_then(|own| own.parse_args().ok()).unwrap_or_default()
    }
}

impl Parse for Lowered {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Self> {
        let number: syn::LitInt = input.parse()?;
        Ok(Lowered {
            number: Some(number.base10_parse()?),
            value: input.parse::<Option<Token![,]>>()?.is_some() && {
                input.parse::<Ident>()?;
                true
            },
        })
    }
}

/// Takes the attribute that the lowering of jumps left.
fn lowered(attributes: &mut Vec<Attribute>) -> Lowered {
    let found = Lowered::of(attributes);
    attributes.retain(|attribute| !attribute.path().is_ident("__loop"));
    found
}

impl Rewrite {
    fn loop_name(&mut self, lowered: &Lowered, span: Span) -> Ident {
        match lowered.number {
            Some(number) => own("loop", number, span),
            None => self.fresh("rounds", span),
        }
    }

    pub(crate) fn while_(&mut self, mut repeat: ExprWhile) -> Expr {
        let slots = self.slots(&[&Expr::While(repeat.clone())], repeat.while_token.span);
        let lowered = lowered(&mut repeat.attrs);
        let span = repeat.while_token.span;
        if has_let(&repeat.cond) {
            return self.while_let(repeat, &lowered, span);
        }
        let name = self.loop_name(&lowered, span);
        self.visit_expr_mut(&mut repeat.cond);
        self.unit(&mut repeat.body);
        let (label, cond, body) = (&repeat.label, &repeat.cond, &repeat.body.stmts);
        let new = quote_spanned!(span=> ::tracelift::__rt::ag::While::new());
        let decide = quote_spanned!(span=> #name.decide(#cond, #slots));
        parse_quote_spanned! {span=> {
            let mut #name = #new;
            #label loop {
                if #name.is_over(#slots) { break; }
                if let ::tracelift::__rt::ag::Step::Exit = #decide { break; }
                #(#body)*
                #name.end(#slots);
            }
        }}
    }

    pub(crate) fn loop_(&mut self, mut repeat: ExprLoop) -> Expr {
        let slots = self.slots(&[&Expr::Loop(repeat.clone())], repeat.loop_token.span);
        let lowered = lowered(&mut repeat.attrs);
        let span = repeat.loop_token.span;
        if lowered.number.is_none() {
            // It is left by plain `break`s only, so it is plain Rust.
            self.body(&mut repeat.body, None);
            return Expr::Loop(repeat);
        }
        let name = self.loop_name(&lowered, span);
        self.unit(&mut repeat.body);
        let (label, body) = (&repeat.label, &repeat.body.stmts);
        let new = quote_spanned!(span=> ::tracelift::__rt::ag::While::endless());
        let value = lowered.number.filter(|_| lowered.value).map(|number| own("value", number, span));
        let before =
            value.as_ref().map(|value| quote_spanned!(span=> let mut #value = ::tracelift::__rt::ag::Late::new();));
        let after = value.as_ref().map(|value| quote_spanned!(span=> #value.take()));
        parse_quote_spanned! {span=> {
            #before
            let mut #name = #new;
            #label loop {
                if #name.is_over(#slots) { break; }
                if let ::tracelift::__rt::ag::Step::Exit = #name.decide(true, #slots) { break; }
                #(#body)*
                #name.end(#slots);
            }
            #after
        }}
    }

    pub(crate) fn for_(&mut self, mut repeat: ExprForLoop) -> Expr {
        let slots = self.slots(&[&Expr::ForLoop(repeat.clone())], repeat.for_token.span);
        let lowered = lowered(&mut repeat.attrs);
        let span = repeat.for_token.span;
        let name = self.loop_name(&lowered, span);
        self.visit_expr_mut(&mut repeat.expr);
        let body = self.guarded(repeat.body, &lowered, &name, span);
        let (label, over, pattern, body) = (&repeat.label, &repeat.expr, &repeat.pat, &body.stmts);
        let new = quote_spanned!(span=> ::tracelift::__rt::each!(#over));
        parse_quote_spanned! {span=> {
            let mut #name = #new;
            #label while let ::core::option::Option::Some(#pattern) = #name.next(#slots) {
                #(#body)*
                #name.end(#slots);
            }
        }}
    }

    /// The body of a loop of plain Rust: once a flag of the graph is up, the rounds to come do nothing.
    fn guarded(&mut self, mut body: Block, lowered: &Lowered, name: &Ident, span: Span) -> Block {
        if lowered.number.is_some() {
            let stmts = std::mem::take(&mut body.stmts);
            let guarded: Stmt = parse_quote_spanned!(span=> if #name.goes_on() { #(#stmts)* });
            body.stmts.push(guarded);
        }
        self.unit(&mut body);
        body
    }

    fn while_let(&mut self, mut repeat: ExprWhile, lowered: &Lowered, span: Span) -> Expr {
        self.let_condition(&mut repeat.cond);
        if lowered.number.is_none() {
            self.unit(&mut repeat.body);
            return Expr::While(repeat);
        }
        let name = self.loop_name(lowered, span);
        let body = self.guarded(repeat.body, lowered, &name, span);
        let (label, cond) = (&repeat.label, &repeat.cond);
        let new = quote_spanned!(span=> ::tracelift::__rt::ag::Rounds::new());
        parse_quote_spanned! {span=> {
            let mut #name = #new;
            #label loop {
                if #name.is_over() { break; }
                if #cond #body else { break; }
            }
        }}
    }
}
