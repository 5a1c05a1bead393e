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
use syn::{Ident, ItemFn, Result, Stmt, parse_quote};

pub(crate) use source::source;

/// Rewrites the body of a function; gives whether there was anything to rewrite.
pub(crate) fn rewrite(item: &mut ItemFn) -> Result<bool> {
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

/// A variable of the macro's own: no user's name begins like this.
fn own(name: &str, number: usize, span: Span) -> Ident {
    Ident::new(&format!("__{name}{number}"), span)
}
