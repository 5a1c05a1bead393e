//! Bytes that start at a multiple of 64, without `unsafe`.

use std::collections::TryReserveError;

/// What every buffer is aligned to: a cache line, and the widest vector register.
const ALIGN: usize = 64;

/// An aligned part of a vector that is never resized, so that it stays aligned.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// So many zero bytes, or the reason why they cannot be had.
    pub(super) fn zeros(len: usize) -> Result<Buffer, TryReserveError> {
        let mut bytes = Vec::new();
        let room = len.saturating_add(ALIGN - 1);
        bytes.try_reserve_exact(room)?;
        bytes.resize(room, 0);
        let start = bytes.as_ptr().align_offset(ALIGN);
        Ok(Buffer { bytes, start, len })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Buffer {
        // Not the vector's own clone: the copy begins at another address.
        let mut copy = Buffer::zeros(self.len).expect("a copy of a buffer fits into memory");
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_and_their_copies_are_aligned() {
        for len in [0, 1, 63, 64, 65, 1000, 100_000] {
            let mut buffer = Buffer::zeros(len).unwrap();
            buffer.bytes_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = i as u8);
            let copies: Vec<Buffer> = (0..4).map(|_| buffer.clone()).collect();
            for copy in &copies {
                assert_eq!(copy.bytes(), buffer.bytes());
                assert_eq!(copy.bytes().as_ptr().addr() % ALIGN, 0);
                assert_eq!(copy.bytes().len(), len);
            }
        }
    }

    #[test]
    fn no_memory_is_an_error() {
        assert!(Buffer::zeros(usize::MAX).is_err());
        assert!(Buffer::zeros(isize::MAX as usize - 100).is_err());
    }
}
