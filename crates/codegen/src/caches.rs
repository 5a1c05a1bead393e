//! How large the caches of this machine are.

use std::sync::OnceLock;

/// The sizes of two of this machine's caches, in bytes; what is usual, where it does not say. Nothing but speed depends on
/// them.
///
/// ```
/// use tracelift_codegen::Caches;
/// let Caches { second, last } = *Caches::of_machine();
/// assert!(second <= last);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// The second one, which a core has to itself.
    pub second: u64,
    /// The last one before the memory, which several cores share.
    pub last: u64,
}

impl Caches {
    /// Those of the machine this runs on.
    pub fn of_machine() -> &'static Caches {
        static CACHES: OnceLock<Caches> = OnceLock::new();
        CACHES.get_or_init(|| {
            let mut caches = Caches { second: 1 << 20, last: 32 << 20 };
            let mut levels: Vec<(u8, u64)> = levels();
            levels.sort_unstable();
            if let Some((_, bytes)) = levels.iter().find(|(level, _)| *level == 2) {
                caches.second = *bytes;
            }
            if let Some((_, bytes)) = levels.last().filter(|(_, bytes)| *bytes >= caches.second) {
                caches.last = *bytes;
            }
            caches.last = caches.last.max(caches.second);
            caches
        })
    }
}

/// The level and size of each cache that holds data.
#[cfg(target_arch = "x86_64")]
fn levels() -> Vec<(u8, u64)> {
    use raw_cpuid::{CacheParameter, CacheType, CpuId};
    let size = |cache: CacheParameter| {
        let lines = cache.associativity() * cache.physical_line_partitions() * cache.sets();
        let holds_data = matches!(cache.cache_type(), CacheType::Data | CacheType::Unified);
        holds_data.then_some((cache.level(), lines as u64 * cache.coherency_line_size() as u64))
    };
    CpuId::new().get_cache_parameters().into_iter().flatten().filter_map(size).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn levels() -> Vec<(u8, u64)> {
    vec![]
}
