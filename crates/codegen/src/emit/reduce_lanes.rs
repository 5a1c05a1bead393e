//! Reductions in 32 virtual lanes: element j of a block goes to lane j mod 32, then a fixed tree joins the lanes.
//!
//! Lanes that got no element hold the identity, which changes nothing, so short rows leave out most of the tree.

use super::reduce::{Accumulators, Axes, Reducer};
use super::tree::{BLOCK, Frame};
use super::vary::Survey;
use super::{Emitter, Wide};
use crate::clif::{scalar_type, vector_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use smallvec::{SmallVec, smallvec};
use tracelift_kernel::loops::{Loop, LoopVar};
use tracelift_tensor::{DType, Result};

/// Virtual lanes of a reduction.
const LANES: usize = 32;

/// A body of at most this many instructions is emitted for all lanes at once, with the accumulators in registers.
const SHORT_BODY: usize = 8;

/// What every step of a reduction in lanes needs to know.
struct Lanewise<'l> {
    inner: &'l Loop,
    reducers: &'l [Reducer],
    var: LoopVar,
    /// Lanes that are always handled together: 4, or 2 if all values have 64 bits.
    unit: usize,
    /// Whether all 32 lanes are emitted at once.
    short: bool,
}

impl Emitter<'_, '_> {
    /// A reduction in lanes.
    pub(super) fn reduce_lanes(
        &mut self,
        inner: &Loop,
        reducers: &[Reducer],
        axes: &Axes,
        n: Value,
        known: Option<i64>,
    ) -> Result<Accumulators> {
        let var = axes[0].0;
        let survey = if self.options.vectorize && axes.len() == 1 && self.wide.is_none() {
            self.survey(&inner.body, var)
        } else {
            None
        };
        let Some(survey) = survey else {
            return self.blocks(n, known, reducers, &mut |this, start, end| {
                this.lanes_one_by_one(inner, reducers, axes, start, end)
            });
        };
        let wide: SmallVec<[Reducer; 2]> =
            reducers.iter().map(|reducer| Reducer { packed: true, ..reducer.clone() }).collect();
        let lanewise = Lanewise {
            inner,
            reducers: &wide,
            var,
            unit: unit(reducers, &survey),
            short: survey.straight && survey.cost <= SHORT_BODY && vectors_of_lanes(reducers) <= 8,
        };
        self.varying = Some(survey.varying);
        let result = self.blocks(n, known, reducers, &mut |this, start, end| match known {
            Some(known) if known <= BLOCK && (lanewise.short || known < LANES as i64) => {
                this.lanes_known(&lanewise, known)
            }
            _ => this.lanes_unknown(&lanewise, start, end),
        });
        self.varying = None;
        result
    }

    /// The body over `count` lanes of which `valid` exist, the first of them at `i`.
    fn lanes_at(&mut self, l: &Lanewise<'_>, i: Value, count: usize, valid: usize) -> Result<Accumulators> {
        self.vars[l.var.0 as usize] = Some(i);
        self.wide = Some(Wide { var: l.var, count, valid });
        self.stmts(&l.inner.body)?;
        let element = self.element(l.inner, l.reducers, i);
        Ok(element)
    }

    /// Identities for `count` lanes; leaves that many lanes set.
    fn lane_identities(&mut self, l: &Lanewise<'_>, count: usize) -> Accumulators {
        self.wide = Some(Wide { var: l.var, count, valid: count });
        self.identities(l.reducers)
    }

