//! The operations of a list on vectors and masks, and the opcodes of those that both forms have.

use super::encode::{Opcode, opcode};
use super::far::Far;
use super::ir::Class;

/// A vector operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Code {
    /// `dst = a op b`
    Two(Opcode),
    /// `dst = op a`
    One(Opcode),
    /// `dst = op a, imm`
    OneWith(Opcode, u8),
    /// `dst = a shifted by imm`: the opcode's extension and the amount.
    Shift(u8, u8),
    /// `dst = a * b + c`, rounded once.
    Fma,
    /// A mask: `a` compared with `b`, by one of the first four.
    CompareFloats(Predicate),
    CompareInts(Predicate),
    /// `dst = if mask a { b } else { c }`
    Blend,
    /// `dst = mask a op mask b`
    Masks(Join),
    /// `dst = !mask a`
    MaskNot,
    /// A mask that is the same in all lanes.
    MaskConst(bool),
    /// Lane `l + imm` in the place of lane `l`, for as many lanes: a power of two. What the others hold is not read.
    Rotate(u8),
    /// The first lane in every lane.
    First,
    /// The same value.
    Copy,
    /// What holds near zero, `b`, corrected where `a`, of which it was computed, is far.
    Far(Far),
}

/// Comparisons, with their numbers in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Predicate {
    Eq = 0,
    Lt = 1,
    Le = 2,
    Ne = 4,
    Ge = 5,
    Gt = 6,
}

/// What joins two masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Join {
    And,
    Or,
    Xor,
}

// Opcodes that are the same in both forms.
pub(super) const COPY: Opcode = opcode(1, 0, 0x28);
pub(super) const LOAD: Opcode = opcode(1, 0, 0x10);
pub(super) const STORE: Opcode = opcode(1, 0, 0x11);
pub(super) const STORE_NON_TEMPORAL: Opcode = opcode(1, 0, 0x2B);
pub(super) const BROADCAST: Opcode = opcode(2, 1, 0x18);
pub(super) const WIDEN_BYTES: Opcode = opcode(2, 1, 0x31);
pub(super) const MOVE_TO_GENERAL: Opcode = opcode(1, 1, 0x7E);
pub(super) const SHIFT: Opcode = opcode(1, 1, 0x72);
pub(super) const INTS_ADD: Opcode = opcode(1, 1, 0xFE);
pub(super) const BITS_AND: Opcode = opcode(1, 1, 0xDB);
pub(super) const BITS_OR: Opcode = opcode(1, 1, 0xEB);
pub(super) const BITS_XOR: Opcode = opcode(1, 1, 0xEF);
pub(super) const COMPARE_FLOATS: Opcode = opcode(1, 0, 0xC2);
pub(super) const ROUND: Opcode = opcode(3, 1, 0x08);

pub(super) const ADD: Code = Code::Two(opcode(1, 0, 0x58));
pub(super) const MUL: Code = Code::Two(opcode(1, 0, 0x59));
pub(super) const SUB: Code = Code::Two(opcode(1, 0, 0x5C));
pub(super) const MIN: Code = Code::Two(opcode(1, 0, 0x5D));
pub(super) const DIV: Code = Code::Two(opcode(1, 0, 0x5E));
pub(super) const MAX: Code = Code::Two(opcode(1, 0, 0x5F));
pub(super) const SQRT: Code = Code::One(opcode(1, 0, 0x51));
pub(super) const IADD: Code = Code::Two(INTS_ADD);
pub(super) const ISUB: Code = Code::Two(opcode(1, 1, 0xFA));
pub(super) const IMUL: Code = Code::Two(opcode(2, 1, 0x40));
pub(super) const AND: Code = Code::Two(BITS_AND);
pub(super) const OR: Code = Code::Two(BITS_OR);
pub(super) const XOR: Code = Code::Two(BITS_XOR);
/// Amounts are less than 32.
pub(super) const SHIFT_LEFT_BY: Code = Code::Two(opcode(2, 1, 0x47));
/// Copies the sign.
pub(super) const SHIFT_RIGHT_BY: Code = Code::Two(opcode(2, 1, 0x46));
pub(super) const TO_INT: Code = Code::One(opcode(1, 2, 0x5B));
pub(super) const TO_FLOAT: Code = Code::One(opcode(1, 0, 0x5B));

impl Code {
    /// Whether the operands of a [`Code::Two`] may change places.
    pub(super) fn commutes(self) -> bool {
        [ADD, MUL, IADD, IMUL, AND, OR, XOR].contains(&self)
    }

    pub(super) fn class(self) -> Class {
        match self {
            Code::CompareFloats(_) | Code::CompareInts(_) | Code::Masks(_) | Code::MaskNot | Code::MaskConst(_) => {
                Class::Mask
            }
            _ => Class::Vector,
        }
    }
}
