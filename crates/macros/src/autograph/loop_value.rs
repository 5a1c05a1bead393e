//! The value of a `loop` whose `break`s are lowered.

use syn::{Block, Expr, parse_quote, spanned::Spanned, visit::Visit, visit_mut::VisitMut};

use super::own;

/// Whether a `loop` is left with a value.
pub(crate) fn gives_value(body: &Block) -> bool {
    struct Values(bool);
    impl<'ast> Visit<'ast> for Values {
        fn visit_expr_break(&mut self, jump: &'ast syn::ExprBreak) {
            self.0 |= jump.expr.is_some();
        }
        fn visit_expr_loop(&mut self, _: &'ast syn::ExprLoop) {}
        fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    }
    let mut found = Values(false);
    found.visit_block(body);
    found.0
}

/// Makes the other `break`s of a loop give their values in the same way.
pub(crate) struct NativeBreaks {
    pub(crate) number: usize,
}

impl VisitMut for NativeBreaks {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Break(jump) if jump.expr.is_some() => {
                let (name, value, label) = (own("value", self.number, jump.span()), &jump.expr, &jump.label);
                *expr = parse_quote!({ #name = ::tracelift::__rt::ag::Late::of(#value); break #label });
            }
            Expr::Loop(_) | Expr::Closure(_) => {}
            other => syn::visit_mut::visit_expr_mut(self, other),
        }
    }
}