    /// A block whose length is known: no tests, and no lane that stays empty costs anything.
    fn lanes_known(&mut self, l: &Lanewise<'_>, n: i64) -> Result<Accumulators> {
        let whole = n - n % LANES as i64;
        let mut groups: SmallVec<[Accumulators; 16]> = SmallVec::new();
        if whole > 0 {
            let (start, end) = (self.int(0), self.int(whole));
            let all = self.whole_lanes(l, start, end)?;
            groups = self.split(l, &all);
        }
        let rest = (n - whole) as usize;
        for (number, first) in (0..rest).step_by(l.unit).enumerate() {
            let at = self.int(whole + first as i64);
            let valid = (rest - first).min(l.unit);
            let mut element = self.lanes_at(l, at, l.unit, valid)?;
            if valid < l.unit {
                element = self.only_valid(l, &element, valid);
            }
            match groups.get(number).cloned() {
                Some(group) => groups[number] = self.combine(l.reducers, &group, &element)?,
                None => groups.push(element),
            }
        }
        let filled = n.min(LANES as i64) as usize;
        let result = self.join_lanes(l, groups, filled);
        self.wide = None;
        result
    }

    /// Lanes in whole rounds of 32, in registers.
    fn whole_lanes(&mut self, l: &Lanewise<'_>, start: Value, end: Value) -> Result<Accumulators> {
        let first = self.lane_identities(l, LANES);
        let last = self.counted(start, end, LANES as i64, &first.values(), &mut |this, i, values| {
            let element = this.lanes_at(l, i, LANES, LANES)?;
            Ok(this.combine(l.reducers, &first.with(values), &element)?.values())
        })?;
        Ok(first.with(&last))
    }

    /// Elements of a vector whose lanes do not all exist, with the identity in those that do not.
    fn only_valid(&mut self, l: &Lanewise<'_>, element: &Accumulators, valid: usize) -> Accumulators {
        let identity = self.lane_identities(l, l.unit);
        let values: SmallVec<[Value; 8]> = element
            .0
            .iter()
            .zip(&identity.0)
            .flat_map(|(x, none)| {
                let mut lane = 0;
                x.values()
                    .iter()
                    .zip(none.values())
                    .map(|(x, none)| {
                        let ty = self.builder.func.dfg.value_type(*x);
                        let per = ty.lane_count() as usize;
                        let mut bytes = [0u8; 16];
                        let ours = valid.saturating_sub(lane).min(per) * ty.lane_type().bytes() as usize;
                        bytes[..ours].fill(0xff);
                        lane += per;
                        let mask = crate::clif::vector_constant(&mut self.builder, ty, &bytes);
                        self.builder.ins().bitselect(mask, *x, *none)
                    })
                    .collect::<SmallVec<[Value; 8]>>()
            })
            .collect();
        element.with(&values)
    }

    /// A block whose length is found at run time.
    fn lanes_unknown(&mut self, l: &Lanewise<'_>, start: Value, end: Value) -> Result<Accumulators> {
        let length = self.builder.ins().isub(end, start);
        let mut at = start;
        let all = if l.short {
            let whole = self.builder.ins().band_imm_s(length, -(LANES as i64));
            at = self.builder.ins().iadd(start, whole);
            self.whole_lanes(l, start, at)?
        } else {
            self.lane_identities(l, LANES)
        };
        let frames = self.lane_frames(l);
        self.store_lanes(&frames, &all);

        // What is left goes through memory: whole units first, then one by one.
        let left = self.builder.ins().isub(end, at);
        let units = self.builder.ins().band_imm_s(left, -(l.unit as i64));
        let stop = self.builder.ins().iadd(at, units);
        for (from, to, valid) in [(at, stop, l.unit), (stop, end, 1)] {
            self.counted(from, to, valid as i64, &[], &mut |this, i, _| {
                let element = this.lanes_at(l, i, l.unit, valid)?;
                let gone = this.builder.ins().isub(i, start);
                let lane = this.builder.ins().band_imm_s(gone, LANES as i64 - 1);
                this.add_to_lanes(l, &frames, lane, &element, valid)?;
                this.wide = None;
                Ok(SmallVec::new())
            })?;
        }
        let result = self.join_filled(l, &frames, length);
        self.wide = None;
        result
    }

    /// Memory for all lanes of each part, with the lanes' size in bytes.
    fn lane_frames(&mut self, l: &Lanewise<'_>) -> SmallVec<[(Frame, DType, usize); 2]> {
        let parts: SmallVec<[DType; 2]> = l.reducers.iter().flat_map(Reducer::parts).collect();
        parts
            .into_iter()
            .map(|dtype| {
                let bytes = vector_type(dtype).lane_type().bytes() as usize;
                (self.frame(LANES * bytes), dtype, bytes)
            })
            .collect()
    }

