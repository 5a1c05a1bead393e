//! The one error type: what went wrong, with which shapes, where, and how to mend it.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};

use crate::Origin;

/// The result of everything that can meet a user's mistake.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// A user's mistake, or a fault of the machine it runs on.
///
/// It is boxed, so a `Result` stays small, and it is built up by whoever knows more:
///
/// ```
/// use tracelift_tensor::{Error, ErrorKind};
///
/// let error = Error::invalid("cannot multiply f32[B, 784] by f32[300, 10]: inner axes are 784 and 300")
///     .op("matmul")
///     .help("transpose the second operand");
/// assert_eq!(error.kind, ErrorKind::InvalidArgument);
/// assert_eq!(
///     error.to_string(),
///     "`matmul` cannot multiply f32[B, 784] by f32[300, 10]: inner axes are 784 and 300\n  help: transpose the second operand"
/// );
/// ```
#[derive(Clone, PartialEq)]
pub struct Error(Box<ErrorData>);

/// What an [`Error`] carries; read through `Deref`.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct ErrorData {
    /// What kind of mistake it is.
    pub kind: ErrorKind,
    /// What went wrong, in lower case, without full stop, place or remedy.
    pub message: String,
    /// The op that refused.
    pub op: Option<String>,
    /// The operands of the op, as the text IR writes their types.
    pub operands: Vec<String>,
    /// The user's line, and the layer being called there.
    pub origin: Origin,
    /// How to mend it.
    pub help: Option<String>,
    /// Further errors found at the same time.
    pub others: Vec<Error>,
}

/// What kind of mistake an [`Error`] reports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, axes or values that do not fit together; integer division by zero; an index out of bounds.
    InvalidArgument,
    /// A value that no call of this kind accepts.
    Value,
    /// A dtype, or a kind of thing, that does not belong here.
    Type,
    /// A name that is not there.
    Key,
    /// The end of a sequence was passed.
    OutOfRange,
    /// Something is in a state that does not allow the call.
    Runtime,
    /// The work was stopped on request.
    Cancelled,
    /// A file names a class or function that is not known.
    UnknownObject,
    /// A file or text is not what it should be.
    Format,
    /// The operating system refused to read or write.
    Io,
    /// Memory, or the limit set for it, is used up.
    OutOfMemory,
    /// A fault of tracelift itself.
    Internal,
    /// There is no gradient because no path leads from target to source.
    Unconnected,
}

