//! `if` as calls of the run-time support.

use std::collections::BTreeSet;

use proc_macro2::Ident;
use quote::quote_spanned;
use syn::{Block, Expr, ExprIf, Stmt, Type, parse_quote, parse_quote_spanned, visit_mut::VisitMut};

use super::{
    moved::{clones, mentioned, moved},
    names::{assigned_names, has_let},
    operators::is_literal,
    rewrite::Rewrite,
};

/// An `if` taken apart; `cond` is rewritten already.
struct Parts {
    cond: Expr,
    then: Block,
    otherwise: Option<Block>,
}

impl Rewrite {
    /// An `if` whose value, if there is one, is not used.
    pub(crate) fn statement(&mut self, mut branch: ExprIf) -> Expr {
        if has_let(&branch.cond) {
            self.patterns(&mut branch);
            self.unit(&mut branch.then_branch);
            if let Some((_, otherwise)) = &mut branch.else_branch {
                if let Expr::Block(block) = &mut **otherwise {
                    self.unit(&mut block.block);
                } else if let Expr::If(inner) = (**otherwise).clone() {
                    let inner = self.statement(inner);
                    **otherwise = parse_quote!({ #inner });
                }
            }
            return Expr::If(branch);
        }
        let span = branch.if_token.span;
        let Parts { cond, mut then, otherwise } = self.parts(branch);
        let mut otherwise = otherwise.unwrap_or_else(|| parse_quote!({}));
        let slots = self.slots(&[&parse_quote!(#then), &parse_quote!(#otherwise)], span);
        self.keep(&mut then, &otherwise);
        self.unit(&mut then);
        self.unit(&mut otherwise);
        end(&mut then);
        end(&mut otherwise);
        let name = self.fresh("if", span);
        let (then, otherwise) = (&then.stmts, &otherwise.stmts);
        // Called at the `if`, so that messages name its line.
        let new = quote_spanned!(span=> ::tracelift::__rt::ag::If::new(#cond, #slots));
        let second = (!otherwise.is_empty()).then(|| quote_spanned!(span=> if #name.takes_else() { #(#otherwise)* }));
        parse_quote_spanned! {span=> {
            let mut #name = #new;
            if #name.takes_then() { #(#then)* }
            #name.turn(#slots, ::tracelift::__rt::ag::Parts::Absent);
            #second
            #name.end(#slots, ::tracelift::__rt::ag::Parts::Absent);
        }}
    }

    /// An `if` with a value.
    pub(crate) fn value(&mut self, mut branch: ExprIf, expected: Option<Type>) -> Expr {
        if branch.else_branch.is_none() {
            return self.statement(branch);
        }
        if has_let(&branch.cond) {
            self.patterns(&mut branch);
            self.body(&mut branch.then_branch, expected.clone());
            if let Some((_, otherwise)) = &mut branch.else_branch {
                self.expected = expected;
                self.visit_expr_mut(otherwise);
                if !matches!(**otherwise, Expr::Block(_) | Expr::If(_)) {
                    let inner = &otherwise;
                    **otherwise = parse_quote!({ #inner });
                }
            }
            return Expr::If(branch);
        }
        let span = branch.if_token.span;
        let Parts { cond, mut then, otherwise } = self.parts(branch);
        let mut otherwise = otherwise.unwrap_or_else(|| parse_quote!({}));
        let slots = self.slots(&[&parse_quote!(#then), &parse_quote!(#otherwise)], span);
        let mixed = expected.is_none() && ends_in_literal(&then) != ends_in_literal(&otherwise);
        self.keep(&mut then, &otherwise);
        let expected = expected.filter(|_| !mixed);
        self.body(&mut then, expected.clone());
        self.body(&mut otherwise, expected.clone());
        let name = self.fresh("if", span);
        let (first, second) = (self.fresh("then", span), self.fresh("else", span));
        let given = Ident::new(if mixed { "mixed" } else { "given" }, span);
        let values = Ident::new(if mixed { "numbers" } else { "values" }, span);
        let ty = expected.map(|ty| quote_spanned!(span=> ::<#ty>));
        let new = quote_spanned!(span=> ::tracelift::__rt::ag::If::new(#cond, #slots));
        let (then, otherwise) = (tidy(then), tidy(otherwise));
        parse_quote_spanned! {span=> {
            let mut #name = #new;
            let (mut #first, mut #second) = ::tracelift::__rt::ag::#values #ty();
            if #name.takes_then() { #first = ::core::option::Option::Some(#then); }
            #name.turn(#slots, ::tracelift::__rt::#given!(#first));
            if #name.takes_else() { #second = ::core::option::Option::Some(#otherwise); }
            ::tracelift::__rt::join!(#name.end(#slots, ::tracelift::__rt::#given!(#second)), #first, #second)
        }}
    }

    /// Gives the first branch clones of what it moves and the other one needs.
    fn keep(&self, then: &mut Block, otherwise: &Block) {
        let assigned: BTreeSet<Ident> = assigned_names(&[&parse_quote!(#otherwise)]);
        let (moved, needed) = (moved(then), mentioned(otherwise));
        let shared = moved.intersection(&needed).filter(|name| !assigned.contains(name));
        let kept = clones(then, shared.filter(|name| !self.references.contains(name)));
        then.stmts.splice(0..0, kept);
    }

    fn parts(&mut self, branch: ExprIf) -> Parts {
        let ExprIf { mut cond, then_branch, else_branch, .. } = branch;
        self.visit_expr_mut(&mut cond);
        let otherwise = else_branch.map(|(_, expr)| match *expr {
            Expr::Block(block) if block.label.is_none() => block.block,
            other => parse_quote!({ #other }),
        });
        Parts { cond: *cond, then: then_branch, otherwise }
    }

    /// The values that the patterns of a condition are matched with.
    fn patterns(&mut self, branch: &mut ExprIf) {
        self.let_condition(&mut branch.cond);
    }

    /// A condition with patterns: it is plain Rust, but for the values in it.
    pub(crate) fn let_condition(&mut self, condition: &mut Expr) {
        match condition {
            Expr::Let(let_) => self.visit_expr_mut(&mut let_.expr),
            Expr::Binary(binary) if has_let(&binary.left) || has_let(&binary.right) => {
                self.let_condition(&mut binary.left);
                self.let_condition(&mut binary.right);
            }
            other => self.visit_expr_mut(other),
        }
    }
}

/// A block of one value as the value.
fn tidy(block: Block) -> Expr {
    match block.stmts.as_slice() {
        [Stmt::Expr(value, None)] if !matches!(value, Expr::Let(_)) => value.clone(),
        _ => parse_quote!(#block),
    }
}

/// Makes the last statement of a block give no value.
fn end(block: &mut Block) {
    if let Some(Stmt::Expr(_, semi @ None)) = block.stmts.last_mut() {
        *semi = Some(Default::default());
    }
}

/// Whether the value of a block is a number.
fn ends_in_literal(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(Expr::If(inner), None)) => {
            let other = inner.else_branch.as_ref().map(|(_, other)| match &**other {
                Expr::Block(block) => ends_in_literal(&block.block),
                other => ends_in_literal(&parse_quote!({ #other })),
            });
            ends_in_literal(&inner.then_branch) && other.unwrap_or(false)
        }
        Some(Stmt::Expr(value, None)) => is_literal(value),
        _ => false,
    }
}
