//! What a wide kernel does, as a list: vector operations on values that are assigned once, loops around them.

use super::encode::{Opcode, opcode};
use smallvec::SmallVec;
use tracelift_tensor::{DType, Dim};

/// A vector of 16 lanes of 32 bits, or a mask of 16 truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub u32);

/// Which registers hold a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Vector,
    Mask,
}

/// An operand of a vector operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arg {
    /// A value in a register.
    Value(Id),
    /// The same 32 bits in every lane.
    Const(u32),
    /// The 32 bits of an argument slot in every lane.
    Slot(usize),
}

/// A vector operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// A mask: `a` compared with `b`.
    Compare(Opcode, u8),
    /// `dst = if mask a { b } else { c }`
    Blend,
    /// `dst = mask a op mask b`
    Masks(u8),
    /// `dst = !mask a`
    MaskNot,
    /// A mask that is the same in all lanes.
    MaskConst(bool),
    /// Lane `l + imm` in the place of lane `l`, around the end.
    Rotate(u8),
    /// The first lane in every lane.
    First,
    /// The same value.
    Copy,
}

pub(super) const ADD: Code = Code::Two(opcode(1, 0, 0x58));
pub(super) const MUL: Code = Code::Two(opcode(1, 0, 0x59));
pub(super) const SUB: Code = Code::Two(opcode(1, 0, 0x5C));
pub(super) const MIN: Code = Code::Two(opcode(1, 0, 0x5D));
pub(super) const DIV: Code = Code::Two(opcode(1, 0, 0x5E));
pub(super) const MAX: Code = Code::Two(opcode(1, 0, 0x5F));
pub(super) const SQRT: Code = Code::One(opcode(1, 0, 0x51));
pub(super) const IADD: Code = Code::Two(opcode(1, 1, 0xFE));
pub(super) const ISUB: Code = Code::Two(opcode(1, 1, 0xFA));
pub(super) const IMUL: Code = Code::Two(opcode(2, 1, 0x40));
pub(super) const AND: Code = Code::Two(opcode(1, 1, 0xDB));
pub(super) const OR: Code = Code::Two(opcode(1, 1, 0xEB));
pub(super) const XOR: Code = Code::Two(opcode(1, 1, 0xEF));
pub(super) const TO_INT: Code = Code::One(opcode(1, 2, 0x5B));
pub(super) const TO_FLOAT: Code = Code::One(opcode(1, 0, 0x5B));
pub(super) const ROUND: Opcode = opcode(3, 1, 0x08);
pub(super) const COMPARE_FLOATS: Opcode = opcode(1, 0, 0xC2);
pub(super) const COMPARE_INTS: Opcode = opcode(3, 1, 0x1F);

impl Code {
    /// Whether the operands of a [`Code::Two`] may change places.
    pub(super) fn commutes(self) -> bool {
        [ADD, MUL, IADD, IMUL, AND, OR, XOR].contains(&self)
    }

    pub(super) fn class(self) -> Class {
        match self {
            Code::Compare(..) | Code::Masks(_) | Code::MaskNot | Code::MaskConst(_) => Class::Mask,
            _ => Class::Vector,
        }
    }
}

/// An element in memory, the one of the first lane where lanes are neighbours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Address {
    /// The slot of the buffer's address.
    pub slot: usize,
    /// Counters of scalar loops, each with a number of elements per turn.
    pub terms: SmallVec<[(usize, Size); 4]>,
    pub offset: Size,
    pub dtype: DType,
}

/// A number of elements or iterations.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Size {
    Known(i64),
    /// The value of a slot.
    Slot(usize, Dim),
}

/// Where a loop runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Range {
    /// What the caller of the kernel asks for, times these.
    Given(SmallVec<[Size; 2]>),
    /// From 0 to the product of these.
    Whole(SmallVec<[Size; 2]>),
}

/// A vector loop.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wide {
    pub range: Range,
    /// What it walks through, each with a pointer of its own.
    pub streams: Vec<Address>,
    /// Vectors per turn: 2 for reductions, whose lanes are 32.
    pub vectors: usize,
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Op {
        dst: Id,
        code: Code,
        args: SmallVec<[Arg; 3]>,
    },
    /// Neighbours from the n-th stream of the loop, the `part`-th vector of the turn.
    Load {
        dst: Id,
        stream: usize,
        part: usize,
    },
    Store {
        value: Arg,
        stream: usize,
        part: usize,
    },
    /// The number at an address in every lane.
    LoadOne {
        dst: Id,
        from: Address,
    },
    /// The first lane to an address.
    StoreOne {
        value: Arg,
        to: Address,
    },
    /// Sets a value again, in the lanes that exist; the `part`-th vector of the turn.
    Assign {
        dst: Id,
        value: Arg,
        part: usize,
    },
    /// A loop of one turn after the other, with the number of its counter.
    Begin {
        counter: usize,
        range: Range,
    },
    /// The end of that loop.
    End {
        counter: usize,
    },
    /// A vector loop: what follows is done once if it has a turn at all…
    BeginWide(Wide),
    /// …and what follows this, in every turn.
    Head,
    /// Its end.
    EndWide,
}

/// The list, and what is known of its values.
#[derive(Default)]
pub(super) struct Listing {
    pub items: Vec<Item>,
    pub classes: Vec<Class>,
    pub counters: usize,
}

impl Listing {
    pub(super) fn value(&mut self, class: Class) -> Id {
        self.classes.push(class);
        Id(self.classes.len() as u32 - 1)
    }

    pub(super) fn op(&mut self, code: Code, args: &[Arg]) -> Arg {
        let dst = self.value(code.class());
        self.items.push(Item::Op { dst, code, args: SmallVec::from_slice(args) });
        Arg::Value(dst)
    }
}
