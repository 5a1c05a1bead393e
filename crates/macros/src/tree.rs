//! `#[derive(Tree)]`: the leaves of all fields, in their order.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{DeriveInput, Result, spanned::Spanned};

use crate::derive::{fields, hidden};

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let fields = fields(item, "are trees")?;
    let (leaves, specs) = (hidden("leaves"), hidden("specs"));
    let visits = fields.iter().map(|field| {
        let (member, ty) = (&field.member, field.ty);
        let place = format!(".{}", member.to_token_stream());
        quote_spanned!(ty.span()=>
            #leaves.part(&#place, |#leaves| <#ty as ::tracelift::__rt::Tree>::visit(&self.#member, #leaves));
        )
    });
    let rebuilds = fields.iter().map(|field| {
        let (member, ty) = (&field.member, field.ty);
        quote_spanned!(ty.span()=> #member: <#ty as ::tracelift::__rt::Tree>::rebuild(&self.#member, #leaves))
    });
    let from_specs = fields.iter().map(|field| {
        let (member, ty) = (&field.member, field.ty);
        quote_spanned!(ty.span()=> #member: <#ty as ::tracelift::__rt::Tree>::from_spec(#specs)?)
    });
    let name = &item.ident;
    let (generics, arguments, conditions) = item.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::tracelift::__rt::ag::Carried for #name #arguments #conditions {}

        #[automatically_derived]
        impl #generics ::tracelift::__rt::Tree for #name #arguments #conditions {
            fn visit<'a>(&'a self, #leaves: &mut ::tracelift::__rt::Leaves<'a>) {
                let _ = &#leaves;
                #(#visits)*
            }

            fn rebuild(&self, #leaves: &mut ::tracelift::__rt::LeafSource<'_>) -> Self {
                let _ = &#leaves;
                Self { #(#rebuilds),* }
            }

            fn from_spec(#specs: &mut ::tracelift::__rt::SpecSource) -> ::tracelift::__rt::Result<Self> {
                let _ = &#specs;
                ::core::result::Result::Ok(Self { #(#from_specs),* })
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_visited_in_the_order_of_the_fields() {
        let text = expand(&syn::parse_str("struct State { x: Tensor, n: i32 }").unwrap()).unwrap().to_string();
        let (x, n) = (text.find("visit (& self . x").unwrap(), text.find("visit (& self . n").unwrap());
        assert!(x < n);
        assert!(text.contains("n : < i32 as"), "{text}");
        assert!(expand(&syn::parse_str("enum E { A }").unwrap()).is_err());
    }
}
