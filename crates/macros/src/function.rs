//! `#[function]`: the function that is called, the traced function behind it, and the body that is traced.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, Ident, ItemFn, Pat, PatType, Receiver, ReceiverKind, Result, ReturnType, Type, Visibility,
    parse_quote, spanned::Spanned,
};

use crate::{autograph, derive::unraw, options::Options};

pub(crate) fn expand(options: &Options, item: &ItemFn) -> Result<TokenStream> {
    refuse(item)?;
    let (receiver, arguments) = arguments(item)?;
    match receiver {
        None => free(options, item, &arguments),
        Some(receiver) if matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) => {
            method(options, item, &arguments)
        }
        Some(receiver) => {
            Err(Error::new(receiver.span(), "a traced method takes `&self`: variables change through it"))
        }
    }
}

/// What cannot be traced.
fn refuse(item: &ItemFn) -> Result<()> {
    let signature = &item.sig;
    if signature.asyncness.is_some() {
        return Err(Error::new(signature.asyncness.span(), "a traced function cannot be async"));
    }
    // One static holds the traces, and a static cannot be generic.
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new(
            parameter.span(),
            "a traced function cannot be generic: put `#[autograph]` on it, and trace it with `Function::new(f::<T>)`",
        ));
    }
    Ok(())
}

/// An argument of the function, and how it goes through the traced function, which takes references only.
struct Argument {
    name: Ident,
    /// The type behind the reference.
    ty: Type,
    by_value: bool,
}