    fn store_lanes(&mut self, frames: &[(Frame, DType, usize)], all: &Accumulators) {
        for ((frame, _, _), part) in frames.iter().zip(&all.0) {
            for (n, vector) in part.values().iter().enumerate() {
                let offset = self.int(16 * n as i64);
                let address = self.frame_address(*frame, offset);
                self.builder.ins().store(MemFlagsData::new().with_notrap(), *vector, address, 0);
            }
        }
    }

    fn load_lanes(&mut self, l: &Lanewise<'_>, frames: &[(Frame, DType, usize)], group: usize) -> Accumulators {
        self.lane_vectors(l, frames, |this, bytes| this.int((group * l.unit * bytes) as i64))
    }

    fn lane_vectors(
        &mut self,
        l: &Lanewise<'_>,
        frames: &[(Frame, DType, usize)],
        offset: impl Fn(&mut Self, usize) -> Value,
    ) -> Accumulators {
        let parts = frames
            .iter()
            .map(|(frame, dtype, bytes)| {
                let offset = offset(self, *bytes);
                let address = self.frame_address(*frame, offset);
                let vectors = (0..(l.unit * bytes) as i32 / 16)
                    .map(|n| {
                        let flags = MemFlagsData::new().with_notrap();
                        self.builder.ins().load(vector_type(*dtype), flags, address, 16 * n)
                    })
                    .collect();
                super::Lanes::Packed(vectors)
            })
            .collect();
        Accumulators(parts)
    }

    /// Combines elements with the lanes from `lane` on; only the first `valid` of them.
    ///
    /// A single lane is combined with all that follow it in its vector, of which only it is written back. The frame is
    /// long enough for that: lanes are loaded from the vector that holds them.
    fn add_to_lanes(
        &mut self,
        l: &Lanewise<'_>,
        frames: &[(Frame, DType, usize)],
        lane: Value,
        element: &Accumulators,
        valid: usize,
    ) -> Result {
        let flags = MemFlagsData::new().with_notrap();
        if valid == l.unit {
            let before = self.lane_vectors(l, frames, |this, bytes| this.builder.ins().imul_imm_s(lane, bytes as i64));
            let after = self.combine(l.reducers, &before, element)?;
            for ((frame, _, bytes), part) in frames.iter().zip(&after.0) {
                let offset = self.builder.ins().imul_imm_s(lane, *bytes as i64);
                let address = self.frame_address(*frame, offset);
                for (n, vector) in part.values().iter().enumerate() {
                    self.builder.ins().store(flags, *vector, address, 16 * n as i32);
                }
            }
            return Ok(());
        }
        let addresses: SmallVec<[Value; 2]> = frames
            .iter()
            .map(|(frame, _, bytes)| {
                let offset = self.builder.ins().imul_imm_s(lane, *bytes as i64);
                self.frame_address(*frame, offset)
            })
            .collect();
        let parts = frames
            .iter()
            .zip(&addresses)
            .map(|((_, dtype, bytes), address)| {
                let ty = vector_type(*dtype);
                let value = self.builder.ins().load(ty.lane_type(), flags, *address, 0);
                let first = self.builder.ins().scalar_to_vector(ty, value);
                super::Lanes::Packed(SmallVec::from_elem(first, l.unit * bytes / 16))
            })
            .collect();
        let after = self.combine(l.reducers, &Accumulators(parts), element)?;
        for (address, part) in addresses.iter().zip(&after.0) {
            let value = self.builder.ins().extractlane(part.values()[0], 0);
            self.builder.ins().store(flags, value, *address, 0);
        }
        Ok(())
    }

