//! The normal form of polynomials: sorted terms, no zero coefficients, reduced floor divisions.

use std::{cmp::Ordering, sync::Arc};

use smallvec::SmallVec;

use super::{Dim, Repr, Sym, Undefined};

/// The most parts (terms and factors, those of numerators included) a dim may have, and
/// the deepest nesting of floor divisions: what keeps every walk over a dim small.
const MAX_SIZE: usize = 1024;
const MAX_DEPTH: u32 = 48;

/// A factor of a term that is not a number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Atom {
    /// A named unknown.
    Sym(Sym),
    /// A floor division that does not come out even.
    FloorDiv(Arc<Division>),
}

/// `numerator // divisor`, rounded down, with all coefficients of the numerator in `0..divisor`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Division {
    numerator: Dim,
    divisor: i64,
    size: usize,
    depth: u32,
}

impl Division {
    /// What is divided.
    pub fn numerator(&self) -> &Dim {
        &self.numerator
    }

    /// By what it is divided: at least 2.
    pub fn divisor(&self) -> i64 {
        self.divisor
    }
}

/// A coefficient times a product of atoms; the product of none is 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Term {
    /// The integer factor, never 0.
    pub coefficient: i64,
    /// The other factors, sorted; a power is a repetition.
    pub atoms: Atoms,
}

/// The factors of a term.
pub type Atoms = SmallVec<[Atom; 1]>;

impl Ord for Term {
    /// By falling degree, then by names.
    fn cmp(&self, other: &Term) -> Ordering {
        compare_atoms(&self.atoms, &other.atoms).then(self.coefficient.cmp(&other.coefficient))
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare_atoms(a: &Atoms, b: &Atoms) -> Ordering {
    b.len().cmp(&a.len()).then_with(|| a.cmp(b))
}

/// A polynomial that is not a plain number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Poly {
    terms: Vec<Term>,
}

impl Poly {
    pub(super) fn from_atom(atom: Atom) -> Poly {
        Poly { terms: vec![Term { coefficient: 1, atoms: SmallVec::from_iter([atom]) }] }
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }
}

/// A sum under construction: terms in any order, coefficients wide enough for sums of products.
#[derive(Default)]
pub(super) struct Sum(Vec<(Atoms, i128)>);

impl Sum {
    pub(super) fn push(&mut self, coefficient: i128, atoms: Atoms) {
        self.0.push((atoms, coefficient));
    }

    pub(super) fn push_terms(&mut self, terms: &[Term], factor: i64) {
        for term in terms {
            self.push(i128::from(term.coefficient) * i128::from(factor), term.atoms.clone());
        }
    }

    /// Sorts, adds up equal products, drops zeros.
    pub(super) fn finish(mut self) -> Dim {
        self.0.sort_by(|a, b| compare_atoms(&a.0, &b.0));
        let mut terms: Vec<Term> = Vec::with_capacity(self.0.len());
        let mut rest = self.0.into_iter().peekable();
        while let Some((atoms, mut coefficient)) = rest.next() {
            while let Some((_, more)) = rest.next_if(|next| next.0 == atoms) {
                match coefficient.checked_add(more) {
                    Some(sum) => coefficient = sum,
                    None => return Dim::undefined(Undefined::Overflow),
                }
            }
            match i64::try_from(coefficient) {
                Ok(0) => {}
                Ok(coefficient) => terms.push(Term { coefficient, atoms }),
                Err(_) => return Dim::undefined(Undefined::Overflow),
            }
        }
        match terms.as_slice() {
            [] => Dim::ZERO,
            [Term { coefficient, atoms }] if atoms.is_empty() => Dim::from(*coefficient),
            _ if size_of_terms(&terms) > MAX_SIZE => Dim::undefined(Undefined::TooComplex),
            _ => Dim(Repr::Poly(Arc::new(Poly { terms }))),
        }
    }
}

fn size_of_terms(terms: &[Term]) -> usize {
    let size = |atom: &Atom| match atom {
        Atom::Sym(_) => 1,
        Atom::FloorDiv(division) => division.size,
    };
    terms.iter().map(|term| 1 + term.atoms.iter().map(size).sum::<usize>()).sum()
}

/// `numerator // divisor` as an atom of its own, for a numerator that is already reduced.
pub(super) fn division_atom(numerator: Dim, divisor: i64) -> Dim {
    let depths = numerator.terms().iter().flat_map(|term| &term.atoms).map(|atom| match atom {
        Atom::Sym(_) => 0,
        Atom::FloorDiv(division) => division.depth,
    });
    let depth = 1 + depths.max().unwrap_or(0);
    let size = 1 + size_of_terms(numerator.terms());
    if depth > MAX_DEPTH || size >= MAX_SIZE {
        return Dim::undefined(Undefined::TooComplex);
    }
    let division = Division { numerator, divisor, size, depth };
    Dim(Repr::Poly(Arc::new(Poly::from_atom(Atom::FloorDiv(Arc::new(division))))))
}
