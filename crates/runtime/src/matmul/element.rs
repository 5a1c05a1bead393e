//! The element types of products, and which kernel each of them takes.

#![expect(unsafe_code, reason = "kernels are compiled for instructions that not every machine has")]

use super::task::Task;
use super::{Order, chain, integer, lane_order, lanes};
use crate::cpu::Path;
use std::ops::Range;

/// A type that matrices can be made of: `f32`, `f64`, `i32`, `i64` and `u8` (wrapping around).
pub trait Element: Kernel {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for i32 {}
impl Element for i64 {}
impl Element for u8 {}

/// The kernel of an element type; not nameable outside, so that no other type can be added.
pub trait Kernel: Copy + Default + Send + Sync + 'static {
    /// Computes the rows of a task and returns the status of its epilogue.
    ///
    /// # Safety
    ///
    /// As for [`super::run`]; the machine must have the path.
    unsafe fn product(path: Path, task: &Task<'_, Self>) -> i32;

    /// Whether there is a [`Kernel::pack`] that makes products faster.
    const PACKS: bool;

    /// Packs some steps of the right operand of a task; see [`chain::pack_right`].
    ///
    /// # Safety
    ///
    /// As there; the machine must have the path.
    unsafe fn pack(path: Path, task: &Task<'_, Self>, steps: Range<usize>, to: *mut Self);
}

/// Compiles the two float kernels for one path: generic code, inlined into a function that has the instructions.
macro_rules! float_kernels {
    ($($(#[$instructions:meta])* $name:ident($float:ty) = $lanes:ty;)*) => {$(
        mod $name {
            use super::*;

            $(#[$instructions])*
            pub(super) unsafe fn product(task: &Task<'_, $float>) -> i32 {
                // SAFETY: handed on from the caller.
                unsafe {
                    match task.spec.order {
                        Order::Chain => chain::product::<$lanes>(task),
                        Order::Lanes => lane_order::product::<$lanes>(task),
                    }
                }
            }

            $(#[$instructions])*
            pub(super) unsafe fn pack(task: &Task<'_, $float>, steps: Range<usize>, to: *mut $float) {
                // SAFETY: handed on from the caller.
                unsafe { chain::pack_right::<$lanes>(task, steps, to) }
            }
        }
    )*};
}

float_kernels! {
    scalar_f32(f32) = lanes::Portable<f32>;
    scalar_f64(f64) = lanes::Portable<f64>;
}

#[cfg(target_arch = "x86_64")]
float_kernels! {
    #[target_feature(enable = "avx2,fma")]
    avx2_f32(f32) = std::arch::x86_64::__m256;
    #[target_feature(enable = "avx2,fma")]
    avx2_f64(f64) = std::arch::x86_64::__m256d;
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
    avx512_f32(f32) = std::arch::x86_64::__m512;
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
    avx512_f64(f64) = std::arch::x86_64::__m512d;
}

macro_rules! float_elements {
    ($($float:ty: $scalar:ident, $avx2:ident, $avx512:ident;)*) => {$(
        impl Kernel for $float {
            unsafe fn product(path: Path, task: &Task<'_, $float>) -> i32 {
                // SAFETY: handed on from the caller, who promises that the machine has the path.
                unsafe { on_path!(path, product(task), $scalar, $avx2, $avx512) }
            }

            const PACKS: bool = true;

            unsafe fn pack(path: Path, task: &Task<'_, $float>, steps: Range<usize>, to: *mut $float) {
                // SAFETY: as above.
                unsafe { on_path!(path, pack(task, steps, to), $scalar, $avx2, $avx512) }
            }
        }
    )*};
}

/// Calls the function of a path.
macro_rules! on_path {
    ($path:expr, $function:ident($($argument:expr),*), $scalar:ident, $avx2:ident, $avx512:ident) => {
        match $path {
            Path::Scalar => $scalar::$function($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => $avx2::$function($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => $avx512::$function($($argument),*),
            #[cfg(not(target_arch = "x86_64"))]
            _ => $scalar::$function($($argument),*),
        }
    };
}

float_elements! {
    f32: scalar_f32, avx2_f32, avx512_f32;
    f64: scalar_f64, avx2_f64, avx512_f64;
}

macro_rules! integer_elements {
    ($($integer:ty),*) => {$(
        impl Kernel for $integer {
            // Sums that wrap around do not depend on their order, and one loop serves all paths.
            unsafe fn product(_: Path, task: &Task<'_, $integer>) -> i32 {
                // SAFETY: handed on from the caller.
                unsafe { integer::product(task, <$integer>::wrapping_mul, <$integer>::wrapping_add) }
            }

            const PACKS: bool = false;

            unsafe fn pack(_: Path, _: &Task<'_, $integer>, _: Range<usize>, _: *mut $integer) {
                unreachable!("integers are multiplied where they lie");
            }
        }
    )*};
}

integer_elements!(i32, i64, u8);
