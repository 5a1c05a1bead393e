//! What a wide kernel does, as a list: vector operations on values that are assigned once, loops around them.

pub(super) use super::code::*;
use super::form::Wide;
use smallvec::SmallVec;
use tracelift_tensor::{DType, Dim};

/// A vector of lanes of 32 bits, or a mask of as many truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub u32);

/// Which registers hold a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Vector,
    Mask,
}

/// An operand of a vector operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Arg {
    /// A value in a register.
    Value(Id),
    /// The same 32 bits in every lane.
    Const(u32),
    /// The 32 bits of an argument slot in every lane, where instructions read that.
    Slot(usize),
}

/// An element in memory, the one of the first lane where lanes are neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub root: Root,
    /// Counters and other numbers of the frame, each with a number of elements per 1.
    pub terms: SmallVec<[(usize, Size); 4]>,
    pub offset: Size,
    pub dtype: DType,
}

impl Address {
    /// How many bytes it is behind another address, if that is known.
    fn behind(&self, other: &Address) -> Option<i32> {
        let Address { root, terms, offset, dtype } = self;
        let from = match (offset, &other.offset) {
            _ if (root, terms, dtype) != (&other.root, &other.terms, &other.dtype) => return None,
            (here, there) if here == there => 0,
            (Size::Known(here), Size::Known(there)) => here.checked_sub(*there)?,
            _ => return None,
        };
        let bytes = from.checked_mul(dtype.size() as i64)?;
        // Beside the distance, a displacement holds which vector of the turn it is.
        i32::try_from(bytes).ok().filter(|bytes| bytes.unsigned_abs() < 1 << 30)
    }
}

/// The first of some streams from which a stream is a known distance away, so that both have one pointer, and how many
/// bytes that is.
fn leader(streams: &[Address], stream: usize) -> (usize, i32) {
    let behind = |first: usize| Some((first, streams[stream].behind(&streams[first])?));
    (0..=stream).find_map(behind).expect("a stream is where it is")
}

/// Which pointer a stream has, and how many bytes it is behind it.
pub(super) fn pointer(streams: &[Address], stream: usize) -> (usize, i32) {
    let (first, bytes) = leader(streams, stream);
    (leaders(&streams[..first]).count(), bytes)
}

/// The streams that pointers are made for.
pub(super) fn leaders(streams: &[Address]) -> impl Iterator<Item = &Address> {
    (0..streams.len()).filter(|stream| leader(streams, *stream).0 == *stream).map(|stream| &streams[stream])
}

/// Where the elements that an address counts begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Root {
    /// At a buffer: the slot of its address.
    Slot(usize),
    /// At a vector of the frame, which holds the first element of a tile.
    Frame(usize, Tile),
}

/// A part of the range of a vector loop: the first of [`Tile::CELLS`] numbers in the frame, which say where it begins,
/// where it ends, and where the range does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile(pub usize);

impl Tile {
    pub(super) const CELLS: usize = 3;
}

/// A number of elements or iterations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// From one number to another.
    Part(i64, i64),
    /// The block of a reduction that is under way, the first one if more are.
    Block(Blocks),
    /// What a loop with that counter has left.
    Rest(usize),
    /// So many from a number of the frame on, after as many times as many as another one says.
    Next { from: usize, after: Option<usize>, count: usize },
    /// The tile that is under way.
    Tile(Tile),
}

/// A loop over the blocks of a reduction, and the tree that joins their results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Blocks {
    /// The first of [`Blocks::CELLS`] numbers in the frame.
    pub cells: usize,
    /// The first vector in the frame: as many as there are levels, for each part.
    pub slots: usize,
    /// Levels of the tree.
    pub levels: usize,
}

impl Blocks {
    /// How many numbers in the frame a loop over blocks needs.
    pub(super) const CELLS: usize = 5;

    /// The first element of all.
    pub(super) fn begin(self) -> usize {
        self.cells
    }

    /// The last element of all, plus 1.
    pub(super) fn end(self) -> usize {
        self.cells + 1
    }

    /// The first element of this block.
    pub(super) fn from(self) -> usize {
        self.cells + 2
    }

    /// The number of this block; after the last one, the blocks not joined yet.
    pub(super) fn number(self) -> usize {
        self.cells + 3
    }

    /// The level of the tree that is looked at.
    pub(super) fn level(self) -> usize {
        self.cells + 4
    }

    /// What the tree holds at that level.
    pub(super) fn kept(self) -> Kept {
        Kept { slots: self.slots, count: self.levels, at: Some(self.level()) }
    }
}

/// Vectors that a loop keeps in the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    /// The first of them.
    pub slots: usize,
    /// How many there are for each part.
    pub count: usize,
    /// The number in the frame that says which one is meant, if it is not the first.
    pub at: Option<usize>,
}

/// How many blocks of a reduction are gone through by turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// One after the other, from the first; if there is none, an empty one.
    First,
    /// One after the other, those that others have left; if there was none at all, an empty one.
    Rest,
    /// So many in a turn, all complete: a power of two.
    Many(usize),
}