    /// Joins lanes in memory, of which the first `length` (at most 32) have an element.
    fn join_filled(
        &mut self,
        l: &Lanewise<'_>,
        frames: &[(Frame, DType, usize)],
        length: Value,
    ) -> Result<Accumulators> {
        let single: SmallVec<[Reducer; 2]> =
            l.reducers.iter().map(|reducer| Reducer { packed: false, ..reducer.clone() }).collect();
        let form = self.identities(&single);
        let types: SmallVec<[_; 4]> =
            form.values().iter().map(|value| self.builder.func.dfg.value_type(*value)).collect();
        let join = |this: &mut Self, filled: usize| -> Result<SmallVec<[Value; 8]>> {
            this.wide = Some(Wide { var: l.var, count: l.unit, valid: l.unit });
            let groups = (0..filled.div_ceil(l.unit)).map(|group| this.load_lanes(l, frames, group)).collect();
            let joined = this.join_lanes(l, groups, filled)?.values();
            this.wide = None;
            Ok(joined)
        };
        // The code of a place is long: one tree has to do for all lengths.
        if l.reducers.iter().any(Reducer::is_place) {
            return Ok(form.with(&join(self, LANES)?));
        }
        let long = self.builder.ins().icmp_imm_s(IntCC::SignedGreaterThan, length, 16);
        let values = self.branch(long, &types, &mut |this| join(this, LANES), &mut |this| {
            let middle = this.builder.ins().icmp_imm_s(IntCC::SignedGreaterThan, length, 4);
            this.branch(middle, &types, &mut |this| join(this, 16), &mut |this| join(this, 4))
        })?;
        Ok(form.with(&values))
    }

    /// All 32 lanes as groups of one unit each.
    fn split(&mut self, l: &Lanewise<'_>, all: &Accumulators) -> SmallVec<[Accumulators; 16]> {
        (0..LANES / l.unit)
            .map(|group| {
                let parts = all.0.iter().map(|part| {
                    let vectors = part.values();
                    let per = vectors.len() * l.unit / LANES;
                    super::Lanes::Packed(SmallVec::from_slice(&vectors[group * per..][..per]))
                });
                Accumulators(parts.collect())
            })
            .collect()
    }

    /// The fixed tree over the lanes, 16-8-4-2-1, of which the first `filled` have elements.
    fn join_lanes(
        &mut self,
        l: &Lanewise<'_>,
        mut groups: SmallVec<[Accumulators; 16]>,
        filled: usize,
    ) -> Result<Accumulators> {
        self.wide = Some(Wide { var: l.var, count: l.unit, valid: l.unit });
        let mut width = LANES / 2;
        while width >= l.unit {
            let half = width / l.unit;
            for n in half..groups.len() {
                groups[n - half] = self.combine(l.reducers, &groups[n - half].clone(), &groups[n].clone())?;
            }
            groups.truncate(half);
            width /= 2;
        }
        let mut lanes = match groups.into_iter().next() {
            Some(group) => group,
            None => self.lane_identities(l, l.unit),
        };
        while width >= 1 {
            if filled > width {
                let moved = self.moved_down(l, &lanes, width);
                lanes = self.combine(l.reducers, &lanes, &moved)?;
            }
            width /= 2;
        }
        let dtypes: SmallVec<[DType; 2]> = l.reducers.iter().flat_map(Reducer::parts).collect();
        let parts = lanes.0.iter().zip(dtypes).map(|(part, dtype)| super::Lanes::Uniform(self.lane(part, dtype, 0)));
        let parts = parts.collect();
        self.wide = None;
        Ok(Accumulators(parts))
    }

    /// Lane `by + k` in the place of lane k.
    fn moved_down(&mut self, l: &Lanewise<'_>, lanes: &Accumulators, by: usize) -> Accumulators {
        let parts = lanes
            .0
            .iter()
            .map(|part| {
                let vectors = part.values();
                let bytes = 16 * vectors.len() / l.unit * by;
                let moved = (0..vectors.len())
                    .map(|n| {
                        let from = vectors[(n + bytes / 16) % vectors.len()];
                        match bytes % 16 {
                            0 => from,
                            rest => crate::clif::shift_down(&mut self.builder, from, rest as u8),
                        }
                    })
                    .collect();
                super::Lanes::Packed(moved)
            })
            .collect();
        Accumulators(parts)
    }

