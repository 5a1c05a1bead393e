//! [`Ops`] that note what they are asked: the definitions of `meaning`, run on this, list their vector operations.

use super::ir::*;
use tracelift_kernel::meaning::{Cmp, Ops, Width};

/// Notes operations on lanes of 32 bits. Truth values are masks.
pub(super) struct Record<'l>(pub &'l mut Listing);

/// Methods that are one operation.
macro_rules! direct {
    ($($name:ident($($x:ident),+) = $code:expr;)+) => {$(
        fn $name(&mut self, $($x: Arg),+) -> Arg {
            self.0.op($code, &[$($x),+])
        }
    )+};
}

impl Ops for Record<'_> {
    type F = Arg;
    type I = Arg;
    type M = Arg;
    const WIDTH: Width = Width::W32;

    fn f(&mut self, c: f64) -> Arg {
        Arg::Const((c as f32).to_bits())
    }

    fn i(&mut self, c: i64) -> Arg {
        Arg::Const(c as u32)
    }

    fn m(&mut self, c: bool) -> Arg {
        self.0.op(Code::MaskConst(c), &[])
    }

    // The immediates of rounding: its direction, and 8 for no complaint about digits lost.
    direct! {
        add(a, b) = ADD;
        sub(a, b) = SUB;
        mul(a, b) = MUL;
        div(a, b) = DIV;
        sqrt(a) = SQRT;
        fma(a, b, c) = Code::Fma;
        nearest(a) = Code::OneWith(ROUND, 8);
        floor(a) = Code::OneWith(ROUND, 9);
        ceil(a) = Code::OneWith(ROUND, 10);
        trunc(a) = Code::OneWith(ROUND, 11);
        min_lt(a, b) = MIN;
        max_lt(a, b) = MAX;
        select_f(m, a, b) = Code::Blend;
        select_i(m, a, b) = Code::Blend;
        mand(a, b) = Code::Masks(Join::And);
        mor(a, b) = Code::Masks(Join::Or);
        mxor(a, b) = Code::Masks(Join::Xor);
        mnot(a) = Code::MaskNot;
        f_to_i(a) = TO_INT;
        i_to_f(a) = TO_FLOAT;
        iadd(a, b) = IADD;
        isub(a, b) = ISUB;
        imul(a, b) = IMUL;
        iand(a, b) = AND;
        ior(a, b) = OR;
        ixor(a, b) = XOR;
    }

    fn neg(&mut self, a: Arg) -> Arg {
        self.0.op(XOR, &[a, Arg::Const(1 << 31)])
    }

    fn abs(&mut self, a: Arg) -> Arg {
        self.0.op(AND, &[a, Arg::Const(u32::MAX >> 1)])
    }

    fn ineg(&mut self, a: Arg) -> Arg {
        self.0.op(ISUB, &[Arg::Const(0), a])
    }

    fn inot(&mut self, a: Arg) -> Arg {
        self.0.op(XOR, &[a, Arg::Const(u32::MAX)])
    }

    fn fcmp(&mut self, cmp: Cmp, a: Arg, b: Arg) -> Arg {
        let (predicate, a, b) = match cmp {
            Cmp::Eq => (Predicate::Eq, a, b),
            Cmp::Lt => (Predicate::Lt, a, b),
            Cmp::Le => (Predicate::Le, a, b),
            Cmp::Ne => (Predicate::Ne, a, b),
            Cmp::Gt => (Predicate::Lt, b, a),
            Cmp::Ge => (Predicate::Le, b, a),
        };
        self.0.op(Code::CompareFloats(predicate), &[a, b])
    }

    fn icmp(&mut self, cmp: Cmp, a: Arg, b: Arg) -> Arg {
        let predicate = match cmp {
            Cmp::Eq => Predicate::Eq,
            Cmp::Lt => Predicate::Lt,
            Cmp::Le => Predicate::Le,
            Cmp::Ne => Predicate::Ne,
            Cmp::Ge => Predicate::Ge,
            Cmp::Gt => Predicate::Gt,
        };
        self.0.op(Code::CompareInts(predicate), &[a, b])
    }

    fn f_to_bits(&mut self, a: Arg) -> Arg {
        a
    }

    fn bits_to_f(&mut self, a: Arg) -> Arg {
        a
    }

    fn shl(&mut self, a: Arg, n: u32) -> Arg {
        self.0.op(Code::Shift(6, n as u8), &[a])
    }

    fn sar(&mut self, a: Arg, n: u32) -> Arg {
        self.0.op(Code::Shift(4, n as u8), &[a])
    }

    fn shr(&mut self, a: Arg, n: u32) -> Arg {
        self.0.op(Code::Shift(2, n as u8), &[a])
    }

    fn shl_by(&mut self, a: Arg, n: Arg) -> Arg {
        self.0.op(SHIFT_LEFT_BY, &[a, n])
    }

    fn sar_by(&mut self, a: Arg, n: Arg) -> Arg {
        self.0.op(SHIFT_RIGHT_BY, &[a, n])
    }
}
