//! What callers may choose about the code.

use crate::caches::last_cache;
pub use crate::isa::OptLevel;
pub use crate::wide::Wide;
use std::path::PathBuf;

/// How kernels are compiled. Nothing in it changes a bit of any result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodegenOptions {
    /// Whether loops may run several iterations at once in vector registers.
    pub vectorize: bool,
    /// The widest vectors that kernels may be written in that can be; a machine that lacks them has its widest. What is
    /// not written so, everything with `None`, runs in vectors of 128 bits.
    pub wide: Option<Wide>,
    /// How many bytes a kernel goes through, in arrays of known sizes, if it writes large results around the caches, where
    /// nothing of them would be left; by default as many as the last cache of this machine holds.
    pub non_temporal_from: u64,
    /// How hard Cranelift optimises.
    pub opt_level: OptLevel,
    /// The most threads that compile at the same time.
    pub threads: usize,
    /// Where compiled functions are kept for later processes; by default nowhere.
    ///
    /// What is found there is run, so the directory must be the user's own: one that belongs to somebody else, or that
    /// group or others may write to, is not used, which a warning says. It is made if need be. Files that are damaged or
    /// of other versions are compiled anew; when all together exceed about 64 MiB, the oldest go.
    pub cache_dir: Option<PathBuf>,
}

impl Default for CodegenOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        CodegenOptions {
            vectorize: true,
            wide: Some(Wide::Avx512),
            non_temporal_from: last_cache(),
            opt_level: OptLevel::Speed,
            threads,
            cache_dir: None,
        }
    }
}

impl CodegenOptions {
    /// The vectors that kernels are written in here, if they can be.
    pub(crate) fn form(&self) -> Option<Wide> {
        self.wide.min(Wide::best()).filter(|_| self.vectorize)
    }
}
