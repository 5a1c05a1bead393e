//! Comparisons, `&&`, `||`, `assert!` and `match` on a bool.

use proc_macro2::Ident;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    BinOp, Block, Expr, ExprBinary, ExprMatch, Lit, Macro, Pat, Token, parse::Parser, parse_quote, parse_quote_spanned,
    punctuated::Punctuated, spanned::Spanned, visit_mut::VisitMut,
};

/// Makes every `match` on a bool an `if`.
pub(crate) fn match_on_bool(block: &mut Block) {
    struct Matches;
    impl VisitMut for Matches {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            if matches!(expr, Expr::Closure(_)) {
                return;
            }
            syn::visit_mut::visit_expr_mut(self, expr);
            if let Expr::Match(choice) = expr
                && let Some(branch) = as_if(choice)
            {
                *expr = branch;
            }
        }
        fn visit_item_mut(&mut self, _: &mut syn::Item) {}
    }
    Matches.visit_block_mut(block);
}

fn as_if(choice: &ExprMatch) -> Option<Expr> {
    let [first, second] = choice.arms.as_slice() else { return None };
    let literal = |pattern: &Pat| match pattern {
        Pat::Lit(literal) => match &literal.lit {
            Lit::Bool(value) => Some(value.value),
            _ => None,
        },
        _ => None,
    };
    let taken = literal(&first.pat)?;
    if !matches!(&second.pat, Pat::Wild(_)) && literal(&second.pat)? == taken {
        return None;
    }
    let (then, otherwise) = if taken { (first, second) } else { (second, first) };
    let (cond, then, otherwise) = (&choice.expr, &then.body, &otherwise.body);
    Some(parse_quote_spanned!(choice.match_token.span=> if #cond { #then } else { #otherwise }))
}

/// A comparison or a logical operation, with operands that are rewritten already; `places` is what the right one assigns.
pub(crate) fn binary(binary: &ExprBinary, places: &[Expr]) -> Option<Expr> {
    let places = (!places.is_empty()).then(|| quote!(; #(#places),*));
    let ExprBinary { left, right, op, .. } = binary;
    let method = match op {
        BinOp::Lt(_) => "lt",
        BinOp::Le(_) => "le",
        BinOp::Gt(_) => "gt",
        BinOp::Ge(_) => "ge",
        BinOp::Eq(_) => "eq",
        BinOp::Ne(_) => "ne",
        BinOp::And(and) => {
            return Some(parse_quote_spanned!(and.spans[0]=> ::tracelift::__rt::and!(#left, #right #places)));
        }
        BinOp::Or(or) => {
            return Some(parse_quote_spanned!(or.spans[0]=> ::tracelift::__rt::or!(#left, #right #places)));
        }
        _ => return None,
    };
    if is_literal(left) && is_literal(right) {
        return None;
    }
    let span = op.span();
    let method = Ident::new(method, span);
    Some(parse_quote_spanned!(span=> ::tracelift::__rt::compare!(#method, #left, #right)))
}

/// Whether an expression is a number.
pub(crate) fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(literal) => matches!(literal.lit, Lit::Int(_) | Lit::Float(_)),
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Neg(_)) && is_literal(&unary.expr),
        Expr::Paren(paren) => is_literal(&paren.expr),
        _ => false,
    }
}

/// `assert!` on what may be a tensor.
pub(crate) fn assertion(call: &Macro, rewrite: &mut dyn VisitMut) -> Option<Expr> {
    let name = call.path.get_ident()?;
    if name != "assert" && name != "debug_assert" {
        return None;
    }
    let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone()).ok()?;
    let mut arguments = arguments.into_iter();
    let mut condition = arguments.next()?;
    let text = readable(&condition);
    rewrite.visit_expr_mut(&mut condition);
    let message: Vec<Expr> = arguments.collect();
    let message = (!message.is_empty()).then(|| quote!(, #(#message),*));
    let span = name.span();
    let call = quote_spanned!(span=> ::tracelift::__rt::check!(#text, #condition #message));
    Some(parse_quote!(#call))
}

/// An expression as a user writes it.
fn readable(expr: &Expr) -> String {
    let statement: Block = parse_quote!({ #expr });
    let file: syn::File = parse_quote!(fn f() #statement);
    let text = prettyplease::unparse(&file);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    match lines.as_slice() {
        [_, line, _] => (*line).to_owned(),
        _ => expr.to_token_stream().to_string(),
    }
}
