//! The two forms of wide code: what lists, registers and instructions depend on.

use super::avx2::Avx2;
use super::avx512::Avx512;
use super::list::Effort;
use super::write::Instructions;
use std::ops::Range;

/// The vectors that wide code is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wide {
    /// 256 bits, with fused multiply-add.
    Avx2,
    /// 512 bits, with masks.
    Avx512,
}

/// The most values that are kept in registers and memory together.
const MOST_VALUES: usize = 99;

impl Wide {
    /// The widest that this machine has.
    ///
    /// ```
    /// use tracelift_codegen::{CodegenOptions, Wide};
    /// assert!(Wide::best() <= CodegenOptions::default().wide);
    /// ```
    pub fn best() -> Option<Wide> {
        #[cfg(target_arch = "x86_64")]
        {
            let narrow = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("bmi2");
            match (wide, narrow) {
                (true, _) => Some(Wide::Avx512),
                (false, true) => Some(Wide::Avx2),
                (false, false) => None,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            None
        }
    }

    /// Lanes of a vector.
    pub(super) fn lanes(self) -> usize {
        match self {
            Wide::Avx2 => 8,
            Wide::Avx512 => 16,
        }
    }

    /// Bytes of a vector.
    pub(super) fn bytes(self) -> i32 {
        4 * self.lanes() as i32
    }

    /// Vector registers that values may have; the last two of all are the writer's own.
    pub(super) fn vectors(self) -> Range<u8> {
        match self {
            Wide::Avx2 => 0..14,
            Wide::Avx512 => 0..30,
        }
    }

    /// Mask registers that values may have, if there are any: the first means no mask, the last two say which lanes exist.
    /// Without them a mask is a vector, of all ones where it is set.
    pub(super) fn masks(self) -> Option<Range<u8>> {
        match self {
            Wide::Avx2 => None,
            Wide::Avx512 => Some(1..6),
        }
    }

    /// Whether instructions read one number in memory for all lanes.
    pub(super) fn broadcasts(self) -> bool {
        self == Wide::Avx512
    }

    /// How many vectors a turn down columns may have beside one.
    pub(super) fn columns(self) -> [usize; 2] {
        match self {
            Wide::Avx2 => [8, 4],
            Wide::Avx512 => [16, 4],
        }
    }

    /// What is tried one after the other: how many vectors a turn may have, and values in memory.
    pub(super) fn efforts(self) -> [(Effort, usize); 3] {
        let registers = self.vectors().len() + self.masks().map_or(0, |masks| masks.len());
        [(Effort(self.columns()[0]), 0), (Effort(4), 0), (Effort(1), MOST_VALUES - registers)]
    }

    /// How it is written.
    pub(super) fn instructions(self) -> &'static dyn Instructions {
        match self {
            Wide::Avx2 => &Avx2,
            Wide::Avx512 => &Avx512,
        }
    }
}
