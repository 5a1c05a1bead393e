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

    /// The size of the last axis, which must be known: what layers make their weights from.
    ///
    /// ```
    /// use tracelift_tensor::Shape;
    ///
    /// assert_eq!("[B, 784]".parse::<Shape>()?.last()?, 784);
    /// assert!(Shape::scalar().last().is_err());
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn last(&self) -> Result<usize> {
        let Some(last) = self.dims().last() else {
            return Err(Error::invalid("a scalar has no last axis"));
        };
        last.known_len().ok_or_else(|| Error::invalid(format!("the last size of {self} must be known")))
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
            _ if rank == 0 => Err(Error::invalid(format!("finds no axis {axis}: the shape [] has none"))),
            _ => Err(Error::invalid(format!("finds no axis {axis} in the shape {self}")).help(format!(
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

/// The most axes an array may have.
pub const MAX_RANK: usize = 32;

/// The most elements an array may have: indices into it, in bytes, then fit into 64 bits with room to spare.
const MAX_ELEMENTS: usize = 1 << 47;

/// The number of elements of a shape of known sizes; an error if there are 2^47 or more, or more than 32 axes.
///
/// ```
/// use tracelift_tensor::count_elements;
///
/// assert_eq!(count_elements(&[2, 3])?, 6);
/// assert_eq!(count_elements(&[usize::MAX, 2, 0])?, 0);
/// assert!(count_elements(&[usize::MAX, 2]).is_err());
/// assert!(count_elements(&[1; 33]).is_err());
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn count_elements(dims: &[usize]) -> Result<usize> {
    if dims.len() > MAX_RANK {
        return Err(Error::invalid(format!("an array of {} axes: at most {MAX_RANK} are possible", dims.len())));
    }
    if dims.contains(&0) {
        return Ok(0);
    }
    match dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) {
        Some(n) if n < MAX_ELEMENTS => Ok(n),
        _ => Err(Error::invalid(format!("the element count of {dims:?} overflows: 2^47 or more"))),
    }
}

impl Deref for Shape {
    type Target = [Dim];

    fn deref(&self) -> &[Dim] {
        &self.0
    }
}

impl From<()> for Shape {
    /// The shape of a scalar.
    fn from((): ()) -> Shape {
        Shape::scalar()
    }
}

impl From<usize> for Shape {
    /// The shape of a vector.
    fn from(n: usize) -> Shape {
        Shape::from([n])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        for text in ["[]", "[3]", "[B, 784]", "[2*B + 1, (T + 1)//2, 0]"] {
            assert_eq!(text.parse::<Shape>().unwrap().to_string(), text);
        }
        assert_eq!(" [ B,3 ] ".parse::<Shape>().unwrap().to_string(), "[B, 3]");
        for text in ["", "[", "B, 3", "[B,]", "[B 3]", "[[3]]"] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }

    #[test]
    fn axes_count_from_both_ends() {
        let shape = Shape::from([2usize, 3, 4]);
        let found: Vec<_> = (-3..3).map(|axis| shape.axis(axis).unwrap()).collect();
        assert_eq!(found, [0, 1, 2, 0, 1, 2]);
        for axis in [3, -4, i64::MIN, i64::MAX] {
            assert!(shape.axis(axis).is_err());
        }
        let error = shape.axis(3).unwrap_err().to_string();
        assert_eq!(error, "finds no axis 3 in the shape [2, 3, 4]\n  help: axes go from -3 to 2");
        let error = Shape::scalar().axis(0).unwrap_err().to_string();
        assert_eq!(error, "finds no axis 0: the shape [] has none");
    }

    #[test]
    fn counts_elements() {
        let count = |text: &str| text.parse::<Shape>().unwrap().num_elements().to_string();
        assert_eq!([count("[]"), count("[2, 3]"), count("[B, 2, T]")], ["1", "6", "2*B*T"]);
        let huge = Shape::from([1i64 << 40, 1 << 40, 0]);
        assert_eq!(huge.num_elements(), 0i64);
        assert!(Shape::from([1i64 << 40, 1 << 40]).num_elements().why_undefined().is_some());
    }

    #[test]
    fn known_needs_every_size() {
        assert_eq!(Shape::from([2usize, 0]).known().unwrap().as_slice(), [2, 0]);
        assert_eq!(Shape::from([-1i64]).known(), None);
        assert!("[2, 3]".parse::<Shape>().unwrap() == [2, 3]);
        assert!("[B, 3]".parse::<Shape>().unwrap() != [2, 3]);
    }

    #[test]
    fn negative_sizes_are_found_at_evaluation() {
        let shape: Shape = "[B - 2, 3]".parse().unwrap();
        let binding = Binding::from_iter([("B", 1)]);
        assert_eq!(shape.eval(&binding).unwrap_err().to_string(), "the size `B - 2` in [B - 2, 3] is -1 for B=1");
        assert_eq!(shape.substitute(&[(Sym::new("B"), Dim::from(5))]).known().unwrap().as_slice(), [3, 3]);
    }
}
