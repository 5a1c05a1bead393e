//! The rewriting of control flow, so that conditions may be tensors: what `#[function]` does to a body.
//!
//! Three walks over the body: what cannot be rewritten is refused, `break`, `continue` and `return` become flags where
//! they may depend on a tensor, and branches, loops, comparisons and logic become calls of the run-time support in
//! `tracelift_function::autograph`. Everything that is none of these stays as it was written.

mod names;
mod moved;
mod refuse;
mod jumps;
mod returns;
mod loop_value;
mod rewrite;
mod branch;
mod repeat;
mod operators;
mod source;

use proc_macro2::Span;
use syn::{Expr, Ident, ItemFn, Result, Stmt, parse_quote, visit_mut::VisitMut};

pub(crate) use source::source;

/// Rewrites the body of a function; gives whether there was anything to rewrite.
pub(crate) fn rewrite(item: &mut ItemFn) -> Result<bool> {
    ungroup(item);
    refuse::check(item)?;
    let before = item.block.clone();
    operators::match_on_bool(&mut item.block);
    jumps::lower(item);
    rewrite::rewrite(item)?;
    if item.block == before {
        return Ok(false);
    }
    let traits: Stmt = parse_quote! {
        #[allow(unused_imports, reason = "which of them are called depends on types")]
        use ::tracelift::__rt::ag::prelude::*;
    };
    item.block.stmts.insert(0, traits);
    item.attrs.push(parse_quote! {
        #[allow(
            clippy::all, unused_assignments, unused_braces, unused_labels, unused_mut, unused_parens, unreachable_code,
            reason = "rewritten code is not what its author wrote"
        )]
    });
    Ok(true)
}

/// Takes code that a `macro_rules` passed on out of its invisible brackets.
fn ungroup(item: &mut ItemFn) {
    struct Groups;
    impl VisitMut for Groups {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            if let Expr::Group(group) = expr {
                let inner = (*group.expr).clone();
                let single = matches!(
                    inner,
                    Expr::Path(_) | Expr::Lit(_) | Expr::Block(_) | Expr::If(_) | Expr::Match(_) | Expr::Group(_)
                );
                *expr = if single { inner } else { parse_quote!((#inner)) };
                return self.visit_expr_mut(expr);
            }
            syn::visit_mut::visit_expr_mut(self, expr);
        }
    }
    Groups.visit_block_mut(&mut item.block);
}

/// A variable of the macro's own: no user's name begins like this.
fn own(name: &str, number: usize, span: Span) -> Ident {
    // One scope for all of them, also where a `macro_rules` wrote the function.
    Ident::new(&format!("__{name}{number}"), span.resolved_at(Span::call_site()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(item: &str) -> String {
        let mut item: ItemFn = syn::parse_str(item).unwrap();
        match rewrite(&mut item) {
            Ok(true) => source(&item),
            Ok(false) => "as it was".to_owned(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn code_without_control_flow_stays() {
        assert_eq!(rewritten("fn f(x: &Tensor) -> Tensor { let g = |a: i32| a < 3; x.matmul(x) + 1 }"), "as it was");
    }

    #[test]
    fn places_outside_of_a_branch_are_its_slots() {
        let text = rewritten(
            "fn f() { if c { let mut z = 1; z = 2; x = 1; s.a.b += 1; v[0] = 1; *r = 2; (p, q) = (q, p); } }",
        );
        assert!(text.contains("ag::slots![x, s.a.b, * v, * r, p, q]"), "{text}");
        // Of a place and a part of it, the place is enough.
        let text = rewritten("fn f() { while c { s.a = 1; s = t; } }");
        assert!(text.contains("ag::slots![s]"), "{text}");
    }

    #[test]
    fn jumps_known_while_tracing_stay() {
        let text =
            rewritten("fn f() { while n < 3 { let Some(x) = g(n) else { continue }; if let 1 = x { break; } } }");
        assert!(text.contains("continue") && text.contains("break;") && !text.contains("broke"), "{text}");
        let text = rewritten("fn f() -> i32 { for i in 0..3 { if i > n { return i; } } 0 }");
        assert!(text.contains("__result = ag::Late::of(i);") && !text.contains("return i"), "{text}");
    }

    #[test]
    fn a_variable_without_a_first_value_is_refused() {
        assert!(rewritten("fn f() { let y; if c { y = 1; } else { y = 2; } }").starts_with("error: `y` has no value"));
        assert!(!rewritten("fn f() { let y; y = 1; if c { g(y); } }").starts_with("error"));
    }
}
