//! Names of unknown sizes.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{Error, Result};

/// The name of an unknown size; equal and ordered by its text.
///
/// ```
/// use tracelift_tensor::Sym;
///
/// assert_eq!(Sym::new("batch").name(), "batch");
/// assert_eq!(Sym::new("my batch").name(), "my_batch");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(Arc<str>);

impl Sym {
    /// The unknown of that name.
    ///
    /// A name is an identifier of ASCII letters, digits and `_`, since texts must read back; another character becomes `_`,
    /// and a leading digit gets a `_` before it.
    pub fn new(name: &str) -> Sym {
        if Sym::is_name(name) {
            return Sym(name.into());
        }
        let mut clean: String = name.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect();
        if !clean.starts_with(|c: char| !c.is_ascii_digit()) {
            clean.insert(0, '_');
        }
        Sym(clean.into())
    }

    /// Whether the text is a name as it stands.
    pub fn is_name(text: &str) -> bool {
        text.starts_with(|c: char| is_name_char(c) && !c.is_ascii_digit()) && text.chars().all(is_name_char)
    }

    /// The text.
    pub fn name(&self) -> &str {
        &self.0
    }
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl From<&str> for Sym {
    fn from(name: &str) -> Sym {
        Sym::new(name)
    }
}

impl From<&Sym> for Sym {
    fn from(sym: &Sym) -> Sym {
        sym.clone()
    }
}

impl FromStr for Sym {
    type Err = Error;

    /// Takes a name as it stands, or refuses it.
    fn from_str(text: &str) -> Result<Sym> {
        match Sym::is_name(text) {
            true => Ok(Sym(text.into())),
            false => Err(Error::format(format!("bad name `{text}` of a size"))
                .help("names are made of ASCII letters, digits and `_`, and do not begin with a digit")),
        }
    }
}

impl fmt::Display for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_becomes_a_name() {
        for (text, name) in [("B", "B"), ("", "_"), ("2d", "_2d"), ("a b", "a_b"), ("größe", "gr__e"), ("_", "_")] {
            assert_eq!(Sym::new(text).name(), name);
            assert!(Sym::is_name(name));
        }
    }
}
