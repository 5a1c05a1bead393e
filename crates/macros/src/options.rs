//! What stands in the parentheses of `#[function(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, Expr, Ident, Result, Token,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
};

/// The options of a traced function, as calls of its builder.
pub(crate) struct Options {
    /// `.input_signature(…).no_retrace()`
    pub(crate) calls: TokenStream,
    /// `name("…")`
    pub(crate) name: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let options = Punctuated::<Expr, Token![,]>::parse_terminated(input)?;
        let mut name = None;
        let mut calls = Vec::new();
        for option in &options {
            match named(option) {
                Some(given) => name = Some(given),
                None => calls.push(call(option)?),
            }
        }
        Ok(Options { calls: quote!(#(#calls)*), name })
    }
}

/// The argument of `name("…")`.
fn named(option: &Expr) -> Option<Expr> {
    let Expr::Call(call) = option else { return None };
    let is_name = matches!(&*call.func, Expr::Path(path) if path.path.is_ident("name"));
    match call.args.first() {
        Some(name) if is_name && call.args.len() == 1 => Some(name.clone()),
        _ => None,
    }
}

fn call(option: &Expr) -> Result<TokenStream> {
    let unknown = |span| {
        Error::new(
            span,
            "an option of `#[function]` is `input_signature([spec!(…)])`, `reduce_retracing`, `no_retrace` or `name(\"…\")`",
        )
    };
    match option {
        Expr::Path(path) => match path.path.get_ident() {
            Some(name) if name == "reduce_retracing" || name == "no_retrace" => Ok(quote!(.#name())),
            Some(name) if name == "input_signature" => {
                Err(Error::new(name.span(), "`input_signature` takes the types: `input_signature([spec!(f32[None])])`"))
            }
            _ => Err(unknown(option.span())),
        },
        Expr::Call(call) => {
            let name: Option<&Ident> = match &*call.func {
                Expr::Path(path) => path.path.get_ident(),
                _ => None,
            };
            match name {
                Some(name) if name == "input_signature" => {
                    let arguments = &call.args;
                    Ok(quote!(.#name(#arguments)))
                }
                _ => Err(unknown(option.span())),
            }
        }
        _ => Err(unknown(option.span())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &str) -> String {
        match syn::parse_str::<Options>(options) {
            Ok(options) => options.calls.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn known_options_become_calls() {
        assert_eq!(
            parsed("no_retrace, input_signature([spec!(f32[None])])"),
            ". no_retrace () . input_signature ([spec ! (f32 [None])])"
        );
        assert_eq!(parsed(""), "");
        let named: Options = syn::parse_str("name(\"loss\"), no_retrace").unwrap();
        assert!(named.name.is_some() && named.calls.to_string() == ". no_retrace ()");
    }

    #[test]
    fn unknown_options_are_errors() {
        assert!(parsed("jit_compile").starts_with("error: an option of"));
        assert!(parsed("no_retrace(1)").starts_with("error: an option of"));
        assert!(parsed("input_signature").contains("takes the types"));
    }
}
