//! One size of a shape: a number, or an integer polynomial over named unknowns.

mod arith;
mod binding;
mod poly;
mod sym;
mod text;

pub use binding::Binding;
pub use poly::{Atom, Atoms, Division, Term};
pub use sym::Sym;

use std::sync::Arc;

use poly::Poly;

/// One size of a shape, perhaps not known before the call.
///
/// A dim is a polynomial with integer coefficients over named unknowns and floor divisions by constants.
/// It is kept in normal form, so dims that are equal by the laws of a ring, and by those of floor division listed at
/// [`Dim::floor_div`], are `==`.
/// A known size is a plain number and allocates nothing.
///
/// ```
/// use tracelift_tensor::{Binding, Dim};
///
/// let batch = Dim::sym("B");
/// let d = (&batch * 2 + 3).floor_div(2);
/// assert_eq!(d, &batch + 1);
/// assert_eq!(d.to_string(), "B + 1");
///
/// let mut binding = Binding::new();
/// binding.bind("B", 32);
/// assert_eq!(d.eval(&binding)?, 33);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
///
/// Arithmetic is total: where a coefficient leaves 64 bits the result is an *undefined* dim, which every further
/// operation keeps and whose evaluation is an error.
/// `Ord` sorts dims for tables; it does not compare sizes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dim(Repr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Known(i64),
    Poly(Arc<Poly>),
    Undefined(Undefined),
}

/// Why a dim has no value.
///
/// ```
/// use tracelift_tensor::{Binding, Dim, Undefined};
///
/// let dim = Dim::from(i64::MAX) * 2;
/// assert_eq!(dim.why_undefined(), Some(Undefined::Overflow));
/// assert!(dim.eval(&Binding::new()).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Undefined {
    /// A coefficient does not fit into 64 bits.
    Overflow,
    /// It was divided by zero.
    DivisionByZero,
    /// The polynomial has more than a thousand parts.
    TooComplex,
}

impl Undefined {
    const ALL: [Undefined; 3] = [Undefined::Overflow, Undefined::DivisionByZero, Undefined::TooComplex];

    /// How it is written in shapes.
    pub fn text(self) -> &'static str {
        match self {
            Undefined::Overflow => "overflow!",
            Undefined::DivisionByZero => "division_by_zero!",
            Undefined::TooComplex => "too_complex!",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Undefined::Overflow => "its arithmetic overflows 64 bits",
            Undefined::DivisionByZero => "it was divided by zero",
            Undefined::TooComplex => "its formula has more than a thousand parts",
        }
    }
}

impl Dim {
    /// The size 0.
    pub const ZERO: Dim = Dim(Repr::Known(0));
    /// The size 1.
    pub const ONE: Dim = Dim(Repr::Known(1));

    /// The unknown of that name (see [`Sym::new`] for which names there are).
    pub fn sym(name: &str) -> Dim {
        Dim::from(Sym::new(name))
    }

    /// A dim without a value, as failed arithmetic makes it.
    pub const fn undefined(why: Undefined) -> Dim {
        Dim(Repr::Undefined(why))
    }

    /// The number, if it is known.
    pub fn known(&self) -> Option<i64> {
        match self.0 {
            Repr::Known(n) => Some(n),
            _ => None,
        }
    }

    /// The known number as a length: `None` if unknown or negative.
    pub fn known_len(&self) -> Option<usize> {
        self.known().and_then(|n| usize::try_from(n).ok())
    }

    /// The unknown, if the dim is just that.
    pub fn as_sym(&self) -> Option<Sym> {
        match self.terms() {
            [Term { coefficient: 1, atoms }] => match atoms.as_slice() {
                [Atom::Sym(sym)] => Some(sym.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Why the dim has no value, if it has none.
    pub fn why_undefined(&self) -> Option<Undefined> {
        match self.0 {
            Repr::Undefined(why) => Some(why),
            _ => None,
        }
    }

    /// Whether it is known to be 0.
    pub fn is_zero(&self) -> bool {
        self.known() == Some(0)
    }

    /// Whether it is known to be 1.
    pub fn is_one(&self) -> bool {
        self.known() == Some(1)
    }

    /// All unknowns in it, sorted by name, each once.
    ///
    /// ```
    /// use tracelift_tensor::{Dim, Sym};
    ///
    /// let d: Dim = "(H + 1)//2*W + B".parse()?;
    /// assert_eq!(d.syms(), [Sym::new("B"), Sym::new("H"), Sym::new("W")]);
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn syms(&self) -> Vec<Sym> {
        let mut syms = Vec::new();
        self.collect_syms(&mut syms);
        syms.sort_unstable();
        syms.dedup();
        syms
    }

    fn collect_syms(&self, syms: &mut Vec<Sym>) {
        for atom in self.terms().iter().flat_map(|term| &term.atoms) {
            match atom {
                Atom::Sym(sym) => syms.push(sym.clone()),
                Atom::FloorDiv(division) => division.numerator().collect_syms(syms),
            }
        }
    }

    /// The terms of the polynomial by falling degree, then by names; none for a known or undefined dim.
    pub fn terms(&self) -> &[Term] {
        match &self.0 {
            Repr::Poly(poly) => poly.terms(),
            _ => &[],
        }
    }
}

impl From<i64> for Dim {
    fn from(n: i64) -> Dim {
        Dim(Repr::Known(n))
    }
}

impl From<i32> for Dim {
    fn from(n: i32) -> Dim {
        Dim(Repr::Known(n.into()))
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Dim {
        i64::try_from(n).map_or(Dim::undefined(Undefined::Overflow), Dim::from)
    }
}

impl From<Sym> for Dim {
    fn from(sym: Sym) -> Dim {
        Dim(Repr::Poly(Arc::new(Poly::from_atom(Atom::Sym(sym)))))
    }
}

impl From<&Dim> for Dim {
    fn from(dim: &Dim) -> Dim {
        dim.clone()
    }
}

impl Default for Dim {
    fn default() -> Dim {
        Dim::ZERO
    }
}

/// A dim equals a number only if it is known.
macro_rules! equal_to_number {
    ($($int:ty),*) => {$(
        impl PartialEq<$int> for Dim {
            fn eq(&self, n: &$int) -> bool {
                self.known().is_some_and(|known| <$int>::try_from(known) == Ok(*n))
            }
        }
    )*};
}
equal_to_number!(i64, i32, usize);

#[cfg(test)]
mod tests;
