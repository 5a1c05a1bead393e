//! [`Ops`] that write instructions: the definitions of `meaning`, run on this, emit their own code.

use super::form::{bitcast, constant, scalarize};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FunctionBuilder;
use std::marker::PhantomData;
use tracelift_kernel::meaning::{Cmp, Ops, Width};

/// The width of a [`Clif`].
pub(crate) trait Form {
    const WIDTH: Width;
    const FLOAT: Type;
    const INT: Type;
    const FLOATS: Type;
    const INTS: Type;
}

/// f32 and i32.
pub(crate) struct W32;
/// f64 and i64.
pub(crate) struct W64;

impl Form for W32 {
    const WIDTH: Width = Width::W32;
    const FLOAT: Type = F32;
    const INT: Type = I32;
    const FLOATS: Type = F32X4;
    const INTS: Type = I32X4;
}

impl Form for W64 {
    const WIDTH: Width = Width::W64;
    const FLOAT: Type = F64;
    const INT: Type = I64;
    const FLOATS: Type = F64X2;
    const INTS: Type = I64X2;
}

/// Writes instructions on one scalar or on one 128-bit vector of the width `W`.
///
/// Scalars have their truth values as an `i8` of 0 or 1, vectors as integers of the width that are 0 or −1.
pub(crate) struct Clif<'a, 'f, W> {
    pub builder: &'a mut FunctionBuilder<'f>,
    vector: bool,
    width: PhantomData<W>,
}

impl<'a, 'f, W: Form> Clif<'a, 'f, W> {
    /// Operations on one lane.
    pub(crate) fn scalar(builder: &'a mut FunctionBuilder<'f>) -> Self {
        Clif { builder, vector: false, width: PhantomData }
    }

    /// Operations on a 128-bit vector.
    pub(crate) fn vector(builder: &'a mut FunctionBuilder<'f>) -> Self {
        Clif { builder, vector: true, width: PhantomData }
    }

    fn float(&self) -> Type {
        if self.vector { W::FLOATS } else { W::FLOAT }
    }

    fn int(&self) -> Type {
        if self.vector { W::INTS } else { W::INT }
    }

    /// A vector constant with the bits of a float's sign (`sign`) or of all but it.
    fn sign_bits(&mut self, sign: bool) -> Value {
        let top = 1u64 << (W::FLOAT.bits() - 1);
        constant(self.builder, W::FLOATS, if sign { top } else { top - 1 })
    }
}

/// Methods that are one CLIF instruction for scalars and vectors alike.
macro_rules! direct {
    ($($name:ident($($x:ident),+) = $inst:ident;)+) => {$(
        fn $name(&mut self, $($x: Value),+) -> Value {
            self.builder.ins().$inst($($x),+)
        }
    )+};
}

impl<W: Form> Ops for Clif<'_, '_, W> {
    type F = Value;
    type I = Value;
    type M = Value;
    const WIDTH: Width = W::WIDTH;

    fn f(&mut self, c: f64) -> Value {
        let bits = match W::WIDTH {
            Width::W32 => u64::from((c as f32).to_bits()),
            Width::W64 => c.to_bits(),
        };
        let ty = self.float();
        constant(self.builder, ty, bits)
    }

    fn i(&mut self, c: i64) -> Value {
        let ty = self.int();
        constant(self.builder, ty, c as u64)
    }

    fn m(&mut self, c: bool) -> Value {
        match (self.vector, c) {
            (false, _) => constant(self.builder, I8, c.into()),
            (true, false) => constant(self.builder, W::INTS, 0),
            (true, true) => constant(self.builder, W::INTS, u64::MAX),
        }
    }

    direct! {
        add(a, b) = fadd;
        sub(a, b) = fsub;
        mul(a, b) = fmul;
        div(a, b) = fdiv;
        sqrt(a) = sqrt;
        fma(a, b, c) = fma;
        floor(a) = floor;
        ceil(a) = ceil;
        nearest(a) = nearest;
        trunc(a) = trunc;
        mand(a, b) = band;
        mor(a, b) = bor;
        mxor(a, b) = bxor;
        iadd(a, b) = iadd;
        isub(a, b) = isub;
        imul(a, b) = imul;
        ineg(a) = ineg;
        iand(a, b) = band;
        ior(a, b) = bor;
        ixor(a, b) = bxor;
        inot(a) = bnot;
    }

    // The generic vector forms build their mask anew at each use; a constant is hoisted.
    fn neg(&mut self, a: Value) -> Value {
        if !self.vector {
            return self.builder.ins().fneg(a);
        }
        let sign = self.sign_bits(true);
        self.builder.ins().bxor(a, sign)
    }

