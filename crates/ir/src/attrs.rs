//! The attributes of an op as plain data: what texts and files hold.

use crate::graph::Graph;
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape, Sym};

/// The value of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// `true`, `false`.
    Bool(bool),
    /// An integer or a size: `3`, `2*B + 1`.
    Dim(Dim),
    /// `[0, 1]`, `[B, 784]`.
    List(Vec<Dim>),
    /// A name out of a fixed set: `f32`, `lanes`.
    Word(String),
    /// A text in quotes.
    Text(String),
    /// The elements of a constant.
    Array(Array),
    /// A closed graph that the op owns, such as the body of a loop.
    Region(Arc<Graph>),
}

/// Attributes in a fixed order.
///
/// ```
/// use tracelift_ir::Attrs;
///
/// let attrs = Attrs::new().ints("axes", &[0, 1]).flag("keep", true);
/// assert_eq!(attrs.to_string(), "{axes=[0, 1], keep=true}");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attrs(Vec<(String, Attr)>);

impl Attrs {
    /// No attributes.
    pub fn new() -> Attrs {
        Attrs::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Attr) -> Attrs {
        self.0.push((name.into(), value));
        self
    }

    /// Adds an integer.
    #[must_use]
    pub fn int(self, name: &str, value: i64) -> Attrs {
        self.with(name, Attr::Dim(Dim::from(value)))
    }

    /// Adds a list of axes or of other small numbers.
    #[must_use]
    pub fn ints(self, name: &str, values: &[usize]) -> Attrs {
        self.with(name, Attr::List(values.iter().map(|n| Dim::from(*n)).collect()))
    }

    /// Adds a list of sizes.
    #[must_use]
    pub fn dims(self, name: &str, values: &[Dim]) -> Attrs {
        self.with(name, Attr::List(values.to_vec()))
    }

    /// Adds a truth value.
    #[must_use]
    pub fn flag(self, name: &str, value: bool) -> Attrs {
        self.with(name, Attr::Bool(value))
    }

    /// Adds a word.
    #[must_use]
    pub fn word(self, name: &str, value: impl ToString) -> Attrs {
        self.with(name, Attr::Word(value.to_string()))
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: &str, value: impl Into<String>) -> Attrs {
        self.with(name, Attr::Text(value.into()))
    }

    /// Adds a region.
    #[must_use]
    pub fn region(self, name: &str, graph: &Arc<Graph>) -> Attrs {
        self.with(name, Attr::Region(graph.clone()))
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An attribute by name.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// Reads attributes one after the other, and complains about those that nobody asked for.
#[derive(Debug)]
pub struct AttrReader<'a> {
    attrs: &'a Attrs,
    asked: Vec<&'static str>,
}

macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident -> $t:ty = $pattern:pat => $value:expr, $kind:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, name: &'static str) -> Result<$t> {
            match self.take(name)? {
                $pattern => $value,
                _ => None,
            }
            .ok_or_else(|| Error::format(format!("wants {} as attribute `{name}`", $kind)))
        }
    )*};
}

impl<'a> AttrReader<'a> {
    /// Starts reading.
    pub fn new(attrs: &'a Attrs) -> Self {
        AttrReader { attrs, asked: Vec::new() }
    }

    fn take(&mut self, name: &'static str) -> Result<&'a Attr> {
        self.asked.push(name);
        self.attrs.get(name).ok_or_else(|| Error::format(format!("lacks its attribute `{name}`")))
    }

    readers! {
        /// A truth value.
        flag -> bool = Attr::Bool(value) => Some(*value), "`true` or `false`";
        /// An integer.
        int -> i64 = Attr::Dim(value) => value.known(), "an integer";
        /// An integer that is not negative, such as an axis.
        number -> usize = Attr::Dim(value) => value.known_len(), "an integer that is not negative";
        /// A size.
        dim -> Dim = Attr::Dim(value) => Some(value.clone()), "a size";
        /// A list of small numbers.
        ints -> Vec<usize> = Attr::List(values) => small_numbers(values), "a list of axes or numbers, none negative";
        /// A list of integers.
        signed -> Vec<i64> = Attr::List(values) => values.iter().map(Dim::known).collect(), "a list of integers";
        /// A list of sizes.
        dims -> Vec<Dim> = Attr::List(values) => Some(values.clone()), "a list of sizes";
        /// A list of sizes.
        shape -> Shape = Attr::List(values) => Some(Shape::from(values.clone())), "a shape";
        /// A word.
        word -> &'a str = Attr::Word(value) => Some(value.as_str()), "a word";
        /// A text in quotes.
        text -> &'a str = Attr::Text(value) => Some(value.as_str()), "a text in quotes";
        /// The elements of a constant.
        array -> Array = Attr::Array(value) => Some(value.clone()), "an array";
        /// A region.
        region -> Arc<Graph> = Attr::Region(value) => Some(value.clone()), "a region";
    }

    /// An element type.
    pub fn dtype(&mut self, name: &'static str) -> Result<DType> {
        let word = self.word(name)?;
        word.parse().map_err(|_| Error::format(format!("wants an element type as attribute `{name}`, not `{word}`")))
    }

    /// A list of names of unknown sizes, which may be left out.
    pub fn names(&mut self, name: &'static str) -> Result<Vec<Sym>> {
        if !self.has(name) {
            return Ok(Vec::new());
        }
        let message = |dim: &Dim| format!("wants names of unknown sizes as attribute `{name}`, not `{dim}`");
        let sym = |dim: &Dim| dim.as_sym().ok_or_else(|| Error::format(message(dim)));
        self.dims(name)?.iter().map(sym).collect()
    }

    /// Whether an attribute is given.
    pub fn has(&self, name: &str) -> bool {
        self.attrs.get(name).is_some()
    }

    /// Ends reading: an error if there are attributes that were not asked for.
    pub fn finish(self) -> Result {
        match self.attrs.iter().find(|(name, _)| !self.asked.contains(name)) {
            None => Ok(()),
            Some((name, _)) if self.asked.is_empty() => {
                Err(Error::format(format!("has no attribute `{name}`: it has none at all")))
            }
            Some((name, _)) => {
                Err(Error::format(format!("has no attribute `{name}`: it has {}", self.asked.join(", "))))
            }
        }
    }
}

fn small_numbers(values: &[Dim]) -> Option<Vec<usize>> {
    values.iter().map(|n| usize::try_from(n.known()?).ok()).collect()
}
