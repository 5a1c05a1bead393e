//! How large the last cache of this machine is.

use std::sync::OnceLock;

/// The bytes of the last cache before the memory, which several cores may share; what is usual, where the machine does not
/// say.
pub(crate) fn last_cache() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| found().unwrap_or(32 << 20))
}

#[cfg(target_arch = "x86_64")]
fn found() -> Option<u64> {
    use raw_cpuid::{CacheParameter, CpuId};
    let size = |cache: CacheParameter| {
        let lines = cache.associativity() * cache.physical_line_partitions() * cache.sets();
        lines as u64 * cache.coherency_line_size() as u64
    };
    CpuId::new().get_cache_parameters()?.map(size).max().filter(|bytes| *bytes > 0)
}

#[cfg(not(target_arch = "x86_64"))]
fn found() -> Option<u64> {
    None
}
