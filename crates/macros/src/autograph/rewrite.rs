//! The walk that rewrites branches, loops and operators, innermost first.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use quote::quote_spanned;
use syn::{
    BinOp, Block, Expr, FnArg, ItemFn, Local, Pat, PatIdent, Result, ReturnType, Stmt, Type, visit::Visit,
    visit_mut::VisitMut,
};

use super::{names, operators, own};

/// Rewrites a function whose jumps are lowered.
pub(crate) fn rewrite(item: &mut ItemFn) -> Result<()> {
    let mut rewrite =
        Rewrite { made: 0, mutable: mutable(item), references: names::mutable_references(item), expected: None };
    let output = match &item.sig.output {
        ReturnType::Type(_, ty) => Some((**ty).clone()),
        ReturnType::Default => None,
    };
    rewrite.body(&mut item.block, output.filter(is_written));
    Ok(())
}

/// The variables declared with `mut`.
fn mutable(item: &ItemFn) -> BTreeSet<Ident> {
    struct Mutable(BTreeSet<Ident>);
    impl<'ast> Visit<'ast> for Mutable {
        fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
            if pattern.mutability.is_some() {
                self.0.insert(pattern.ident.clone());
            }
            syn::visit::visit_pat_ident(self, pattern);
        }
    }
    let mut found = Mutable(BTreeSet::new());
    item.sig.inputs.iter().for_each(|input: &FnArg| found.visit_fn_arg(input));
    found.visit_block(&item.block);
    found.0
}

/// Whether a type can be said again inside a function.
fn is_written(ty: &Type) -> bool {
    struct Unsaid(bool);
    impl<'ast> Visit<'ast> for Unsaid {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut found = Unsaid(false);
    found.visit_type(ty);
    !found.0
}

/// The walk.
pub(crate) struct Rewrite {
    made: usize,
    mutable: BTreeSet<Ident>,
    /// The variables that are mutable references.
    pub(crate) references: BTreeSet<Ident>,
    /// The type of the value at hand, where the user wrote it.
    pub(crate) expected: Option<Type>,
}

impl Rewrite {
    /// A variable of the macro's own.
    pub(crate) fn fresh(&mut self, name: &str, span: Span) -> Ident {
        self.made += 1;
        own(name, self.made, span)
    }

    /// The variables that code assigns, as the run-time support takes them.
    pub(crate) fn slots(&self, code: &[&Expr], span: Span) -> Expr {
        let places = names::assigned(code, &self.mutable);
        let tokens = quote_spanned!(span=> ::tracelift::__rt::slots![#(#places),*]);
        syn::parse_quote!(#tokens)
    }

    /// A block whose value has a type that is known.
    pub(crate) fn body(&mut self, block: &mut Block, expected: Option<Type>) {
        let last = block.stmts.len().saturating_sub(1);
        for (i, stmt) in block.stmts.iter_mut().enumerate() {
            match stmt {
                Stmt::Expr(expr, None) if i == last => {
                    self.expected = expected.clone();
                    self.visit_expr_mut(expr);
                    self.expected = None;
                }
                Stmt::Expr(expr @ Expr::If(_), _) => {
                    if let Expr::If(branch) = expr.clone() {
                        *expr = self.statement(branch);
                    }
                }
                other => self.visit_stmt_mut(other),
            }
        }
    }

    /// A block without a value.
    pub(crate) fn unit(&mut self, block: &mut Block) {
        for stmt in &mut block.stmts {
            match stmt {
                Stmt::Expr(expr @ Expr::If(_), _) => {
                    if let Expr::If(branch) = expr.clone() {
                        *expr = self.statement(branch);
                    }
                }
                other => self.visit_stmt_mut(other),
            }
        }
    }
}

impl VisitMut for Rewrite {
    fn visit_item_mut(&mut self, _: &mut syn::Item) {}

    fn visit_type_mut(&mut self, _: &mut Type) {}

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.body(block, None);
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let Some(init) = &mut local.init else { return };
        let expected = match &local.pat {
            Pat::Type(typed) if is_known(&typed.ty) => Some((*typed.ty).clone()),
            _ => None,
        };
        self.expected = expected;
        self.visit_expr_mut(&mut init.expr);
        self.expected = None;
        if let Some((_, otherwise)) = &mut init.diverge {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        if let Stmt::Macro(call) = stmt
            && let Some(expr) = operators::assertion(&call.mac, self)
        {
            *stmt = Stmt::Expr(expr, Some(Default::default()));
            return;
        }
        syn::visit_mut::visit_stmt_mut(self, stmt);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let expected = self.expected.take();
        match expr {
            Expr::If(branch) => *expr = self.value(branch.clone(), expected),
            Expr::While(repeat) => *expr = self.while_(repeat.clone()),
            Expr::ForLoop(repeat) => *expr = self.for_(repeat.clone()),
            Expr::Loop(repeat) => *expr = self.loop_(repeat.clone()),
            Expr::Block(block) => self.body(&mut block.block, expected),
            Expr::Unsafe(block) => self.body(&mut block.block, expected),
            Expr::Closure(_) => {}
            Expr::Macro(call) => {
                if let Some(assertion) = operators::assertion(&call.mac, self) {
                    *expr = assertion;
                }
            }
            Expr::Binary(binary) => {
                let places = match binary.op {
                    BinOp::And(_) | BinOp::Or(_) => names::assigned(&[&binary.right], &self.mutable),
                    _ => Vec::new(),
                };
                syn::visit_mut::visit_expr_mut(self, expr);
                if let Expr::Binary(binary) = expr
                    && let Some(call) = operators::binary(binary, &places)
                {
                    *expr = call;
                }
            }
            other => syn::visit_mut::visit_expr_mut(self, other),
        }
    }
}

/// Whether a type has no `_` in it.
fn is_known(ty: &Type) -> bool {
    struct Infer(bool);
    impl<'ast> Visit<'ast> for Infer {
        fn visit_type_infer(&mut self, _: &'ast syn::TypeInfer) {
            self.0 = true;
        }
    }
    let mut found = Infer(false);
    found.visit_type(ty);
    !found.0
}
