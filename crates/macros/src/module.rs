//! `#[derive(Module)]`: goes through all fields, by name.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Result, spanned::Spanned};

use crate::derive::{fields, hidden};

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let fields = fields(item, "are modules")?;
    let visitor = hidden("visitor");
    // The field's span makes "this type is no module" an error at the field.
    let visits = fields.iter().filter(|field| !field.skipped).map(|field| {
        let (member, name, ty) = (&field.member, &field.name, field.ty);
        quote_spanned!(ty.span()=> ::tracelift::__rt::visit_field::<#ty>(#visitor, #name, &self.#member);)
    });
    let shares = fields.iter().map(|field| {
        let (member, ty) = (&field.member, field.ty);
        if field.skipped {
            quote_spanned!(ty.span()=> #member: ::core::clone::Clone::clone(&self.#member))
        } else {
            quote_spanned!(ty.span()=> #member: <#ty as ::tracelift::__rt::Module>::share(&self.#member))
        }
    });
    let name = &item.ident;
    let (generics, arguments, conditions) = item.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::tracelift::__rt::Module for #name #arguments #conditions {
            fn visit(&self, #visitor: &mut dyn ::tracelift::__rt::Visitor) {
                let _ = &#visitor;
                #(#visits)*
            }

            fn share(&self) -> Self {
                Self { #(#shares),* }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &str) -> String {
        match expand(&syn::parse_str(item).unwrap()) {
            Ok(tokens) => tokens.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn every_field_is_visited_by_its_name() {
        let text = expanded("struct Block { hidden: Vec<Dense>, r#type: usize }");
        assert!(text.contains(r#"visit_field :: < Vec < Dense > > (visitor , "hidden" , & self . hidden)"#), "{text}");
        assert!(text.contains(r#""type""#), "{text}");
        assert!(expanded("struct Pair(Dense, Dense);").contains(r#""1" , & self . 1"#));
    }

    #[test]
    fn a_skipped_field_is_cloned_and_not_visited() {
        let text = expanded("struct Scaled { #[module(skip)] scale: Foreign, dense: Dense }");
        assert!(!text.contains(r#""scale""#), "{text}");
        assert!(text.contains("Clone :: clone (& self . scale)"), "{text}");
        assert!(
            expanded("struct S { #[module(skipped)] x: X }").contains("the only option is `skip`"),
            "a misspelt option is an error"
        );
    }

    #[test]
    fn enums_are_refused() {
        assert_eq!(expanded("enum E { A }"), "error: only structs are modules: put the enum into a field of one");
    }
}
