//! One lane in plain Rust: [`Ops`] as `f32`/`i32` and as `f64`/`i64`.

use super::ops::{Cmp, Ops, Width};

/// Computes on one `f32` or `i32`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalar32;

/// Computes on one `f64` or `i64`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalar64;

fn compare<T: PartialOrd>(cmp: Cmp, a: T, b: T) -> bool {
    match cmp {
        Cmp::Lt => a < b,
        Cmp::Le => a <= b,
        Cmp::Gt => a > b,
        Cmp::Ge => a >= b,
        Cmp::Eq => a == b,
        Cmp::Ne => a != b,
    }
}

macro_rules! scalar_ops {
    ($name:ident, $f:ident, $i:ident, $u:ident, $width:ident) => {
        // Always inlined, so that a loop compiled for the `fma` feature gets the instruction instead of a call.
        impl Ops for $name {
            type F = $f;
            type I = $i;
            type M = bool;
            const WIDTH: Width = Width::$width;

            #[inline(always)]
            fn f(&mut self, c: f64) -> $f {
                c as $f
            }
            #[inline(always)]
            fn i(&mut self, c: i64) -> $i {
                c as $i
            }
            #[inline(always)]
            fn m(&mut self, c: bool) -> bool {
                c
            }
            scalar_ops!(@on $f;
                add(a, b) = a + b;
                sub(a, b) = a - b;
                mul(a, b) = a * b;
                div(a, b) = a / b;
                fma(a, b, c) = a.mul_add(b, c);
                sqrt(a) = a.sqrt();
                neg(a) = -a;
                abs(a) = a.abs();
                floor(a) = a.floor();
                ceil(a) = a.ceil();
                nearest(a) = a.round_ties_even();
                trunc(a) = a.trunc();
                min_lt(a, b) = if a < b { a } else { b };
                max_lt(a, b) = if b < a { a } else { b };
            );
            #[inline(always)]
            fn fcmp(&mut self, cmp: Cmp, a: $f, b: $f) -> bool {
                compare(cmp, a, b)
            }
            #[inline(always)]
            fn icmp(&mut self, cmp: Cmp, a: $i, b: $i) -> bool {
                compare(cmp, a, b)
            }
            #[inline(always)]
            fn select_f(&mut self, m: bool, a: $f, b: $f) -> $f {
                if m { a } else { b }
            }
            #[inline(always)]
            fn select_i(&mut self, m: bool, a: $i, b: $i) -> $i {
                if m { a } else { b }
            }
            #[inline(always)]
            fn mand(&mut self, a: bool, b: bool) -> bool {
                a & b
            }
            #[inline(always)]
            fn mor(&mut self, a: bool, b: bool) -> bool {
                a | b
            }
            #[inline(always)]
            fn mxor(&mut self, a: bool, b: bool) -> bool {
                a ^ b
            }
            #[inline(always)]
            fn mnot(&mut self, a: bool) -> bool {
                !a
            }
            #[inline(always)]
            fn f_to_bits(&mut self, a: $f) -> $i {
                a.to_bits() as $i
            }
            #[inline(always)]
            fn bits_to_f(&mut self, a: $i) -> $f {
                $f::from_bits(a as $u)
            }
            #[inline(always)]
            fn f_to_i(&mut self, a: $f) -> $i {
                a as $i
            }
            #[inline(always)]
            fn i_to_f(&mut self, a: $i) -> $f {
                a as $f
            }
            scalar_ops!(@on $i;
                iadd(a, b) = a.wrapping_add(b);
                isub(a, b) = a.wrapping_sub(b);
                imul(a, b) = a.wrapping_mul(b);
                ineg(a) = a.wrapping_neg();
                iand(a, b) = a & b;
                ior(a, b) = a | b;
                ixor(a, b) = a ^ b;
                inot(a) = !a;
                shl_by(a, n) = a.wrapping_shl(n as u32);
                sar_by(a, n) = a.wrapping_shr(n as u32);
            );
            #[inline(always)]
            fn shl(&mut self, a: $i, n: u32) -> $i {
                a << n
            }
            #[inline(always)]
            fn sar(&mut self, a: $i, n: u32) -> $i {
                a >> n
            }
            #[inline(always)]
            fn shr(&mut self, a: $i, n: u32) -> $i {
                (a as $u >> n) as $i
            }
        }
    };
    (@on $t:ident; $($name:ident($($x:ident),+) = $body:expr;)+) => {
        $(
            #[inline(always)]
            fn $name(&mut self, $($x: $t),+) -> $t {
                $body
            }
        )+
    };
}

scalar_ops!(Scalar32, f32, i32, u32, W32);
scalar_ops!(Scalar64, f64, i64, u64, W64);
