//! The procedural macros of tracelift: `#[function]`, `#[autograph]`, `#[derive(Module)]`, `#[derive(Tree)]`.
//!
//! What they write refers to `::tracelift::__rt` only, so that one path works in user programs and in the workspace.

mod autograph;
mod derive;
mod module;
mod tree;
mod function;
mod options;
mod rewritten;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Finds the weights and sub-modules of a struct: every field is a module.
///
/// A field of a type that is not known to hold weights or to hold none is a compile error at the field;
/// `#[module(skip)]` leaves a field out, whose type must then be `Clone`.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    module::expand(&item).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct of tensors, variables and host values an argument or result of traced functions, and loop state.
#[proc_macro_derive(Tree)]
pub fn derive_tree(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    tree::expand(&item).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Traces a function once per signature and then runs compiled code; it is called like the function it is written on.
///
/// On a free function `cube`, `cube::function()` is the traced function, for inspection. On a method `increment` of a
/// module, `increment_function()` is; each object has its own.
///
/// Control flow in the body may depend on tensors:
///
/// ```text
/// #[function]
/// fn collatz(n: &Tensor) -> Tensor {
///     let mut n = n.clone();
///     let mut steps = tensor(0);
///     while n != 1 {
///         n = if &n % 2 == 0 { n.floor_div(2) } else { 3 * n + 1 };
///         steps += 1;
///     }
///     steps
/// }
/// ```
///
/// What is rewritten, what stays plain Rust and what the errors say is told in `docs/AUTOGRAPH.md`.
///
/// Options, separated by commas: `input_signature([spec!(f32[None, 28])])`, `reduce_retracing`, `no_retrace`,
/// `name("…")`.
#[proc_macro_attribute]
pub fn function(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(attribute as options::Options);
    let item = parse_macro_input!(item as syn::ItemFn);
    function::expand(&options, &item).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Rewrites the control flow of a function, so that conditions may be tensors, and leaves it a function.
///
/// It is what `#[function]` does before tracing, for functions that traced functions call: helpers, generic functions,
/// methods of layers. `if`, `while`, `for`, `loop`, `break`, `continue`, `return`, comparisons, `&&`, `||` and `assert!`
/// become branches and loops of the graph where they depend on traced tensors, and stay plain Rust elsewhere.
///
/// For a free function `f`, `f::code()` shows what it has become.
#[proc_macro_attribute]
pub fn autograph(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let nothing = parse_macro_input!(attribute as proc_macro2::TokenStream);
    let item = parse_macro_input!(item as syn::ItemFn);
    rewritten::expand(&nothing, item).unwrap_or_else(|error| error.to_compile_error()).into()
}
