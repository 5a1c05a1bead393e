//! Values for unknown sizes: evaluation and substitution.

use smallvec::SmallVec;

use super::{
    Dim, Repr, Sym,
    arith::floor_div_wide,
    poly::{Atom, Term},
};
use crate::{Error, Result};

/// A value for each unknown size, sorted by name.
///
/// ```
/// use tracelift_tensor::{Binding, Sym};
///
/// let mut binding = Binding::new();
/// binding.bind("T", 10);
/// binding.bind("B", 32);
/// assert_eq!(binding.get(&Sym::new("B")), Some(32));
/// assert_eq!(binding.to_string(), "B=32, T=10");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Binding(SmallVec<[(Sym, i64); 2]>);

impl Binding {
    /// No values yet.
    pub fn new() -> Binding {
        Binding::default()
    }

    /// Gives an unknown its value; returns the one it had before.
    pub fn bind(&mut self, sym: impl Into<Sym>, n: i64) -> Option<i64> {
        let sym = sym.into();
        match self.0.binary_search_by(|entry| entry.0.cmp(&sym)) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, n)),
            Err(at) => {
                self.0.insert(at, (sym, n));
                None
            }
        }
    }

    /// The value of an unknown.
    pub fn get(&self, sym: &Sym) -> Option<i64> {
        self.0.binary_search_by(|entry| entry.0.cmp(sym)).ok().map(|at| self.0[at].1)
    }

    /// All values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Sym, i64)> {
        self.0.iter().map(|(sym, n)| (sym, *n))
    }

    /// How many unknowns have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no unknown has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<Sym>> FromIterator<(S, i64)> for Binding {
    fn from_iter<I: IntoIterator<Item = (S, i64)>>(values: I) -> Binding {
        let mut binding = Binding::new();
        for (sym, n) in values {
            binding.bind(sym, n);
        }
        binding
    }
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (sym, n)) in self.iter().enumerate() {
            write!(f, "{}{sym}={n}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Dim {
    /// The number it stands for under a binding.
    ///
    /// An unknown without a value, and a result beyond 64 bits, are errors.
    pub fn eval(&self, binding: &Binding) -> Result<i64> {
        if let Repr::Known(n) = self.0 {
            return Ok(n);
        }
        i64::try_from(self.eval_wide(binding)?).map_err(|_| self.overflow(binding))
    }

    fn eval_wide(&self, binding: &Binding) -> Result<i128> {
        let terms = match &self.0 {
            Repr::Known(n) => return Ok((*n).into()),
            Repr::Undefined(why) => return Err(Error::invalid(format!("a size has no value: {}", why.reason()))),
            Repr::Poly(poly) => poly.terms(),
        };
        let mut sum = 0i128;
        for term in terms {
            let mut product = i128::from(term.coefficient);
            for atom in &term.atoms {
                let factor = match atom {
                    Atom::Sym(sym) => binding.get(sym).map(i128::from).ok_or_else(|| {
                        Error::invalid(format!("the size `{sym}` in `{self}` has no value (known are: {binding})"))
                    })?,
                    Atom::FloorDiv(division) => {
                        floor_div_wide(division.numerator().eval_wide(binding)?, division.divisor().into())
                    }
                };
                product = product.checked_mul(factor).ok_or_else(|| self.overflow(binding))?;
            }
            sum = sum.checked_add(product).ok_or_else(|| self.overflow(binding))?;
        }
        Ok(sum)
    }

    fn overflow(&self, binding: &Binding) -> Error {
        Error::invalid(format!("the size `{self}` overflows 64 bits for {binding}"))
    }

    /// The dim with unknowns replaced, all at once; of two entries for the same unknown the first counts.
    ///
    /// ```
    /// use tracelift_tensor::{Dim, Sym};
    ///
    /// let d: Dim = "(B + 1)//2".parse()?;
    /// assert_eq!(d.substitute(&[(Sym::new("B"), Dim::sym("T") * 2)]).to_string(), "T");
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    #[must_use]
    pub fn substitute(&self, with: &[(Sym, Dim)]) -> Dim {
        if self.terms().is_empty() {
            return self.clone();
        }
        let factor = |atom: &Atom| match atom {
            Atom::Sym(sym) => match with.iter().find(|(from, _)| from == sym) {
                Some((_, to)) => to.clone(),
                None => Dim::from(sym),
            },
            Atom::FloorDiv(division) => division.numerator().substitute(with).floor_div(division.divisor()),
        };
        let term = |term: &Term| term.atoms.iter().map(factor).product::<Dim>() * term.coefficient;
        self.terms().iter().map(term).sum()
    }
}

impl From<&Sym> for Dim {
    fn from(sym: &Sym) -> Dim {
        Dim::from(sym.clone())
    }
}