    /// A block element by element, for bodies that no vector can run: all lanes are in memory, 8 bytes each.
    fn lanes_one_by_one(
        &mut self,
        inner: &Loop,
        reducers: &[Reducer],
        axes: &Axes,
        start: Value,
        end: Value,
    ) -> Result<Accumulators> {
        let form = self.identities(reducers);
        let dtypes: SmallVec<[DType; 2]> = reducers.iter().flat_map(Reducer::parts).collect();
        let frames: SmallVec<[(Frame, DType); 2]> =
            dtypes.iter().map(|dtype| (self.frame(8 * LANES), *dtype)).collect();
        let (zero, all, lane_mask) = (self.int(0), self.int(LANES as i64), LANES as i64 - 1);
        self.counted(zero, all, 1, &[], &mut |this, lane, _| {
            this.store_lane(&frames, lane, &form);
            Ok(SmallVec::new())
        })?;
        self.counted(start, end, 1, &[], &mut |this, i, _| {
            this.set_axes(axes, i);
            this.stmts(&inner.body)?;
            let element = this.element(inner, reducers, i);
            let gone = this.builder.ins().isub(i, start);
            let lane = this.builder.ins().band_imm_s(gone, lane_mask);
            let before = this.load_lane(&frames, lane, &form);
            let after = this.combine(reducers, &before, &element)?;
            this.store_lane(&frames, lane, &after);
            Ok(SmallVec::new())
        })?;
        // 16, 8, 4, 2, 1: the number of lanes that are added to others.
        let turns = self.int(LANES.trailing_zeros().into());
        let sixteen = self.int(LANES as i64 / 2);
        self.counted(zero, turns, 1, &[sixteen], &mut |this, _, values| {
            let width = values[0];
            this.counted(zero, width, 1, &[], &mut |this, lane, _| {
                let a = this.load_lane(&frames, lane, &form);
                let other = this.builder.ins().iadd(lane, width);
                let b = this.load_lane(&frames, other, &form);
                let joined = this.combine(reducers, &a, &b)?;
                this.store_lane(&frames, lane, &joined);
                Ok(SmallVec::new())
            })?;
            Ok(smallvec![this.builder.ins().ushr_imm_u(width, 1)])
        })?;
        Ok(self.load_lane(&frames, zero, &form))
    }

    fn load_lane(&mut self, frames: &[(Frame, DType)], lane: Value, form: &Accumulators) -> Accumulators {
        let values: SmallVec<[Value; 8]> = frames
            .iter()
            .map(|(frame, dtype)| {
                let offset = self.builder.ins().ishl_imm_u(lane, 3);
                let address = self.frame_address(*frame, offset);
                let flags = MemFlagsData::new().with_notrap();
                self.builder.ins().load(scalar_type(*dtype), flags, address, 0)
            })
            .collect();
        form.with(&values)
    }

    fn store_lane(&mut self, frames: &[(Frame, DType)], lane: Value, value: &Accumulators) {
        for ((frame, _), value) in frames.iter().zip(value.values()) {
            let offset = self.builder.ins().ishl_imm_u(lane, 3);
            let address = self.frame_address(*frame, offset);
            self.builder.ins().store(MemFlagsData::new().with_notrap(), value, address, 0);
        }
    }
}

/// Lanes handled together: what all parts and all values of the body fit.
fn unit(reducers: &[Reducer], survey: &Survey) -> usize {
    let wide = |dtype: &DType| matches!(dtype, DType::F64 | DType::I64);
    if !survey.narrow && reducers.iter().flat_map(Reducer::parts).all(|dtype| wide(&dtype)) { 2 } else { 4 }
}

/// How many vector registers 32 lanes of all parts take.
fn vectors_of_lanes(reducers: &[Reducer]) -> usize {
    let parts = reducers.iter().flat_map(Reducer::parts);
    parts.map(|dtype| LANES / vector_type(dtype).lane_count() as usize).sum()
}