    fn abs(&mut self, a: Value) -> Value {
        if !self.vector {
            return self.builder.ins().fabs(a);
        }
        let rest = self.sign_bits(false);
        self.builder.ins().band(a, rest)
    }

    // `bitselect(a < b, a, b)` is what the x86 back end turns into one `minps`.
    fn min_lt(&mut self, a: Value, b: Value) -> Value {
        let less = self.fcmp(Cmp::Lt, a, b);
        self.select_f(less, a, b)
    }

    fn max_lt(&mut self, a: Value, b: Value) -> Value {
        let less = self.fcmp(Cmp::Lt, b, a);
        self.select_f(less, a, b)
    }

    fn fcmp(&mut self, cmp: Cmp, a: Value, b: Value) -> Value {
        let (code, a, b) = match cmp {
            Cmp::Lt => (FloatCC::LessThan, a, b),
            Cmp::Le => (FloatCC::LessThanOrEqual, a, b),
            Cmp::Gt => (FloatCC::LessThan, b, a),
            Cmp::Ge => (FloatCC::LessThanOrEqual, b, a),
            Cmp::Eq => (FloatCC::Equal, a, b),
            Cmp::Ne => (FloatCC::NotEqual, a, b),
        };
        self.builder.ins().fcmp(code, a, b)
    }

    fn icmp(&mut self, cmp: Cmp, a: Value, b: Value) -> Value {
        let code = match cmp {
            Cmp::Lt => IntCC::SignedLessThan,
            Cmp::Le => IntCC::SignedLessThanOrEqual,
            Cmp::Gt => IntCC::SignedGreaterThan,
            Cmp::Ge => IntCC::SignedGreaterThanOrEqual,
            Cmp::Eq => IntCC::Equal,
            Cmp::Ne => IntCC::NotEqual,
        };
        self.builder.ins().icmp(code, a, b)
    }

    fn select_f(&mut self, m: Value, a: Value, b: Value) -> Value {
        if !self.vector {
            return self.builder.ins().select(m, a, b);
        }
        let mask = bitcast(self.builder, W::FLOATS, m);
        self.builder.ins().bitselect(mask, a, b)
    }

    fn select_i(&mut self, m: Value, a: Value, b: Value) -> Value {
        if self.vector { self.builder.ins().bitselect(m, a, b) } else { self.builder.ins().select(m, a, b) }
    }

    fn mnot(&mut self, a: Value) -> Value {
        if self.vector { self.builder.ins().bnot(a) } else { self.builder.ins().bxor_imm_u(a, 1) }
    }

    fn f_to_bits(&mut self, a: Value) -> Value {
        let ty = self.int();
        bitcast(self.builder, ty, a)
    }

    fn bits_to_f(&mut self, a: Value) -> Value {
        let ty = self.float();
        bitcast(self.builder, ty, a)
    }

    fn f_to_i(&mut self, a: Value) -> Value {
        match (self.vector, W::WIDTH) {
            (false, _) => self.builder.ins().fcvt_to_sint_sat(W::INT, a),
            (true, Width::W32) if cfg!(target_arch = "x86_64") => self.builder.ins().x86_cvtt2dq(I32X4, a),
            (true, Width::W32) => self.builder.ins().fcvt_to_sint_sat(I32X4, a),
            (true, Width::W64) => scalarize(self.builder, I64X2, &[a], |b, x| b.ins().fcvt_to_sint_sat(I64, x[0])),
        }
    }

    fn i_to_f(&mut self, a: Value) -> Value {
        let ty = self.float();
        self.builder.ins().fcvt_from_sint(ty, a)
    }

    fn shl(&mut self, a: Value, n: u32) -> Value {
        self.builder.ins().ishl_imm_u(a, i64::from(n))
    }

    fn sar(&mut self, a: Value, n: u32) -> Value {
        self.builder.ins().sshr_imm_u(a, i64::from(n))
    }

    fn shr(&mut self, a: Value, n: u32) -> Value {
        self.builder.ins().ushr_imm_u(a, i64::from(n))
    }

    // No vector has a shift by different amounts per lane.
    fn shl_by(&mut self, a: Value, n: Value) -> Value {
        if self.vector {
            return scalarize(self.builder, W::INTS, &[a, n], |b, x| b.ins().ishl(x[0], x[1]));
        }
        self.builder.ins().ishl(a, n)
    }

    fn sar_by(&mut self, a: Value, n: Value) -> Value {
        if self.vector {
            return scalarize(self.builder, W::INTS, &[a, n], |b, x| b.ins().sshr(x[0], x[1]));
        }
        self.builder.ins().sshr(a, n)
    }
}
