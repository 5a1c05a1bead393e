//! How large the caches of this machine are.

use std::sync::OnceLock;

/// Bytes of caches; what is usual, where the machine does not say.
#[derive(Clone, Copy)]
struct Caches {
    second: u64,
    last: u64,
}

const USUAL: Caches = Caches { second: 1 << 20, last: 32 << 20 };

/// The bytes of the second cache, which mostly a core has by itself.
///
/// ```
/// assert!(tracelift_codegen::second_cache() > 0);
/// ```
pub fn second_cache() -> u64 {
    caches().second
}

/// The bytes of the last cache before the memory, which several cores may share.
pub(crate) fn last_cache() -> u64 {
    caches().last
}

fn caches() -> Caches {
    static CACHES: OnceLock<Caches> = OnceLock::new();
    *CACHES.get_or_init(|| found().unwrap_or(USUAL))
}

#[cfg(target_arch = "x86_64")]
fn found() -> Option<Caches> {
    use raw_cpuid::{CacheParameter, CpuId};
    let size = |cache: &CacheParameter| {
        let lines = cache.associativity() * cache.physical_line_partitions() * cache.sets();
        lines as u64 * cache.coherency_line_size() as u64
    };
    let all: Vec<CacheParameter> = CpuId::new().get_cache_parameters()?.collect();
    let largest = |caches: &mut dyn Iterator<Item = &CacheParameter>| caches.map(size).max().filter(|bytes| *bytes > 0);
    let last = largest(&mut all.iter())?;
    let second = largest(&mut all.iter().filter(|cache| cache.level() == 2)).unwrap_or(USUAL.second);
    Some(Caches { second, last })
}

#[cfg(not(target_arch = "x86_64"))]
fn found() -> Option<Caches> {
    None
}
