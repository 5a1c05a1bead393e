//! Where a value was made in the user's program.

use std::{fmt, panic::Location, sync::Arc};

/// A place in the user's source and the layer that was being called there.
///
/// ```
/// use tracelift_tensor::Origin;
///
/// let origin = Origin::caller();
/// assert!(origin.to_string().contains(".rs:"));
/// assert_eq!(Origin::default().to_string(), "");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// File, line and column.
    pub location: Option<&'static Location<'static>>,
    /// The path of the layer, such as `encoder/dense_1`, or a description that holds the name in backticks.
    pub layer: Option<Arc<str>>,
}

impl Origin {
    /// The place of the caller (of the outermost `#[track_caller]` function).
    #[track_caller]
    pub fn caller() -> Self {
        Origin { location: Some(Location::caller()), layer: None }
    }

    /// The same place, inside a layer.
    #[must_use]
    pub fn in_layer(mut self, layer: impl Into<Arc<str>>) -> Self {
        self.layer = Some(layer.into());
        self
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.location.is_none() && self.layer.is_none()
    }
}

impl From<&'static Location<'static>> for Origin {
    fn from(location: &'static Location<'static>) -> Self {
        Origin { location: Some(location), layer: None }
    }
}

impl fmt::Display for Origin {
    /// `examples/fashion.rs:41:22`, or nothing if the place is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location {
            Some(location) => write!(f, "{}:{}:{}", location.file(), location.line(), location.column()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_names_this_line() {
        let here = Origin::caller();
        let line = line!() - 1;
        assert_eq!(here.location.unwrap().line(), line);
        assert!(here.to_string().starts_with(file!()));
    }
}
