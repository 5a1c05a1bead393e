//! Arithmetic on dims: sums, products, floor division. It is total; see [`Dim`] on overflow.

use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use smallvec::SmallVec;

use super::{
    Dim, Repr, Undefined,
    poly::{Atom, Atoms, Sum, Term, division_atom},
};

impl Dim {
    /// `self / divisor`, rounded down.
    ///
    /// These laws are applied, so that sizes which agree for all values of the unknowns print alike:
    /// `(k*a*X + c)//k = a*X + c//k`, `(g*X + c)//(g*k) = (X + c//g)//k`, `(X//a + c)//b = (X + a*c)//(a*b)`.
    ///
    /// ```
    /// use tracelift_tensor::Dim;
    ///
    /// let width = Dim::sym("W");
    /// // The output of a convolution of width 3, step 2, without padding.
    /// assert_eq!(((&width - 3).floor_div(2) + 1).to_string(), "(W + 1)//2 - 1");
    /// assert_eq!((&width * 4 + 3).floor_div(4), width);
    /// assert_eq!(Dim::from(-7).floor_div(2), Dim::from(-4));
    /// ```
    #[must_use]
    pub fn floor_div(&self, divisor: i64) -> Dim {
        if self.why_undefined().is_some() {
            return self.clone();
        }
        match (divisor, self.known()) {
            (0, _) => Dim::undefined(Undefined::DivisionByZero),
            (1, _) => self.clone(),
            (_, Some(n)) => known(floor_div_wide(i128::from(n), i128::from(divisor))),
            (2.., None) => divide_terms(self.terms(), divisor),
            (_, None) => match divisor.checked_neg() {
                Some(positive) => (-self).floor_div(positive),
                None => Dim::undefined(Undefined::Overflow),
            },
        }
    }

    /// Terms of any dim that has a value: those of the polynomial, or the number as its constant term.
    fn push_to(&self, sum: &mut Sum, factor: i64) {
        match &self.0 {
            Repr::Known(n) => sum.push(i128::from(*n) * i128::from(factor), Atoms::new()),
            Repr::Poly(poly) => sum.push_terms(poly.terms(), factor),
            Repr::Undefined(_) => unreachable!("undefined dims are handled before sums are made"),
        }
    }
}

fn known(n: i128) -> Dim {
    i64::try_from(n).map_or(Dim::undefined(Undefined::Overflow), Dim::from)
}

pub(super) fn floor_div_wide(n: i128, divisor: i128) -> i128 {
    let quotient = n / divisor;
    if n % divisor != 0 && (n < 0) != (divisor < 0) { quotient - 1 } else { quotient }
}

fn divide_terms(terms: &[Term], divisor: i64) -> Dim {
    // (k*a*X + Y)//k = a*X + Y//k, for every term.
    let (mut outer, mut inner) = (Sum::default(), Vec::new());
    for Term { coefficient, atoms } in terms {
        let (quotient, rest) = (coefficient.div_euclid(divisor), coefficient.rem_euclid(divisor));
        outer.push(quotient.into(), atoms.clone());
        if rest != 0 {
            inner.push(Term { coefficient: rest, atoms: atoms.clone() });
        }
    }
    outer.finish() + divide_reduced(inner, divisor)
}