impl Argument {
    fn of(typed: &PatType) -> Result<Argument> {
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(Error::new(typed.pat.span(), "give this argument a name, and take it apart in the body"));
        };
        let name = pattern.ident.clone();
        match &*typed.ty {
            Type::Reference(reference) if reference.mutability.is_some() => Err(Error::new(
                reference.span(),
                "a traced function cannot change its arguments: return the new value, or take a `&Variable`",
            )),
            Type::Reference(reference) => Ok(Argument { name, ty: (*reference.elem).clone(), by_value: false }),
            ty => Ok(Argument { name, ty: ty.clone(), by_value: true }),
        }
    }

    fn reference(&self) -> TokenStream {
        let ty = &self.ty;
        quote_spanned!(ty.span()=> &#ty)
    }

    /// How the public function passes it on.
    fn passed(&self) -> TokenStream {
        let name = &self.name;
        if self.by_value { quote!(&#name) } else { quote!(#name) }
    }

    /// How the body gets it from a reference.
    fn received(&self) -> TokenStream {
        let name = &self.name;
        if self.by_value { quote!(::core::clone::Clone::clone(#name)) } else { quote!(#name) }
    }
}

fn arguments(item: &ItemFn) -> Result<(Option<&Receiver>, Vec<Argument>)> {
    let mut receiver = None;
    let mut arguments = Vec::new();
    for input in &item.sig.inputs {
        match input {
            FnArg::Receiver(found) => receiver = Some(found),
            FnArg::Typed(typed) => arguments.push(Argument::of(typed)?),
        }
    }
    if let Some(seventh) = arguments.get(6) {
        return Err(Error::new(
            seventh.name.span(),
            "a traced function takes at most six arguments: group them in a struct",
        ));
    }
    Ok((receiver, arguments))
}

/// The pieces that functions and methods have in common.
struct Pieces {
    /// `Function<fn(&Tensor, &i32) -> Tensor>`
    function_type: TokenStream,
    /// `x: &Tensor, n: &i32`
    parameters: Vec<TokenStream>,
    passed: Vec<TokenStream>,
    received: Vec<TokenStream>,
    /// `.argument_names(&["x"])`, as far as each tensor argument is one tensor.
    names: TokenStream,
}

fn pieces(output: &ReturnType, arguments: &[Argument]) -> Pieces {
    let references: Vec<TokenStream> = arguments.iter().map(Argument::reference).collect();
    let parameters = arguments.iter().zip(&references).map(|(argument, reference)| {
        let name = &argument.name;
        quote!(#name: #reference)
    });
    let texts: Vec<String> = arguments.iter().map(|argument| unraw(&argument.name)).collect();
    Pieces {
        parameters: parameters.collect(),
        function_type: quote!(::tracelift::__rt::Function<fn(#(#references),*) #output>),
        passed: arguments.iter().map(Argument::passed).collect(),
        received: arguments.iter().map(Argument::received).collect(),
        names: if texts.is_empty() { quote!() } else { quote!(.argument_names(&[#(#texts),*])) },
    }
}

/// The body that is traced, under a name of its own, and its text.
fn traced_body(item: &ItemFn, hidden: Option<Attribute>) -> Result<(ItemFn, String)> {
    let mut body = item.clone();
    body.attrs = hidden.into_iter().collect();
    body.vis = Visibility::Inherited;
    autograph::rewrite(&mut body)?;
    let code = autograph::source(&body);
    body.sig.ident = format_ident!("__{}", unraw(&item.sig.ident), span = item.sig.ident.span());
    Ok((body, code))
}

/// A function, and an empty type of the same name that holds its inspection.
fn free(options: &Options, item: &ItemFn, arguments: &[Argument]) -> Result<TokenStream> {
    let ItemFn { attrs, vis, sig, .. } = item;
    let (name, output) = (&sig.ident, &sig.output);
    let Pieces { function_type, parameters, passed, received, names } = pieces(output, arguments);
    let (body, code) = traced_body(item, None)?;
    let (inner, calls) = (&body.sig.ident, &options.calls);
    let text = unraw(name);
    let shown = options.name.clone().unwrap_or_else(|| parse_quote!(#text));
    let about = format!("The traced function behind [`{text}`](fn@{text}).");
    Ok(quote! {
        #(#attrs)*
        #[track_caller]
        #vis #sig {
            (#name::function())(#(#passed),*)
        }

        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "the type has the name of the function, whose traces it holds")]
        #vis enum #name {}

        impl #name {
            #[doc = #about]
            #vis fn function() -> &'static #function_type {
                #body
                static FUNCTION: ::std::sync::LazyLock<#function_type> = ::std::sync::LazyLock::new(|| {
                    ::tracelift::__rt::Function::new(|#(#parameters),*| #output { #inner(#(#received),*) })
                        .named(#shown).rewritten_to(#code) #names #calls
                });
                &FUNCTION
            }
        }
    })
}

/// A method, and one beside it that gives the traced function of the object.
fn method(options: &Options, item: &ItemFn, arguments: &[Argument]) -> Result<TokenStream> {
    let ItemFn { attrs, vis, sig, .. } = item;
    let (name, output) = (&sig.ident, &sig.output);
    let Pieces { function_type, parameters, passed, received, names } = pieces(output, arguments);
    let (body, code) = traced_body(item, Some(parse_quote!(#[doc(hidden)])))?;
    let (inner, calls) = (&body.sig.ident, &options.calls);
    let maker = format_ident!("{}_function", unraw(name), span = name.span());
    let text = unraw(name);
    let shown = options.name.clone().unwrap_or_else(|| parse_quote!(#text));
    let about = format!("The traced function behind [`{text}`](Self::{text}), for this object.");
    Ok(quote! {
        #(#attrs)*
        #[track_caller]
        #vis #sig {
            (self.#maker())(#(#passed),*)
        }

        #[doc = #about]
        #vis fn #maker(&self) -> #function_type {
            ::tracelift::__rt::method(self, |this: Self| {
                ::tracelift::__rt::Function::new(move |#(#parameters),*| #output { this.#inner(#(#received),*) })
                    .named(#shown).rewritten_to(#code) #names #calls
            })
        }

        #body
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &str) -> String {
        let options = syn::parse_str("").unwrap();
        match expand(&options, &syn::parse_str(item).unwrap()) {
            Ok(tokens) => tokens.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn values_go_through_references() {
        let text = expanded("fn power(x: &Tensor, n: i32) -> Tensor { x.powi(n) }");
        assert!(text.contains("Function < fn (& Tensor , & i32) -> Tensor >"), "{text}");
        assert!(text.contains("(power :: function ()) (x , & n)"), "{text}");
        assert!(text.contains(r#"argument_names (& ["x" , "n"])"#), "{text}");
    }

    #[test]
    fn a_method_has_a_function_beside_it() {
        let text = expanded("fn step(&self, x: &Tensor) -> Tensor { x + 1 }");
        assert!(text.contains("fn step_function (& self)"), "{text}");
        assert!(text.contains("(self . step_function ()) (x)"), "{text}");
    }

    #[test]
    fn what_cannot_be_traced_is_refused() {
        for (item, message) in [
            ("async fn f(x: &Tensor) -> Tensor { x }", "cannot be async"),
            ("fn f<T: Tree>(x: &T) -> T { x.clone() }", "cannot be generic"),
            ("fn f(x: &mut Tensor) {}", "cannot change its arguments"),
            ("fn f((x, y): (Tensor, Tensor)) -> Tensor { x }", "give this argument a name"),
            ("fn f(&mut self) {}", "takes `&self`"),
            ("fn f(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32) {}", "at most six arguments"),
        ] {
            let text = expanded(item);
            assert!(text.contains(message), "{item}: {text}");
        }
    }
}
