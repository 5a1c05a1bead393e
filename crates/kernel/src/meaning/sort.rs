//! The order of elements.
//!
//! Elements are ordered by whole numbers made of their bits, which is not arithmetic: subnormal numbers are never zero
//! here. Behind them the positions make all keys different, so that any way of sorting keeps the order of equal elements.

/// An element that has a place in an order.
pub trait Ordered: Copy {
    /// A number that is larger for larger elements and equal for equal ones; a NaN has the largest of all.
    fn rank(self) -> u64;
}

macro_rules! floats {
    ($($f:ident $u:ident;)*) => {$(
        impl Ordered for $f {
            #[inline(always)]
            fn rank(self) -> u64 {
                const SIGN: $u = 1 << ($u::BITS - 1);
                let infinity = $f::INFINITY.to_bits();
                let bits = self.to_bits();
                let magnitude = bits & !SIGN;
                // Below zero, more bits are less; both zeros are one number.
                let rank = if magnitude > infinity {
                    $u::MAX
                } else if bits & SIGN != 0 && magnitude != 0 {
                    !bits
                } else {
                    magnitude | SIGN
                };
                rank.into()
            }
        }
    )*};
}

macro_rules! integers {
    ($($i:ident $u:ident;)*) => {$(
        impl Ordered for $i {
            #[inline(always)]
            fn rank(self) -> u64 {
                // Moved up, so that the smallest is 0.
                (self.wrapping_sub($i::MIN) as $u).into()
            }
        }
    )*};
}

floats! { f32 u32; f64 u64; }
integers! { i32 u32; i64 u64; u8 u8; }

/// Room for sorting, used again from row to row.
#[derive(Clone, Debug, Default)]
pub struct SortRoom {
    /// Keys of elements of up to 32 bits.
    narrow: Vec<u64>,
    wide: Vec<u128>,
}

/// Where the elements of a row are in ascending order, or in descending order; equal ones keep theirs. Bools are bytes.
///
/// A row has at most 2³¹ - 1 elements, and as many places.
///
/// ```
/// use tracelift_kernel::meaning::{SortRoom, argsort};
///
/// let mut places = [0; 4];
/// argsort(&[2.0f32, f32::NAN, -1.0, 2.0], false, &mut SortRoom::default(), &mut places);
/// assert_eq!(places, [2, 0, 3, 1]);
/// ```
pub fn argsort<T: Ordered>(row: &[T], descending: bool, room: &mut SortRoom, places: &mut [i32]) {
    macro_rules! sort {
        ($keys:ident, $key:ident, $flip:expr) => {{
            let keys = &mut room.$keys;
            keys.clear();
            let flip = if descending { $flip } else { 0 };
            keys.extend(row.iter().enumerate().map(|(place, x)| $key::from(x.rank() ^ flip) << 32 | place as $key));
            keys.sort_unstable();
            for (to, key) in places.iter_mut().zip(keys.iter()) {
                // The low 32 bits are the position.
                *to = *key as i32;
            }
        }};
    }
    match size_of::<T>() {
        0..=4 => sort!(narrow, u64, u64::from(u32::MAX)),
        _ => sort!(wide, u128, u64::MAX),
    }
}
