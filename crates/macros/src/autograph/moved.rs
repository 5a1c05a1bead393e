//! Which variables a piece of code moves, and which it mentions at all.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    BinOp, Block, Expr, ExprAssign, ExprBinary, ExprClosure, ExprMethodCall, Ident, Item, Local, Macro, Stmt, UnOp,
    parse_quote, visit::Visit,
};

use super::names::{assigned_names, bound, is_assigning};

/// The variables that code may move: they stand where a value is wanted, not only a place.
pub(crate) fn moved(block: &Block) -> BTreeSet<Ident> {
    let mut found = Moved::default();
    found.visit_block(block);
    found.names
}

#[derive(Default)]
struct Moved {
    names: BTreeSet<Ident>,
    declared: BTreeSet<Ident>,
}

impl Moved {
    /// What is borrowed, or read in place.
    fn place(&mut self, expr: &Expr) {
        match expr {
            Expr::Path(_) => {}
            Expr::Field(field) => self.place(&field.base),
            Expr::Paren(paren) => self.place(&paren.expr),
            Expr::Index(index) => {
                self.place(&index.expr);
                self.visit_expr(&index.index);
            }
            other => self.visit_expr(other),
        }
    }
}

impl<'ast> Visit<'ast> for Moved {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.place(&call.func);
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        // Constants and variants are no variables.
        let variable = |name: &&Ident| !name.to_string().starts_with(char::is_uppercase) && *name != "self";
        if let Some(name) = path.path.get_ident().filter(variable).filter(|name| !self.declared.contains(name)) {
            self.names.insert(name.clone());
        }
    }

    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        self.place(&field.base);
    }

    fn visit_expr_reference(&mut self, reference: &'ast syn::ExprReference) {
        self.place(&reference.expr);
    }

    fn visit_expr_index(&mut self, index: &'ast syn::ExprIndex) {
        self.place(&index.expr);
        self.visit_expr(&index.index);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        match takes_self(&call.method) {
            true => self.visit_expr(&call.receiver),
            false => self.place(&call.receiver),
        }
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        self.place(&assign.left);
        self.visit_expr(&assign.right);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        use BinOp::*;
        match binary.op {
            Lt(_) | Le(_) | Gt(_) | Ge(_) | Eq(_) | Ne(_) => {
                self.place(&binary.left);
                self.place(&binary.right);
            }
            ref op if is_assigning(op) => {
                self.place(&binary.left);
                self.visit_expr(&binary.right);
            }
            _ => syn::visit::visit_expr_binary(self, binary),
        }
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        match unary.op {
            UnOp::Deref(_) => self.place(&unary.expr),
            _ => self.visit_expr(&unary.expr),
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        syn::visit::visit_local(self, local);
        self.declared.append(&mut bound(&local.pat));
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        // A closure takes its captures along if it says so.
        if closure.capture.is_some() {
            self.names.extend(mentioned(closure));
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        // `vec![x]` moves, `println!("{}", x)` does not.
        if call.path.segments.last().is_some_and(|last| last.ident == "vec") {
            self.names.extend(mentioned(call));
        }
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// Clones of what a branch moves, for its head.
///
/// A variable that the branch assigns has a new value afterwards, and needs no clone.
pub(crate) fn clones<'a>(branch: &Block, names: impl Iterator<Item = &'a Ident>) -> Vec<Stmt> {
    let assigned = assigned_names(&[&parse_quote!(#branch)]);
    let kept = names.filter(|name| !assigned.contains(name));
    kept.map(|name| parse_quote!(let #name = ::tracelift::__rt::keep!(#name);)).collect()
}

/// Methods of tensors, options, results and collections that take their receiver along.
fn takes_self(method: &Ident) -> bool {
    let name = method.to_string();
    name.starts_with("into_")
        || name.starts_with("unwrap")
        || name.starts_with("map")
        || matches!(name.as_str(), "ok" | "ok_or" | "ok_or_else" | "and_then" | "or_else" | "expect" | "connected")
}

/// All identifiers in a piece of code, also within macros and format strings.
pub(crate) fn mentioned(code: &impl ToTokens) -> BTreeSet<Ident> {
    let mut names = BTreeSet::new();
    collect(code.to_token_stream(), &mut names);
    names
}

fn collect(tokens: TokenStream, names: &mut BTreeSet<Ident>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                names.insert(name);
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Literal(literal) => in_format(&literal, names),
            TokenTree::Punct(_) => {}
        }
    }
}

/// The names in braces of a string.
fn in_format(literal: &proc_macro2::Literal, names: &mut BTreeSet<Ident>) {
    let text = literal.to_string();
    for part in text.split('{').skip(1) {
        let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let Ok(mut name) = syn::parse_str::<Ident>(&name) {
            name.set_span(literal.span());
            names.insert(name);
        }
    }
}
