//! The fixed tree that joins the lanes of a reduction: 16-8-4-2-1.

use super::lane_memory::LaneFrame;
use super::reduce::{Accumulators, Reducer};
use super::reduce_lanes::{LANES, Lanewise};
use super::{Emitter, Lanes, Wide};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::SmallVec;
use tracelift_tensor::{DType, Result};

impl Emitter<'_, '_> {
    /// Joins lanes in memory, of which the first `length` (at most 32) have an element.
    pub(super) fn join_filled(
        &mut self,
        l: &Lanewise<'_>,
        frames: &[LaneFrame],
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
    pub(super) fn split(&mut self, l: &Lanewise<'_>, all: &Accumulators) -> SmallVec<[Accumulators; 16]> {
        (0..LANES / l.unit)
            .map(|group| {
                let parts = all.0.iter().map(|part| {
                    let vectors = part.values();
                    let per = vectors.len() * l.unit / LANES;
                    Lanes::Packed(SmallVec::from_slice(&vectors[group * per..][..per]))
                });
                Accumulators(parts.collect())
            })
            .collect()
    }

    /// The fixed tree over the lanes, 16-8-4-2-1, of which the first `filled` have elements.
    pub(super) fn join_lanes(
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
        let parts = lanes.0.iter().zip(dtypes).map(|(part, dtype)| Lanes::Uniform(self.lane(part, dtype, 0)));
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
                Lanes::Packed(moved)
            })
            .collect();
        Accumulators(parts)
    }
}
