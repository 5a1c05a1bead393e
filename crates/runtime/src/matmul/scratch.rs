//! Memory that a thread keeps for packed panels.

#![expect(unsafe_code, reason = "lines are used as numbers")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::slice;
use std::thread::LocalKey;

/// Memory for packed panels, kept by the thread from one product to the next.
pub(super) struct Scratch<T> {
    lines: Vec<Line>,
    kept: &'static Kept,
    elements: PhantomData<T>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

type Kept = LocalKey<Cell<Vec<Line>>>;

thread_local! {
    /// What a task has for itself.
    static OWN: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    /// What the tasks of a product have in common; kept by the thread that the product was called on.
    static SHARED: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    /// Where the elements of a spread operand lie.
    static OFFSETS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

impl<T> Scratch<T> {
    /// Takes the thread's scratch, grown to hold `elements`.
    pub(super) fn take(elements: usize) -> Scratch<T> {
        Scratch::of(&OWN, elements)
    }

    /// Takes the thread's scratch for what the tasks of a product share.
    pub(super) fn shared(elements: usize) -> Scratch<T> {
        Scratch::of(&SHARED, elements)
    }

    /// Takes the thread's scratch for tables of offsets.
    pub(super) fn offsets(elements: usize) -> Scratch<T> {
        Scratch::of(&OFFSETS, elements)
    }

    fn of(kept: &'static Kept, elements: usize) -> Scratch<T> {
        let mut lines = kept.take();
        let needed = (elements * size_of::<T>()).div_ceil(size_of::<Line>());
        if lines.len() < needed {
            lines.resize(needed, Line { _bytes: [0; 64] });
        }
        Scratch { lines, kept, elements: PhantomData }
    }

    /// The address of the scratch.
    pub(super) fn address(&mut self) -> *mut T {
        self.lines.as_mut_ptr().cast()
    }
}

impl Scratch<usize> {
    /// The numbers in the scratch, some of any value.
    pub(super) fn numbers(&mut self) -> &mut [usize] {
        let length = self.lines.len() * (size_of::<Line>() / size_of::<usize>());
        // SAFETY: the lines are so many numbers, all of which have been written, and lines are aligned to more than numbers.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), length) }
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        self.kept.set(std::mem::take(&mut self.lines));
    }
}