impl Run {
    pub(super) fn blocks(self) -> usize {
        match self {
            Run::First | Run::Rest => 1,
            Run::Many(blocks) => blocks,
        }
    }
}

/// The turns of a vector loop.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turns {
    /// What they walk through, those at known distances from each other by one pointer.
    pub streams: Vec<Address>,
    /// Vectors per turn: for reductions along rows, as many as the lanes take.
    pub vectors: usize,
    /// Whether a last turn of only some lanes follows; if not, other turns do.
    pub tail: bool,
    /// The streams that whole turns write around the caches, if they are aligned for that.
    pub non_temporal: Vec<usize>,
    /// The first of 3 numbers in the frame that say where the loop is, if there are loops inside of it.
    pub nested: Option<usize>,
}

/// What a loop inside of the turns of a vector loop walks through.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Walk {
    pub address: Address,
    /// Elements per turn; if it is not known, the number in the frame that holds it in bytes.
    pub step: (Size, Option<usize>),
    /// Whether lanes are neighbours; if not, all have the same element.
    pub along: bool,
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
    /// Fetches memory that a stream will be read from, so many bytes further.
    Prefetch {
        stream: usize,
        part: usize,
        bytes: i32,
    },
    /// The number at an address in every lane.
    LoadOne {
        dst: Id,
        from: Address,
    },
    /// What an argument slot holds in every lane.
    LoadSlot {
        dst: Id,
        slot: usize,
        dtype: DType,
    },
    /// The first lane to an address.
    StoreOne {
        value: Arg,
        to: Address,
    },
    /// The first lane to a result's slot.
    Result {
        value: Arg,
        slot: usize,
    },
    /// A whole number at an address, to a number of the frame: part of further addresses.
    LoadIndex {
        cell: usize,
        from: Address,
    },
    /// `Σ number of the frame · factor + offset` in every lane.
    Number {
        dst: Id,
        terms: SmallVec<[(usize, Size); 4]>,
        offset: Size,
    },
    /// The numbers of the loop's elements in the `part`-th vector of the turn.
    Lanes {
        dst: Id,
        part: usize,
    },
    /// Sets a value again, in the lanes that exist; the `part`-th vector of the turn.
    Assign {
        dst: Id,
        value: Arg,
        part: usize,
    },
    /// A loop of one turn after the other, with the number of its counter, which goes on by `step` while as much is left.
    Begin {
        counter: usize,
        range: Range,
        step: usize,
    },
    /// A loop over the tiles of a range, of so many elements each but for the last.
    Tiles {
        tile: Tile,
        width: usize,
        range: Range,
    },
    /// A vector loop: what follows is done once if it has a turn at all.
    BeginWide(Range),
    /// What follows is done in every turn.
    Turns(Turns),
    /// A loop inside of the turns of a vector loop: one element after the other, in all lanes.
    Chain {
        walks: Vec<Walk>,
        range: Range,
    },
    /// Goes to the first block of a reduction.
    FirstBlock {
        blocks: Blocks,
        range: Range,
    },
    /// A loop over blocks, so many in a turn while as many are complete.
    Blocks(Blocks, Run),
    /// A loop over the levels of the tree that the blocks just done complete.
    Carry(Blocks, Run),
    /// A loop over the levels that are left at the end, after the first.
    Join(Blocks),
    /// The end of the innermost loop.
    End,
    /// Goes to the first level that is left at the end.
    FirstLevel(Blocks),
    /// What is kept of the `part`-th value.
    LoadKept {
        dst: Id,
        from: Kept,
        part: usize,
    },
    StoreKept {
        value: Id,
        to: Kept,
        part: usize,
    },
    /// Makes the sum of nothing +0.0, though sums start from −0.0.
    SumOfNothing {
        dst: Id,
        blocks: Blocks,
    },
}

impl Item {
    /// Whether it opens a loop, or what is done only if a loop has a turn.
    pub(super) fn opens(&self) -> bool {
        matches!(
            self,
            Item::Begin { .. }
                | Item::Tiles { .. }
                | Item::BeginWide(_)
                | Item::Turns(_)
                | Item::Chain { .. }
                | Item::Blocks(..)
                | Item::Carry(..)
                | Item::Join(_)
        )
    }
}

/// The list, and what is known of its values.
pub(super) struct Listing {
    /// The vectors it is made for.
    pub wide: Wide,
    pub items: Vec<Item>,
    pub classes: Vec<Class>,
    /// Numbers in the frame.
    pub cells: usize,
    /// Vectors in the frame.
    pub slots: usize,
    /// Whether it would be another one if turns had fewer vectors.
    pub has_columns: bool,
}

impl Listing {
    pub(super) fn new(wide: Wide) -> Self {
        Listing { wide, items: vec![], classes: vec![], cells: 0, slots: 0, has_columns: false }
    }

    /// Reserves numbers of the frame; answers the first.
    pub(super) fn reserve(&mut self, cells: usize) -> usize {
        self.cells += cells;
        self.cells - cells
    }

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
