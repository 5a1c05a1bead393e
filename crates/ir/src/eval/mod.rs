//! The reference evaluator: what every op and every graph means.

mod context;
mod dot;
mod gather;
mod lanes;
mod reduce;
mod run;
mod stacks;

pub use context::EvalCx;
pub(crate) use context::{KnownAxis, token};
pub(crate) use dot::dot_general;
pub(crate) use gather::{count, for_each_index, gather_affine, row_major};
pub(crate) use lanes::{eval_lane, put};
pub(crate) use reduce::reduce_array;
pub use run::{Evaluator, evaluate};

/// Runs `$body` with `$t` as the type in which elements of a dtype lie in memory.
macro_rules! with_raw {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            tracelift_tensor::DType::F32 => {
                type $t = f32;
                $body
            }
            tracelift_tensor::DType::F64 => {
                type $t = f64;
                $body
            }
            tracelift_tensor::DType::I32 => {
                type $t = i32;
                $body
            }
            tracelift_tensor::DType::I64 => {
                type $t = i64;
                $body
            }
            _ => {
                type $t = u8;
                $body
            }
        }
    };
}
pub(crate) use with_raw;

/// Runs `$body` with `$t` as the type of a number and `$add` as its addition.
macro_rules! with_number {
    ($dtype:expr, $t:ident, $add:ident => $body:expr) => {
        match $dtype {
            tracelift_tensor::DType::F32 => with_number!(@f32, $t, $add, |a, b| a + b, $body),
            tracelift_tensor::DType::F64 => with_number!(@f64, $t, $add, |a, b| a + b, $body),
            tracelift_tensor::DType::I32 => with_number!(@i32, $t, $add, i32::wrapping_add, $body),
            tracelift_tensor::DType::I64 => with_number!(@i64, $t, $add, i64::wrapping_add, $body),
            _ => with_number!(@u8, $t, $add, u8::wrapping_add, $body),
        }
    };
    (@$raw:ident, $t:ident, $add:ident, $how:expr, $body:expr) => {{
        type $t = $raw;
        let $add: fn($t, $t) -> $t = $how;
        $body
    }};
}
pub(crate) use with_number;
