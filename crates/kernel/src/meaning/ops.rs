//! The machine that definitions are written for: floats, integers and masks of one width.
//!
//! A definition such as [`exp`](super::exp) is a function over [`Ops`]. Run on [`Scalar32`](super::Scalar32) it
//! computes; run on a code emitter it writes instructions. Every method is one IEEE or two's complement operation whose
//! bits do not depend on the implementor, so all engines agree by construction.

/// The width of an implementor's floats and integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// f32 and i32.
    W32,
    /// f64 and i64.
    W64,
}

/// A comparison. On floats all but [`Cmp::Ne`] are false when an operand is NaN; on integers they are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cmp {
    /// `a < b`
    Lt,
    /// `a <= b`
    Le,
    /// `a > b`
    Gt,
    /// `a >= b`
    Ge,
    /// `a == b`
    Eq,
    /// `a != b`; true for NaN
    Ne,
}

/// Operations on floats, integers and masks of one width: one lane or many.
///
/// `F` and `I` have the same width, `M` holds one truth value per lane. Nothing here is contracted or reordered:
/// [`Ops::fma`] rounds once and every other operation rounds by itself.
pub trait Ops {
    /// Floats.
    type F: Copy;
    /// Signed integers of the floats' width.
    type I: Copy;
    /// Truth values.
    type M: Copy;
    /// Which floats they are.
    const WIDTH: Width;

    /// The float constant `c`, rounded to the width.
    fn f(&mut self, c: f64) -> Self::F;
    /// The integer constant `c`, its low bits.
    fn i(&mut self, c: i64) -> Self::I;
    /// The mask that is `c` everywhere.
    fn m(&mut self, c: bool) -> Self::M;

    /// `a + b`
    fn add(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`
    fn sub(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`
    fn mul(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`
    fn div(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// The square root, correctly rounded.
    fn sqrt(&mut self, a: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(&mut self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Flips the sign bit.
    fn neg(&mut self, a: Self::F) -> Self::F;
    /// Clears the sign bit.
    fn abs(&mut self, a: Self::F) -> Self::F;
    /// Rounds down to a whole number.
    fn floor(&mut self, a: Self::F) -> Self::F;
    /// Rounds up to a whole number.
    fn ceil(&mut self, a: Self::F) -> Self::F;
    /// Rounds to the nearest whole number, halves to the even one.
    fn nearest(&mut self, a: Self::F) -> Self::F;
    /// Rounds toward zero to a whole number.
    fn trunc(&mut self, a: Self::F) -> Self::F;
    /// `if a < b { a } else { b }`: one instruction on x86; `b` when either is NaN.
    fn min_lt(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `if b < a { a } else { b }`: one instruction on x86; `b` when either is NaN.
    fn max_lt(&mut self, a: Self::F, b: Self::F) -> Self::F;

    /// Compares floats.
    fn fcmp(&mut self, cmp: Cmp, a: Self::F, b: Self::F) -> Self::M;
    /// Compares integers as signed numbers.
    fn icmp(&mut self, cmp: Cmp, a: Self::I, b: Self::I) -> Self::M;
    /// `if m { a } else { b }`, bits untouched.
    fn select_f(&mut self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// `if m { a } else { b }`
    fn select_i(&mut self, m: Self::M, a: Self::I, b: Self::I) -> Self::I;
    /// `a & b`
    fn mand(&mut self, a: Self::M, b: Self::M) -> Self::M;
    /// `a | b`
    fn mor(&mut self, a: Self::M, b: Self::M) -> Self::M;
    /// `a ^ b`
    fn mxor(&mut self, a: Self::M, b: Self::M) -> Self::M;
    /// `!a`
    fn mnot(&mut self, a: Self::M) -> Self::M;

    /// The same bits as an integer.
    fn f_to_bits(&mut self, a: Self::F) -> Self::I;
    /// The same bits as a float.
    fn bits_to_f(&mut self, a: Self::I) -> Self::F;
    /// Truncates toward zero. Only for values in the integer's range: what others give is the implementor's choice.
    fn f_to_i(&mut self, a: Self::F) -> Self::I;
    /// The nearest float.
    fn i_to_f(&mut self, a: Self::I) -> Self::F;

    /// `a + b`, wrapping.
    fn iadd(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// `a - b`, wrapping.
    fn isub(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// `a * b`, wrapping. Integer lane ops only: vectors of 64 bits have no such instruction.
    fn imul(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// `-a`, wrapping.
    fn ineg(&mut self, a: Self::I) -> Self::I;
    /// Bits in both.
    fn iand(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// Bits in either.
    fn ior(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// Bits in one.
    fn ixor(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// All bits flipped.
    fn inot(&mut self, a: Self::I) -> Self::I;
    /// Left by a constant less than the width.
    fn shl(&mut self, a: Self::I, n: u32) -> Self::I;
    /// Right by a constant less than the width, copying the sign.
    fn sar(&mut self, a: Self::I, n: u32) -> Self::I;
    /// Right by a constant less than the width, filling with zeros.
    fn shr(&mut self, a: Self::I, n: u32) -> Self::I;
    /// Left by `n` modulo the width. Only for the lane op `shl`, which engines run one lane at a time.
    fn shl_by(&mut self, a: Self::I, n: Self::I) -> Self::I;
    /// Right by `n` modulo the width, copying the sign. Only for the lane op `shr`, one lane at a time.
    fn sar_by(&mut self, a: Self::I, n: Self::I) -> Self::I;
}