/// Divides terms whose coefficients are all in `1..divisor`.
fn divide_reduced(mut terms: Vec<Term>, mut divisor: i64) -> Dim {
    if terms.iter().all(|term| term.atoms.is_empty()) {
        return Dim::ZERO;
    }
    // (g*X + c)//(g*k) = (X + c//g)//k
    let common = terms.iter().filter(|term| !term.atoms.is_empty()).fold(divisor, |g, term| gcd(g, term.coefficient));
    if common > 1 {
        terms.iter_mut().for_each(|term| term.coefficient /= common);
        divisor /= common;
    }
    let mut sum = Sum::default();
    // (X//a + c)//b = (X + a*c)//(a*b), if it is clear which division is meant and the numbers fit.
    let lone = |term: &Term| match (term.coefficient, term.atoms.as_slice()) {
        (1, [Atom::FloorDiv(division)]) => Some(division.clone()),
        _ => None,
    };
    let divisions: SmallVec<[_; 2]> = terms.iter().filter_map(lone).collect();
    if let [division] = divisions.as_slice() {
        let factor = division.divisor();
        terms
            .iter()
            .filter(|term| lone(term).is_none())
            .for_each(|term| sum.push_terms(std::slice::from_ref(term), factor));
        division.numerator().push_to(&mut sum, 1);
        let merged = sum.finish();
        if let (Some(divisor), None) = (divisor.checked_mul(factor), merged.why_undefined()) {
            return merged.floor_div(divisor);
        }
        sum = Sum::default();
    }
    sum.push_terms(&terms, 1);
    match sum.finish() {
        undefined if undefined.why_undefined().is_some() => undefined,
        numerator => division_atom(numerator, divisor),
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn add(a: &Dim, b: &Dim, factor: i64) -> Dim {
    match (&a.0, &b.0) {
        (Repr::Undefined(x), Repr::Undefined(y)) => Dim::undefined(*x.min(y)),
        (Repr::Undefined(why), _) | (_, Repr::Undefined(why)) => Dim::undefined(*why),
        (Repr::Known(x), Repr::Known(y)) => known(i128::from(*x) + i128::from(*y) * i128::from(factor)),
        _ => {
            let mut sum = Sum::default();
            a.push_to(&mut sum, 1);
            b.push_to(&mut sum, factor);
            sum.finish()
        }
    }
}

fn multiply(a: &Dim, b: &Dim) -> Dim {
    match (&a.0, &b.0) {
        (Repr::Undefined(x), Repr::Undefined(y)) => Dim::undefined(*x.min(y)),
        (Repr::Undefined(why), _) | (_, Repr::Undefined(why)) => Dim::undefined(*why),
        (Repr::Known(x), Repr::Known(y)) => known(i128::from(*x) * i128::from(*y)),
        (Repr::Known(n), Repr::Poly(poly)) | (Repr::Poly(poly), Repr::Known(n)) => {
            let mut sum = Sum::default();
            sum.push_terms(poly.terms(), *n);
            sum.finish()
        }
        (Repr::Poly(x), Repr::Poly(y)) => {
            let mut sum = Sum::default();
            for x in x.terms() {
                for y in y.terms() {
                    let mut atoms: Atoms = x.atoms.iter().chain(&y.atoms).cloned().collect();
                    atoms.sort_unstable();
                    sum.push(i128::from(x.coefficient) * i128::from(y.coefficient), atoms);
                }
            }
            sum.finish()
        }
    }
}

/// The operator for dims and numbers, by value and by reference.
macro_rules! operator {
    ($trait:ident $method:ident $assign:ident $assign_method:ident, $function:expr) => {
        impl<R: Into<Dim>> $trait<R> for Dim {
            type Output = Dim;
            fn $method(self, other: R) -> Dim {
                $function(&self, &other.into())
            }
        }
        impl<R: Into<Dim>> $trait<R> for &Dim {
            type Output = Dim;
            fn $method(self, other: R) -> Dim {
                $function(self, &other.into())
            }
        }
        impl $trait<Dim> for i64 {
            type Output = Dim;
            fn $method(self, other: Dim) -> Dim {
                $function(&Dim::from(self), &other)
            }
        }
        impl $trait<&Dim> for i64 {
            type Output = Dim;
            fn $method(self, other: &Dim) -> Dim {
                $function(&Dim::from(self), other)
            }
        }
        impl<R: Into<Dim>> $assign<R> for Dim {
            fn $assign_method(&mut self, other: R) {
                *self = $function(self, &other.into());
            }
        }
    };
}
operator!(Add add AddAssign add_assign, |a, b| add(a, b, 1));
operator!(Sub sub SubAssign sub_assign, |a, b| add(a, b, -1));
operator!(Mul mul MulAssign mul_assign, multiply);

impl Neg for &Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        multiply(self, &Dim::from(-1i64))
    }
}

impl Neg for Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        -&self
    }
}

impl std::iter::Sum for Dim {
    fn sum<I: Iterator<Item = Dim>>(dims: I) -> Dim {
        dims.fold(Dim::ZERO, |a, b| a + b)
    }
}

impl std::iter::Product for Dim {
    fn product<I: Iterator<Item = Dim>>(dims: I) -> Dim {
        dims.fold(Dim::ONE, |a, b| a * b)
    }
}

impl<'a> std::iter::Product<&'a Dim> for Dim {
    fn product<I: Iterator<Item = &'a Dim>>(dims: I) -> Dim {
        dims.fold(Dim::ONE, |a, b| a * b)
    }
}
