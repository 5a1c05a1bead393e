//! The text of a rewritten function.

use syn::{File, Item, ItemFn};

/// What a function has become, formatted.
pub(crate) fn source(item: &ItemFn) -> String {
    let mut shown = item.clone();
    shown.attrs.clear();
    shown.block.stmts.retain(|stmt| !matches!(stmt, syn::Stmt::Item(Item::Use(_))));
    let file = File { shebang: None, attrs: Vec::new(), items: vec![Item::Fn(shown)], frontmatter: None };
    let text = prettyplease::unparse(&file);
    // Paths that only macros need say nothing to readers.
    text.replace("::tracelift::__rt::ag::", "ag::")
        .replace("::tracelift::__rt::", "ag::")
        .replace("::core::option::Option::", "")
}
