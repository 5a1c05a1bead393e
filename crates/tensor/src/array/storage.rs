//! Where the bytes of a block lie: on the heap, or in pages of their own if they are many.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// From this size on a block has pages of its own, and asks for large ones: the system gives fresh memory page by page,
/// and the processor knows where only some thousand pages are.
const MAPPED_BYTES: usize = 4 << 20;

/// Bytes, all of them set.
pub(crate) enum Storage {
    Heap(Vec<u8>),
    Mapped(MmapMut),
}

impl Storage {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Result<Storage, TryReserveError> {
        if len >= MAPPED_BYTES
            && let Some(pages) = mapped(len)
        {
            return Ok(Storage::Mapped(pages));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len)?;
        bytes.resize(len, 0);
        Ok(Storage::Heap(bytes))
    }
}

/// Pages of zeros, where the system has them.
fn mapped(len: usize) -> Option<MmapMut> {
    // A size that no memory has is the heap's to refuse.
    let pages = MmapMut::map_anon(isize::try_from(len).ok()?.unsigned_abs()).ok()?;
    #[cfg(target_os = "linux")]
    // A system without large pages says so, and has small ones.
    let _ = pages.advise(memmap2::Advice::HugePage);
    Some(pages)
}

impl Default for Storage {
    fn default() -> Storage {
        Storage::Heap(Vec::new())
    }
}

impl From<Vec<u8>> for Storage {
    fn from(bytes: Vec<u8>) -> Storage {
        Storage::Heap(bytes)
    }
}

impl Deref for Storage {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Storage::Heap(bytes) => bytes,
            Storage::Mapped(pages) => pages,
        }
    }
}

impl DerefMut for Storage {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Storage::Heap(bytes) => bytes,
            Storage::Mapped(pages) => pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_have_pages_of_zeros() {
        let mut large = Storage::zeros(MAPPED_BYTES).unwrap();
        assert!(large.iter().all(|byte| *byte == 0) && large.as_ptr().addr().is_multiple_of(4096));
        large[MAPPED_BYTES - 1] = 1;
        assert_eq!((large.len(), large[MAPPED_BYTES - 1]), (MAPPED_BYTES, 1));
        assert!(matches!(Storage::zeros(MAPPED_BYTES - 1).unwrap(), Storage::Heap(_)));
        assert!(Storage::zeros(usize::MAX).is_err());
    }
}
