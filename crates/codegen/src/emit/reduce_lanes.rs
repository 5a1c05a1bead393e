//! Reductions in 32 virtual lanes: element j of a block goes to lane j mod 32, then a fixed tree joins the lanes.
//!
//! Lanes that got no element hold the identity, which changes nothing, so short rows leave out most of the tree.

use super::reduce::{Accumulators, Axes, Reducer};
use super::tree::BLOCK;
use super::vary::Survey;
use super::{Emitter, Wide};
use crate::clif::vector_type;
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::SmallVec;
use tracelift_kernel::loops::{Loop, LoopVar};
use tracelift_tensor::{DType, Result};

/// Virtual lanes of a reduction.
pub(super) const LANES: usize = 32;

/// A body of at most this many instructions is emitted for all lanes at once, with the accumulators in registers.
const SHORT_BODY: usize = 8;

/// The most instructions that a row of fewer than 32 elements is written out to.
const WRITTEN_OUT: usize = 200;

/// What every step of a reduction in lanes needs to know.
pub(super) struct Lanewise<'l> {
    pub inner: &'l Loop,
    pub reducers: &'l [Reducer],
    pub var: LoopVar,
    /// Lanes that are always handled together: 4, or 2 if all values have 64 bits.
    pub unit: usize,
    /// Whether all 32 lanes are emitted at once.
    pub short: bool,
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
            short: survey.straight && survey.cost <= SHORT_BODY && vectors_of_lanes(reducers) <= 16,
        };
        // A short row is written out, group after group, if that does not get long.
        let groups = known.filter(|n| *n < LANES as i64).map(|n| n as usize / lanewise.unit + 1);
        let written_out = lanewise.short || groups.is_some_and(|groups| groups * survey.cost <= WRITTEN_OUT);
        self.varying = Some(survey.varying);
        let result = self.blocks(n, known, reducers, &mut |this, start, end| match known {
            Some(known) if known <= BLOCK && written_out => this.lanes_known(&lanewise, known),
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
    pub(super) fn lane_identities(&mut self, l: &Lanewise<'_>, count: usize) -> Accumulators {
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
