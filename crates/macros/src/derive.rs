//! What both derives need of a struct: its fields, by member and by name.

use proc_macro2::Span;
use syn::{Attribute, Data, DeriveInput, Error, Field, Ident, Member, Result, Type, spanned::Spanned};

/// A field of a struct.
pub(crate) struct StructField<'a> {
    /// How it is reached: `self.kernel` or `self.0`.
    pub(crate) member: Member,
    /// What it is called in paths.
    pub(crate) name: String,
    pub(crate) ty: &'a Type,
    /// Whether `#[module(skip)]` stands before it.
    pub(crate) skipped: bool,
}

/// The fields of a struct; `what` says for the error what only structs can be.
pub(crate) fn fields<'a>(item: &'a DeriveInput, what: &str) -> Result<Vec<StructField<'a>>> {
    let Data::Struct(data) = &item.data else {
        return Err(Error::new(item.ident.span(), format!("only structs {what}: put the enum into a field of one")));
    };
    data.fields.iter().enumerate().map(|(i, field)| struct_field(i, field)).collect()
}

fn struct_field(i: usize, field: &Field) -> Result<StructField<'_>> {
    let member = match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(syn::Index { index: i as u32, span: field.ty.span() }),
    };
    let name = field.ident.as_ref().map_or_else(|| i.to_string(), unraw);
    Ok(StructField { member, name, ty: &field.ty, skipped: is_skipped(&field.attrs)? })
}

fn is_skipped(attributes: &[Attribute]) -> Result<bool> {
    let mut skipped = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("skip") {
                return Err(meta.error("the only option is `skip`: `#[module(skip)]`"));
            }
            skipped = true;
            Ok(())
        })?;
    }
    Ok(skipped)
}

/// The text of an identifier without `r#`.
pub(crate) fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

/// An identifier that users' code cannot see.
pub(crate) fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
