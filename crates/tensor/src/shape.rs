//! Shapes: a list of dims, some perhaps unknown.

use std::{fmt, ops::Deref, str::FromStr};

use smallvec::SmallVec;

use crate::{Binding, Dim, Error, Result, Sym};

/// A shape of known sizes.
pub type Dims = SmallVec<[usize; 4]>;

/// The sizes of a tensor's axes.
///
/// ```
/// use tracelift_tensor::{Binding, Dim, Shape};
///
/// let shape = Shape::from([Dim::sym("B"), Dim::from(784)]);
/// assert_eq!(shape.to_string(), "[B, 784]");
/// assert_eq!(shape.known(), None);
/// assert_eq!(shape.axis(-1)?, 1);
/// assert_eq!(shape.num_elements().to_string(), "784*B");
/// let binding = Binding::from_iter([("B", 32)]);
/// assert_eq!(shape.eval(&binding)?.as_slice(), [32, 784]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shape(SmallVec<[Dim; 4]>);

impl Shape {
    /// The shape of a single number: no axes.
    pub fn scalar() -> Shape {
        Shape::default()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The dims as a list.
    pub fn dims(&self) -> &[Dim] {
        &self.0
    }

    /// All sizes, if all are known (and none is negative).
    pub fn known(&self) -> Option<Dims> {
        self.iter().map(Dim::known_len).collect()
    }

    /// The product of all sizes: 1 without axes.
    pub fn num_elements(&self) -> Dim {
        // An empty axis makes any product empty, also one that would overflow on the way.
        match self.iter().any(Dim::is_zero) && self.iter().all(|dim| dim.why_undefined().is_none()) {
            true => Dim::ZERO,
            false => self.iter().product(),
        }
    }

    /// All unknowns in it, sorted by name, each once.
    pub fn syms(&self) -> Vec<Sym> {
        let mut syms: Vec<Sym> = self.iter().flat_map(Dim::syms).collect();
        syms.sort_unstable();
        syms.dedup();
        syms
    }

    /// The axis number, counted from the end if negative.
    pub fn axis(&self, axis: i64) -> Result<usize> {
        let rank = self.rank() as i64;
        let from_start = if axis < 0 { axis.checked_add(rank) } else { Some(axis) };
        match from_start {
            Some(axis) if (0..rank).contains(&axis) => Ok(axis as usize),
            _ if rank == 0 => Err(Error::invalid(format!("there is no axis {axis}: the shape [] has no axes"))),
            _ => Err(Error::invalid(format!("there is no axis {axis} in the shape {self}")).help(format!(
                "axes go from {} to {}",
                -rank,
                rank - 1
            ))),
        }
    }

    /// The sizes under a binding; a negative size is an error.
    pub fn eval(&self, binding: &Binding) -> Result<Dims> {
        let size = |dim: &Dim| {
            let n = dim.eval(binding)?;
            usize::try_from(n).map_err(|_| Error::invalid(format!("the size `{dim}` in {self} is {n} for {binding}")))
        };
        self.iter().map(size).collect()
    }

    /// The shape with unknowns replaced, as [`Dim::substitute`] does it.
    #[must_use]
    pub fn substitute(&self, with: &[(Sym, Dim)]) -> Shape {
        self.iter().map(|dim| dim.substitute(with)).collect()
    }

    /// Adds an axis at the end.
    pub fn push(&mut self, dim: impl Into<Dim>) {
        self.0.push(dim.into());
    }
}

/// The number of elements of a shape of known sizes, or an error if it does not fit into the address space.
///
/// ```
/// assert_eq!(tracelift_tensor::count_elements(&[2, 3])?, 6);
/// assert!(tracelift_tensor::count_elements(&[usize::MAX, 2]).is_err());
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn count_elements(dims: &[usize]) -> Result<usize> {
    if dims.contains(&0) {
        return Ok(0);
    }
    let product = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    match product {
        // As with allocations, at most half the address space; elements are counted in i64 elsewhere.
        Some(n) if n <= isize::MAX as usize => Ok(n),
        _ => Err(Error::invalid(format!("the element count of {dims:?} overflows"))),
    }
}

impl Deref for Shape {
    type Target = [Dim];

    fn deref(&self) -> &[Dim] {
        &self.0
    }
}

impl<D: Into<Dim>, const N: usize> From<[D; N]> for Shape {
    fn from(dims: [D; N]) -> Shape {
        dims.into_iter().collect()
    }
}

impl<D: Into<Dim> + Clone> From<&[D]> for Shape {
    fn from(dims: &[D]) -> Shape {
        dims.iter().cloned().collect()
    }
}

impl<D: Into<Dim>> From<Vec<D>> for Shape {
    fn from(dims: Vec<D>) -> Shape {
        dims.into_iter().collect()
    }
}

impl From<Dims> for Shape {
    fn from(dims: Dims) -> Shape {
        dims.into_iter().collect()
    }
}

impl From<&Dims> for Shape {
    fn from(dims: &Dims) -> Shape {
        Shape::from(dims.as_slice())
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

impl<D: Into<Dim>> FromIterator<D> for Shape {
    fn from_iter<I: IntoIterator<Item = D>>(dims: I) -> Shape {
        Shape(dims.into_iter().map(Into::into).collect())
    }
}

impl<'a> IntoIterator for &'a Shape {
    type Item = &'a Dim;
    type IntoIter = std::slice::Iter<'a, Dim>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, sizes: &[usize]) -> bool {
        self.rank() == sizes.len() && self.iter().zip(sizes).all(|(dim, n)| dim == n)
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, sizes: &[usize; N]) -> bool {
        *self == sizes[..]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.iter().enumerate() {
            write!(f, "{}{dim}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Shape {
    type Err = Error;

    /// Reads what `Display` writes: dims in brackets, separated by commas.
    fn from_str(text: &str) -> Result<Shape> {
        let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(|| {
            Error::format(format!("bad shape `{text}`: no brackets")).help("a shape is written like `[B, 784]`")
        })?;
        match inner.trim() {
            "" => Ok(Shape::scalar()),
            dims => dims.split(',').map(str::parse::<Dim>).collect(),
        }
    }
}
