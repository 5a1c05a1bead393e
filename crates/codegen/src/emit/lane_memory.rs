//! The lanes of a reduction in the function's frame, where the elements of short and odd ends find theirs at run time.

use super::reduce::{Accumulators, Reducer};
use super::reduce_lanes::{LANES, Lanewise};
use super::tree::Frame;
use super::{Emitter, Lanes};
use crate::clif::vector_type;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use smallvec::SmallVec;
use tracelift_tensor::{DType, Result};

/// All lanes of one part of what is accumulated: where they are, their type, and the bytes of one.
pub(super) type LaneFrame = (Frame, DType, usize);

impl Emitter<'_, '_> {
    /// Memory for all lanes of each part, with the lanes' size in bytes.
    pub(super) fn lane_frames(&mut self, l: &Lanewise<'_>) -> SmallVec<[LaneFrame; 2]> {
        let parts: SmallVec<[DType; 2]> = l.reducers.iter().flat_map(Reducer::parts).collect();
        parts
            .into_iter()
            .map(|dtype| {
                let bytes = vector_type(dtype).lane_type().bytes() as usize;
                (self.frame(LANES * bytes), dtype, bytes)
            })
            .collect()
    }

    pub(super) fn store_lanes(&mut self, frames: &[LaneFrame], all: &Accumulators) {
        for ((frame, _, _), part) in frames.iter().zip(&all.0) {
            for (n, vector) in part.values().iter().enumerate() {
                let offset = self.int(16 * n as i64);
                let address = self.frame_address(*frame, offset);
                self.builder.ins().store(MemFlagsData::new().with_notrap(), *vector, address, 0);
            }
        }
    }

    pub(super) fn load_lanes(&mut self, l: &Lanewise<'_>, frames: &[LaneFrame], group: usize) -> Accumulators {
        self.lane_vectors(l, frames, |this, bytes| this.int((group * l.unit * bytes) as i64))
    }

    fn lane_vectors(
        &mut self,
        l: &Lanewise<'_>,
        frames: &[LaneFrame],
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
                Lanes::Packed(vectors)
            })
            .collect();
        Accumulators(parts)
    }

    /// Combines elements with the lanes from `lane` on; only the first `valid` of them.
    ///
    /// A single lane is combined with all that follow it in its vector, of which only it is written back. The frame is
    /// long enough for that: lanes are loaded from the vector that holds them.
    pub(super) fn add_to_lanes(
        &mut self,
        l: &Lanewise<'_>,
        frames: &[LaneFrame],
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
                Lanes::Packed(SmallVec::from_elem(first, l.unit * bytes / 16))
            })
            .collect();
        let after = self.combine(l.reducers, &Accumulators(parts), element)?;
        for (address, part) in addresses.iter().zip(&after.0) {
            let value = self.builder.ins().extractlane(part.values()[0], 0);
            self.builder.ins().store(flags, value, *address, 0);
        }
        Ok(())
    }
}