impl ErrorKind {
    /// All kinds, in their order.
    pub const ALL: [ErrorKind; 13] = [
        ErrorKind::InvalidArgument,
        ErrorKind::Value,
        ErrorKind::Type,
        ErrorKind::Key,
        ErrorKind::OutOfRange,
        ErrorKind::Runtime,
        ErrorKind::Cancelled,
        ErrorKind::UnknownObject,
        ErrorKind::Format,
        ErrorKind::Io,
        ErrorKind::OutOfMemory,
        ErrorKind::Internal,
        ErrorKind::Unconnected,
    ];
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One constructor per kind.
macro_rules! shorthands {
    ($($name:ident => $kind:ident),* $(,)?) => {$(
        #[doc = concat!("An error of kind [`ErrorKind::", stringify!($kind), "`].")]
        pub fn $name(message: impl Into<String>) -> Self {
            Error::new(ErrorKind::$kind, message)
        }
    )*};
}

impl Error {
    /// An error of a kind, with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(ErrorData {
            kind,
            message: message.into(),
            op: None,
            operands: Vec::new(),
            origin: Origin::default(),
            help: None,
            others: Vec::new(),
        }))
    }

    shorthands! {
        invalid => InvalidArgument,
        value => Value,
        type_ => Type,
        key => Key,
        out_of_range => OutOfRange,
        runtime => Runtime,
        cancelled => Cancelled,
        unknown_object => UnknownObject,
        format => Format,
        io => Io,
        out_of_memory => OutOfMemory,
        internal => Internal,
        unconnected => Unconnected,
    }

    /// Names the op that refused; the message then continues after its name.
    #[must_use]
    pub fn op(mut self, op: impl Into<String>) -> Self {
        self.0.op = Some(op.into());
        self
    }

    /// Adds the types of the op's operands.
    #[must_use]
    pub fn operands<S: ToString>(mut self, operands: impl IntoIterator<Item = S>) -> Self {
        self.0.operands = operands.into_iter().map(|operand| operand.to_string()).collect();
        self
    }

    /// Says where in the user's program it happened.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.0.origin = origin;
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds an error found at the same time (with those it carries itself).
    #[must_use]
    pub fn and(mut self, mut other: Error) -> Self {
        let more = std::mem::take(&mut other.0.others);
        self.0.others.push(other);
        self.0.others.extend(more);
        self
    }

    /// The first of several errors, carrying the rest; `Ok` if there are none.
    pub fn all(errors: impl IntoIterator<Item = Error>) -> Result {
        match errors.into_iter().reduce(Error::and) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn write_one(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(op) = &self.op {
            write!(f, "`{op}` ")?;
        }
        f.write_str(&self.message)?;
        if self.operands.iter().any(|operand| !self.message.contains(operand.as_str())) {
            write!(f, " (operands: {})", self.operands.join(", "))?;
        }
        match (&self.origin.layer, self.origin.location) {
            (Some(layer), location) => {
                // A description brings its own backticks: "`dense_1` (Dense, units=10)".
                if layer.contains('`') {
                    write!(f, "\n  in layer {layer}")?
                } else {
                    write!(f, "\n  in layer `{layer}`")?
                }
                if location.is_some() {
                    write!(f, ", called at {}", self.origin)?;
                }
            }
            (None, Some(_)) => write!(f, "\n  at {}", self.origin)?,
            (None, None) => {}
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl Deref for Error {
    type Target = ErrorData;

    fn deref(&self) -> &ErrorData {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_one(f)?;
        for other in &self.others {
            f.write_str("\nalso: ")?;
            other.write_one(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// The kind and the message as `Display` shows it, since this is what `unwrap` and `main` print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.kind)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::io(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines() {
        let origin = Origin::caller().in_layer("`dense_1` (Dense, units=10)");
        let place = origin.to_string();
        let error = Error::invalid("cannot multiply f32[B, 784] by f32[300, 10]: inner axes are 784 and 300")
            .op("matmul")
            .operands(["f32[B, 784]", "f32[300, 10]"])
            .at(origin)
            .help("`dense_1` was built for f32[_, 300]; did you skip `dense_0`?");
        let expect = format!(
            "`matmul` cannot multiply f32[B, 784] by f32[300, 10]: inner axes are 784 and 300\n  \
             in layer `dense_1` (Dense, units=10), called at {place}\n  \
             help: `dense_1` was built for f32[_, 300]; did you skip `dense_0`?"
        );
        assert_eq!(error.to_string(), expect);
        assert_eq!(format!("{error:?}"), format!("InvalidArgument: {expect}"));
    }

    #[test]
    fn operands_that_the_message_leaves_out_are_added() {
        let error = Error::type_("wants equal dtypes").op("add").operands(["f32[2]", "i32[2]"]);
        assert_eq!(error.to_string(), "`add` wants equal dtypes (operands: f32[2], i32[2])");
    }

    #[test]
    fn a_bare_layer_name_gets_backticks() {
        let error = Error::value("is bad").at(Origin::default().in_layer("a/b"));
        assert_eq!(error.to_string(), "is bad\n  in layer `a/b`");
        let error = Error::value("is bad").at(Origin::caller());
        assert!(error.to_string().starts_with("is bad\n  at "), "{error}");
    }

    #[test]
    fn all_keeps_every_error_in_order() {
        assert!(Error::all([]).is_ok());
        let second = Error::value("two").and(Error::value("three"));
        let error = Error::all([Error::key("one"), second]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Key);
        assert_eq!(error.to_string(), "one\nalso: two\nalso: three");
    }

    #[test]
    fn shorthands_give_each_kind_once() {
        let made = [
            Error::invalid,
            Error::value,
            Error::type_,
            Error::key,
            Error::out_of_range,
            Error::runtime,
            Error::cancelled,
            Error::unknown_object,
            Error::format,
            Error::io,
            Error::out_of_memory,
            Error::internal,
            Error::unconnected,
        ]
        .map(|make: fn(&'static str) -> Error| make("x").kind);
        assert_eq!(made, ErrorKind::ALL);
    }

    #[test]
    fn is_small_and_crosses_threads() {
        fn crosses<T: Send + Sync + Clone + 'static>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Result>(), size_of::<usize>());
    }
}
