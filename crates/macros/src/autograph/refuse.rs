//! What cannot be rewritten, said at its place.

use std::collections::BTreeMap;

use proc_macro2::Span;
use syn::{Block, Error, Expr, ExprAssign, Ident, ItemFn, Local, Pat, Result, spanned::Spanned, visit::Visit};

use super::names::{bound, has_let};

/// Refuses variables that are declared without a value and then set in a branch or loop.
///
/// Branches run one after the other if they depend on a tensor, so that a variable has a value before the first.
pub(crate) fn check(item: &ItemFn) -> Result<()> {
    let mut found = Uninitialised::default();
    found.visit_block(&item.block);
    found
        .errors
        .into_iter()
        .reduce(|mut all, error| {
            all.combine(error);
            all
        })
        .map_or(Ok(()), Err)
}

#[derive(Default)]
struct Uninitialised {
    /// Variables without a value yet: how deep in branches and loops they are declared.
    waiting: Vec<BTreeMap<Ident, (Span, usize)>>,
    depth: usize,
    errors: Vec<Error>,
}

impl Uninitialised {
    fn deeper(&mut self, visit: impl FnOnce(&mut Self)) {
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }

    fn set(&mut self, target: &Expr) {
        match target {
            Expr::Tuple(tuple) => return tuple.elems.iter().for_each(|element| self.set(element)),
            Expr::Path(_) => {}
            _ => return,
        }
        let Some(name) = super::names::root(target) else { return };
        let depth = self.depth;
        let Some(scope) = self.waiting.iter_mut().rev().find(|scope| scope.contains_key(name)) else { return };
        let Some((span, declared)) = scope.remove(name) else { return };
        if depth > declared {
            let message = format!(
                "`{name}` has no value before the branch or loop that sets it: write `let {name} = if … {{ … }} else \
                 {{ … }};`, or give it a first value here"
            );
            self.errors.push(Error::new(span, message));
        }
    }
}

impl<'ast> Visit<'ast> for Uninitialised {
    fn visit_block(&mut self, block: &'ast Block) {
        self.waiting.push(BTreeMap::new());
        syn::visit::visit_block(self, block);
        self.waiting.pop();
    }

    fn visit_local(&mut self, local: &'ast Local) {
        syn::visit::visit_local(self, local);
        let depth = self.depth;
        let Some(scope) = self.waiting.last_mut() else { return };
        for name in bound(&local.pat) {
            match (&local.init, pattern(&local.pat)) {
                (None, Pat::Ident(_)) => {
                    scope.insert(name, (local.span(), depth));
                }
                // The same name again is another variable.
                _ => {
                    scope.remove(&name);
                }
            }
        }
    }

    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        syn::visit::visit_expr_assign(self, assign);
        self.set(&assign.left);
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        if has_let(&branch.cond) {
            return syn::visit::visit_expr_if(self, branch);
        }
        self.deeper(|this| syn::visit::visit_expr_if(this, branch));
    }

    fn visit_expr_while(&mut self, repeat: &'ast syn::ExprWhile) {
        self.deeper(|this| syn::visit::visit_expr_while(this, repeat));
    }

    fn visit_expr_for_loop(&mut self, repeat: &'ast syn::ExprForLoop) {
        self.deeper(|this| syn::visit::visit_expr_for_loop(this, repeat));
    }

    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}

    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

fn pattern(pattern: &Pat) -> &Pat {
    match pattern {
        Pat::Type(typed) => &typed.pat,
        other => other,
    }
}
