//! `#[autograph]`: a function with rewritten control flow that is traced by whoever calls it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, FnArg, ItemFn, Result};

use crate::{autograph, derive::unraw};

pub(crate) fn expand(options: &TokenStream, mut item: ItemFn) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new_spanned(options, "`#[autograph]` has no options"));
    }
    autograph::rewrite(&mut item)?;
    let is_method = item.sig.inputs.iter().any(|input| matches!(input, FnArg::Receiver(_)));
    if is_method {
        // Beside a method of a trait there is no place for anything else.
        return Ok(quote!(#item));
    }
    let code = autograph::source(&item);
    let (name, vis) = (&item.sig.ident, &item.vis);
    let about = format!("What the control flow of [`{0}`](fn@{0}) has become.", unraw(name));
    Ok(quote! {
        #item

        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "the type has the name of the function, whose code it holds")]
        #vis enum #name {}

        impl #name {
            #[doc = #about]
            #[allow(dead_code, reason = "it is for those who look")]
            #vis fn code() -> ::tracelift::__rt::Code {
                ::tracelift::__rt::Code(#code)
            }
        }
    })
}
