//! An implementor of `Ops` that is as unlike the plain one as may be: two lanes, masks of bits, and min, max, choice and
//! sign by bit operations, as vector code has them.

use tracelift_kernel::meaning::{Cmp, Ops, Width};

/// Two lanes of `f32` and `i32`.
pub(crate) struct Bits32;

/// Two lanes of `f64` and `i64`.
pub(crate) struct Bits64;

macro_rules! bits_ops {
    ($name:ident, $f:ident, $i:ident, $u:ident, $width:ident) => {
        impl $name {
            fn compare<T: PartialOrd>(cmp: Cmp, a: [T; 2], b: [T; 2]) -> [$i; 2] {
                std::array::from_fn(|l| {
                    let (less, equal) = (a[l] < b[l], a[l] == b[l]);
                    let greater = b[l] < a[l];
                    let holds = match cmp {
                        Cmp::Lt => less,
                        Cmp::Le => less | equal,
                        Cmp::Gt => greater,
                        Cmp::Ge => greater | equal,
                        Cmp::Eq => equal,
                        Cmp::Ne => !equal,
                    };
                    -$i::from(holds)
                })
            }
        }

        impl Ops for $name {
            type F = [$f; 2];
            type I = [$i; 2];
            type M = [$i; 2];
            const WIDTH: Width = Width::$width;

            fn f(&mut self, c: f64) -> [$f; 2] {
                [c as $f; 2]
            }
            fn i(&mut self, c: i64) -> [$i; 2] {
                [c as $i; 2]
            }
            fn m(&mut self, c: bool) -> [$i; 2] {
                [-$i::from(c); 2]
            }
            bits_ops!(@on $f;
                add(a, b) = a + b;
                sub(a, b) = a - b;
                mul(a, b) = a * b;
                div(a, b) = a / b;
                sqrt(a) = a.sqrt();
                fma(a, b, c) = a.mul_add(b, c);
                neg(a) = $f::from_bits(a.to_bits() ^ (1 << ($u::BITS - 1)));
                abs(a) = $f::from_bits(a.to_bits() << 1 >> 1);
                floor(a) = a.floor();
                ceil(a) = -(-a).floor();
                nearest(a) = a.round_ties_even();
                trunc(a) = a.trunc();
            );
            fn min_lt(&mut self, a: [$f; 2], b: [$f; 2]) -> [$f; 2] {
                let less = self.fcmp(Cmp::Lt, a, b);
                self.select_f(less, a, b)
            }
            fn max_lt(&mut self, a: [$f; 2], b: [$f; 2]) -> [$f; 2] {
                let less = self.fcmp(Cmp::Lt, b, a);
                self.select_f(less, a, b)
            }
            fn fcmp(&mut self, cmp: Cmp, a: [$f; 2], b: [$f; 2]) -> [$i; 2] {
                $name::compare(cmp, a, b)
            }
            fn icmp(&mut self, cmp: Cmp, a: [$i; 2], b: [$i; 2]) -> [$i; 2] {
                $name::compare(cmp, a, b)
            }
            fn select_f(&mut self, m: [$i; 2], a: [$f; 2], b: [$f; 2]) -> [$f; 2] {
                let (a, b) = (self.f_to_bits(a), self.f_to_bits(b));
                let y = self.select_i(m, a, b);
                self.bits_to_f(y)
            }
            fn select_i(&mut self, m: [$i; 2], a: [$i; 2], b: [$i; 2]) -> [$i; 2] {
                std::array::from_fn(|l| (m[l] & a[l]) | (!m[l] & b[l]))
            }
            fn f_to_bits(&mut self, a: [$f; 2]) -> [$i; 2] {
                a.map(|a| a.to_bits() as $i)
            }
            fn bits_to_f(&mut self, a: [$i; 2]) -> [$f; 2] {
                a.map(|a| $f::from_bits(a as $u))
            }
            fn f_to_i(&mut self, a: [$f; 2]) -> [$i; 2] {
                // Out of range, the instruction of x86 gives the smallest integer.
                a.map(|a| if a.abs() < -($i::MIN as $f) { a as $i } else { $i::MIN })
            }
            fn i_to_f(&mut self, a: [$i; 2]) -> [$f; 2] {
                a.map(|a| a as $f)
            }
            bits_ops!(@on $i;
                mand(a, b) = a & b;
                mor(a, b) = a | b;
                mxor(a, b) = a ^ b;
                mnot(a) = !a;
                iadd(a, b) = a.wrapping_add(b);
                isub(a, b) = a.wrapping_add((!b).wrapping_add(1));
                imul(a, b) = a.wrapping_mul(b);
                ineg(a) = (!a).wrapping_add(1);
                iand(a, b) = a & b;
                ior(a, b) = a | b;
                ixor(a, b) = a ^ b;
                inot(a) = -1 - a;
                shl_by(a, n) = a << n;
                sar_by(a, n) = a >> n;
            );
            fn shl(&mut self, a: [$i; 2], n: u32) -> [$i; 2] {
                a.map(|a| a << n)
            }
            fn sar(&mut self, a: [$i; 2], n: u32) -> [$i; 2] {
                a.map(|a| a >> n)
            }
            fn shr(&mut self, a: [$i; 2], n: u32) -> [$i; 2] {
                a.map(|a| (a as $u >> n) as $i)
            }
        }
    };
    (@on $t:ident; $($name:ident($($x:ident),+) = $body:expr;)+) => {
        $(
            fn $name(&mut self, $($x: [$t; 2]),+) -> [$t; 2] {
                std::array::from_fn(|l| {
                    $(let $x = $x[l];)+
                    $body
                })
            }
        )+
    };
}

bits_ops!(Bits32, f32, i32, u32, W32);
bits_ops!(Bits64, f64, i64, u64, W64);
