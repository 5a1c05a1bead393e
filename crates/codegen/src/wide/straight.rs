//! Bodies without loops, on vectors of neighbours.

use super::ir::*;
use super::list::Lister;
use tracelift_kernel::loops::{Block, LoopVar, Operand, Place, Reg, Stmt};

impl Lister<'_> {
    /// A `par` loop around a straight body.
    pub(super) fn straight(&mut self, body: &Block, var: LoopVar, range: Range) -> Option<()> {
        let wide = self.begin_wide(&body.stmts, var, range, &[])?;
        self.l.items.push(wide.turns(1, true));
        self.varying(&body.stmts, &wide, 0)?;
        self.l.items.extend([Item::End, Item::End]);
        Some(())
    }

    /// Opens a wide loop over `var` and does what is the same in all its turns; `varying` are registers set before it
    /// that differ between its lanes.
    pub(super) fn begin_wide(
        &mut self,
        stmts: &[Stmt],
        var: LoopVar,
        range: Range,
        varying: &[Reg],
    ) -> Option<WideBody> {
        let mut wide = WideBody {
            varies: vec![false; self.kernel.registers.len()],
            places: vec![],
            streams: vec![],
            non_temporal: vec![],
            bases: vec![],
            copy: 0,
        };
        varying.iter().for_each(|reg| wide.varies[reg.0 as usize] = true);
        for stmt in stmts {
            let (place, stored) = match stmt {
                Stmt::Load { from, .. } => (from, false),
                Stmt::Store { to, .. } => (to, true),
                Stmt::Lane { dst, args, .. } => {
                    wide.varies[dst.0 as usize] = args.iter().any(|arg| wide.differs(arg));
                    continue;
                }
                Stmt::Index { dst, value } => {
                    wide.varies[dst.0 as usize] = value.coefficient(var).known()? != 0;
                    continue;
                }
                Stmt::Loop(_) => return None,
            };
            let access = self.accesses.of(place);
            match access.coefficient(var).known() {
                Some(0) if !stored => continue,
                Some(1) => {}
                // The variable of a loop that runs once is left out of accesses.
                Some(0) if self.accesses.extent(var).is_one() => {}
                _ => return None,
            }
            if let Stmt::Load { dst, .. } = stmt {
                wide.varies[dst.0 as usize] = true;
            }
            let address = self.address(&access, Some(var)).filter(|address| Self::fits(address.dtype))?;
            let stream = wide.streams.iter().position(|known| *known == address).unwrap_or(wide.streams.len());
            if stream == wide.streams.len() {
                if self.non_temporal.contains(&address.root) {
                    wide.non_temporal.push(stream);
                }
                wide.streams.push(address);
            }
            wide.places.push((std::ptr::from_ref(place), 0, stream));
        }
        self.l.items.push(Item::BeginWide(range));
        self.unvarying(stmts, &wide)?;
        for stmt in stmts {
            if let Stmt::Index { dst, value } = stmt {
                let factor = Arg::Const(value.coefficient(var).known()? as u32);
                wide.bases.push((*dst, factor, self.places[dst.0 as usize]?));
            }
        }
        Some(wide)
    }

    /// Does what is the same in all turns of a wide loop.
    pub(super) fn unvarying(&mut self, stmts: &[Stmt], wide: &WideBody) -> Option<()> {
        for stmt in stmts {
            match stmt {
                Stmt::Load { dst, .. } | Stmt::Lane { dst, .. } if !wide.varies[dst.0 as usize] => self.once(stmt)?,
                // What is added to the elements' numbers, where they count.
                Stmt::Index { .. } => self.once(stmt)?,
                _ => {}
            }
        }
        Some(())
    }

    /// Streams for one more copy of the body, which goes through other elements.
    pub(super) fn copy_streams(
        &mut self,
        wide: &mut WideBody,
        stmts: &[Stmt],
        var: LoopVar,
        copy: usize,
    ) -> Option<()> {
        for stmt in stmts {
            if let Stmt::Load { dst, from } = stmt
                && wide.varies[dst.0 as usize]
            {
                let address = self.place(from, Some(var))?;
                let stream = wide.add(address);
                wide.places.push((std::ptr::from_ref(from), copy, stream));
            }
        }
        Some(())
    }

    /// What differs between the lanes of a wide loop, for the `part`-th vector of a turn.
    pub(super) fn varying(&mut self, stmts: &[Stmt], wide: &WideBody, part: usize) -> Option<()> {
        self.part = part;
        for stmt in stmts {
            match stmt {
                Stmt::Load { dst, from } if wide.varies[dst.0 as usize] => {
                    let value = self.value(self.kernel.registers[dst.0 as usize]);
                    self.l.items.push(Item::Load { dst: value, stream: wide.stream(from), part });
                    self.set(*dst, Arg::Value(value));
                }
                Stmt::Lane { dst, op, args } if wide.varies[dst.0 as usize] => self.lane_stmt(*dst, *op, args)?,
                Stmt::Index { dst, .. } if wide.varies[dst.0 as usize] => {
                    let (_, factor, base) = *wide.bases.iter().find(|(reg, ..)| reg == dst)?;
                    let lanes = self.l.value(Class::Vector);
                    self.l.items.push(Item::Lanes { dst: lanes, part });
                    let mut place = Arg::Value(lanes);
                    if factor != Arg::Const(1) {
                        place = self.l.op(IMUL, &[place, factor]);
                    }
                    self.places[dst.0 as usize] = Some(self.l.op(IADD, &[place, base]));
                }
                Stmt::Store { to, value } => {
                    let value = self.operand(value)?;
                    self.l.items.push(Item::Store { value, stream: wide.stream(to), part });
                }
                _ => {}
            }
        }
        self.part = 0;
        Some(())
    }
}

/// What is known of the body of a wide loop.
pub(super) struct WideBody {
    varies: Vec<bool>,
    /// Each access, which is part of the kernel, the copy it belongs to, and its stream.
    places: Vec<(*const Place, usize, usize)>,
    streams: Vec<Address>,
    non_temporal: Vec<usize>,
    /// What the number of an element is multiplied with, and what is added, for registers that are such sums.
    bases: Vec<(Reg, Arg, Arg)>,
    /// Which of several copies of the body is listed: they go through streams of their own.
    pub copy: usize,
}

impl WideBody {
    /// The turns of a loop, of so many vectors each; a tail, unless others follow.
    pub(super) fn turns(&self, vectors: usize, tail: bool) -> Item {
        let (streams, non_temporal) = (self.streams.clone(), self.non_temporal.clone());
        Item::Turns(Turns { streams, vectors, tail, non_temporal, nested: None })
    }

    /// What it walks through.
    pub(super) fn streams(&self) -> &[Address] {
        &self.streams
    }

    /// Adds a stream; answers its number.
    pub(super) fn add(&mut self, stream: Address) -> usize {
        self.streams.push(stream);
        self.streams.len() - 1
    }

    fn differs(&self, operand: &Operand) -> bool {
        matches!(operand, Operand::Reg(reg) if self.varies[reg.0 as usize])
    }

    fn stream(&self, place: &Place) -> usize {
        let found = self.places.iter().find(|(known, copy, _)| std::ptr::eq(*known, place) && *copy == self.copy);
        found.expect("every access that varies has a stream").2
    }
}
