//! Reductions in lanes element by element, for bodies that no vector can run and for code without vectors.

use super::Emitter;
use super::reduce::{Accumulators, Axes, Reducer};
use super::reduce_lanes::LANES;
use super::tree::Frame;
use crate::clif::scalar_type;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use smallvec::{SmallVec, smallvec};
use tracelift_kernel::loops::Loop;
use tracelift_tensor::{DType, Result};

impl Emitter<'_, '_> {
    /// A block element by element, for bodies that no vector can run: all lanes are in memory, 8 bytes each.
    pub(super) fn lanes_one_by_one(
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
