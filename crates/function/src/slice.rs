//! Which part of a tensor is meant: tuples of ranges and indices, or `s![…]` with steps, `...` and `newaxis`.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::Tensor;

/// What is taken along one axis.
#[derive(Clone, Debug)]
pub enum SliceItem {
    /// One position, counted from the end if negative; the axis is dropped.
    Index(i64),
    /// Positions from a start to before an end, by a step; negative ones count from the end, those outside are cut off.
    Range {
        /// First position; the near end if absent.
        start: Option<i64>,
        /// Position after the last; the far end if absent.
        end: Option<i64>,
        /// How far from one to the next; not zero, negative to go backwards.
        step: i64,
    },
    /// As many whole axes as are left over.
    Ellipsis,
    /// A new axis of size one.
    NewAxis,
    /// Positions held by a tensor; a rank-0 tensor drops the axis.
    At(Tensor),
}

impl SliceItem {
    /// The same range, with a step; an index stays as it is.
    #[must_use]
    pub fn step(self, by: i64) -> Self {
        match self {
            SliceItem::Range { start, end, .. } => SliceItem::Range { start, end, step: by },
            other => other,
        }
    }

    fn range(start: Option<i64>, end: Option<i64>) -> Self {
        SliceItem::Range { start, end, step: 1 }
    }

    /// The range that includes its end; `-1` as an end is the last position.
    fn inclusive(start: Option<i64>, end: i64) -> Self {
        SliceItem::range(start, if end == -1 { None } else { Some(end.saturating_add(1)) })
    }
}

macro_rules! items {
    ($($t:ty)*) => {$(
        impl From<$t> for SliceItem {
            fn from(index: $t) -> Self { SliceItem::Index(position(index)) }
        }
        impl From<Range<$t>> for SliceItem {
            fn from(r: Range<$t>) -> Self { SliceItem::range(Some(position(r.start)), Some(position(r.end))) }
        }
        impl From<RangeFrom<$t>> for SliceItem {
            fn from(r: RangeFrom<$t>) -> Self { SliceItem::range(Some(position(r.start)), None) }
        }
        impl From<RangeTo<$t>> for SliceItem {
            fn from(r: RangeTo<$t>) -> Self { SliceItem::range(None, Some(position(r.end))) }
        }
        impl From<RangeInclusive<$t>> for SliceItem {
            fn from(r: RangeInclusive<$t>) -> Self { SliceItem::inclusive(Some(position(*r.start())), position(*r.end())) }
        }
        impl From<RangeToInclusive<$t>> for SliceItem {
            fn from(r: RangeToInclusive<$t>) -> Self { SliceItem::inclusive(None, position(r.end)) }
        }
    )*};
}
items!(i32 i64 usize);

// A `usize` beyond i64 is beyond every axis, too.
fn position(index: impl TryInto<i64>) -> i64 {
    index.try_into().unwrap_or(i64::MAX)
}

impl From<RangeFull> for SliceItem {
    fn from(_: RangeFull) -> Self {
        SliceItem::range(None, None)
    }
}

impl From<&Tensor> for SliceItem {
    fn from(positions: &Tensor) -> Self {
        SliceItem::At(positions.clone())
    }
}

/// A part of a tensor: one range or index, a tuple of them, or [`s!`](crate::s).
#[derive(Clone, Debug)]
pub struct Slice(pub Vec<SliceItem>);

impl<T: Into<SliceItem>> From<T> for Slice {
    fn from(item: T) -> Self {
        Slice(vec![item.into()])
    }
}

macro_rules! tuples {
    ($($($T:ident $t:ident)+;)*) => {$(
        impl<$($T: Into<SliceItem>),+> From<($($T,)+)> for Slice {
            fn from(($($t,)+): ($($T,)+)) -> Self { Slice(vec![$($t.into()),+]) }
        }
    )*};
}
tuples! { A a B b; A a B b C c; A a B b C c D d; A a B b C c D d E e; A a B b C c D d E e F f; }

/// Writes a slice as Python does, with `;` before a step: `s![..., 1, newaxis]`, `s![.., ..;2]`, `s![..;-1]`.
///
/// ```
/// use tracelift_function::{s, tensor};
///
/// let t = tensor([[1., 2., 3.], [4., 5., 6.]]);
/// assert_eq!(t.slice(s![.., ..;2]).to_vec::<f32>()?, [1., 3., 4., 6.]);
/// assert_eq!(t.slice(s![..., 1, newaxis]).shape(), [2, 1]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[macro_export]
macro_rules! s {
    (@ [$($done:expr,)*]) => { $crate::Slice(::std::vec![$($done),*]) };
    (@ [$($done:expr,)*] ... $(, $($rest:tt)*)?) => { $crate::s!(@ [$($done,)* $crate::SliceItem::Ellipsis,] $($($rest)*)?) };
    (@ [$($done:expr,)*] newaxis $(, $($rest:tt)*)?) => { $crate::s!(@ [$($done,)* $crate::SliceItem::NewAxis,] $($($rest)*)?) };
    (@ [$($done:expr,)*] $item:expr; $step:expr $(, $($rest:tt)*)?) => {
        $crate::s!(@ [$($done,)* $crate::SliceItem::from($item).step($step),] $($($rest)*)?)
    };
    (@ [$($done:expr,)*] $item:expr $(, $($rest:tt)*)?) => { $crate::s!(@ [$($done,)* $crate::SliceItem::from($item),] $($($rest)*)?) };
    ($($all:tt)*) => { $crate::s!(@ [] $($all)*) };
}

/// Which axes a reduction runs over: `..` for all, a number (from the end if negative), or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// Every axis.
    All,
    /// These axes.
    Some(Vec<i64>),
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Axes::All
    }
}

impl From<i32> for Axes {
    fn from(axis: i32) -> Self {
        Axes::Some(vec![axis.into()])
    }
}

impl<const N: usize> From<[i32; N]> for Axes {
    fn from(axes: [i32; N]) -> Self {
        Axes::Some(axes.into_iter().map(i64::from).collect())
    }
}

impl From<&[i32]> for Axes {
    fn from(axes: &[i32]) -> Self {
        Axes::Some(axes.iter().map(|&axis| axis.into()).collect())
    }
}

impl From<Vec<i64>> for Axes {
    fn from(axes: Vec<i64>) -> Self {
        Axes::Some(axes)
    }
}
