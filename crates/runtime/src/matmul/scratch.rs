//! Memory that a thread keeps for packed panels.

use std::cell::Cell;
use std::marker::PhantomData;

/// Memory for packed panels, kept by the thread from one product to the next.
pub(super) struct Scratch<T> {
    lines: Vec<Line>,
    elements: PhantomData<T>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

impl<T> Scratch<T> {
    /// Takes the thread's scratch, grown to hold `elements`.
    pub(super) fn take(elements: usize) -> Scratch<T> {
        let mut lines = KEPT.take();
        let needed = (elements * size_of::<T>()).div_ceil(size_of::<Line>());
        if lines.len() < needed {
            lines.resize(needed, Line { _bytes: [0; 64] });
        }
        Scratch { lines, elements: PhantomData }
    }

    /// The address of the scratch.
    pub(super) fn address(&mut self) -> *mut T {
        self.lines.as_mut_ptr().cast()
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.lines));
    }
}
