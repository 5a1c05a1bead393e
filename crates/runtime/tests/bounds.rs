//! Products touch nothing after their operands: each ends before a page that may not be touched.

#![expect(unsafe_code, reason = "pages are protected, and operands are made of what is before them")]

use region::{Allocation, Protection};
use tracelift_runtime::cpu::Path;
use tracelift_runtime::matmul::{Axis, Element, How, MatMul, Spread, Strides, matmul_spread};

/// Numbers that end with a page, before one that may not be touched.
struct Cornered<T> {
    pages: Allocation,
    before: usize,
    len: usize,
    of: std::marker::PhantomData<T>,
}

impl<T: Copy> Cornered<T> {
    fn new(len: usize, mut number: impl FnMut(usize) -> T) -> Cornered<T> {
        let (page, bytes) = (region::page::size(), len * size_of::<T>());
        let before = bytes.next_multiple_of(page);
        let mut pages = region::alloc(before + page, Protection::READ_WRITE).expect("there is memory");
        let first = pages.as_mut_ptr::<u8>();
        // SAFETY: the last page is this allocation's own, and nothing refers to it.
        unsafe { region::protect(first.add(before), page, Protection::NONE) }.expect("a page can be protected");
        let mut cornered = Cornered { pages, before: before - bytes, len, of: std::marker::PhantomData };
        for (idx, place) in cornered.numbers().iter_mut().enumerate() {
            *place = number(idx);
        }
        cornered
    }

    fn numbers(&mut self) -> &mut [T] {
        // SAFETY: so many bytes lie between there and the protected page, aligned since a page is; they begin as zeros, which
        // are numbers, and are borrowed with the allocation.
        unsafe { std::slice::from_raw_parts_mut(self.pages.as_mut_ptr::<u8>().add(self.before).cast(), self.len) }
    }
}

/// Computes a product whose operands are cornered, by all paths, which must agree with plain code.
fn check<T: Element + PartialEq + std::fmt::Debug>(spec: &MatMul, spread: Option<&Spread>, from: fn(f64) -> T) {
    let reach = |strides: Strides, rows: usize, columns: usize| {
        let last = |extent: usize, stride: isize| (extent as isize - 1) * stride;
        (last(spec.batch, strides.batch) + last(rows, strides.row) + last(columns, strides.col) + 1) as usize
    };
    let windows = spread.map_or(0, |spread| {
        let last = |axes: &[Axis]| axes.iter().map(|axis| (axis.size - 1) * axis.stride as usize).sum::<usize>();
        last(&spread.rows) + last(&spread.steps) + 1
    });
    let number = |idx: usize| from(((idx * 37 % 101) as f64 - 50.0) / 16.0);
    let mut a = Cornered::new(reach(spec.a, spec.m, spec.k).max(windows), number);
    let mut b = Cornered::new(reach(spec.b, spec.k, spec.n), number);
    let len = (spec.batch - 1) * spec.c_batch + (spec.m - 1) * spec.c_row + spec.n;
    let (a, b) = (a.numbers(), b.numbers());
    let mut expected = vec![from(0.0); len];
    let scalar = How { path: Path::Scalar, ..How::default() };
    matmul_spread(spec, spread, a, b, &mut expected, &scalar);
    for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
        for threads in [1, 2] {
            let mut c = Cornered::new(len, |_| from(0.0));
            matmul_spread(spec, spread, a, b, c.numbers(), &How { path, threads, epilogue: None });
            assert!(c.numbers() == expected, "{spec:?}, {spread:?}, {threads} threads of {path:?}");
        }
    }
}

/// Sizes that take whole vectors, halves and parts of them, few steps and many, one row and many.
fn sizes() -> impl Iterator<Item = [usize; 3]> {
    let columns = (1..36).chain([40, 47, 56, 64, 72, 100]);
    columns.flat_map(|n| [[1, 5, n], [3, 1, n], [6, 4, n], [13, 9, n], [24, 130, n]])
}

#[test]
fn operands_without_gaps_are_read_to_their_ends() {
    for [m, k, n] in sizes() {
        let plain = MatMul::row_major(m, k, n);
        for spec in [plain, plain.with_a_transposed(), plain.with_b_transposed(), plain.with_batch(2)] {
            check(&spec, None, |x| x as f32);
            check(&spec, None, |x| x);
        }
    }
}

#[test]
fn operands_with_gaps_are_read_to_their_ends() {
    for [m, k, n] in sizes() {
        let plain = MatMul::row_major(m, k, n);
        for gap in [1, 5] {
            let b = Strides { row: n as isize + gap, ..plain.b };
            let spec = MatMul { b, c_row: n + gap.unsigned_abs(), c_batch: m * (n + gap.unsigned_abs()), ..plain };
            check(&spec, None, |x| x as f32);
            check(&spec, None, |x| x);
        }
        // One row again and again.
        let spec = MatMul { b: Strides { row: 0, ..plain.b }, ..plain };
        check(&spec, None, |x| x as f32);
    }
}

#[test]
fn packed_operands_are_read_to_their_ends() {
    for n in [20, 100, 104] {
        let plain = MatMul::row_major(300, 300, n);
        for spec in [plain, plain.with_a_transposed(), plain.with_b_transposed()] {
            check(&spec, None, |x| x as f32);
            check(&spec, None, |x| x);
        }
    }
}

#[test]
fn rows_copied_for_many_columns_are_read_to_their_ends() {
    check(&MatMul::row_major(131, 519, 775), None, |x| x as f32);
    check(&MatMul::row_major(131, 519, 390), None, |x| x);
}

#[test]
fn windows_are_read_to_their_ends() {
    let axis = |size, stride| Axis { size, stride };
    for n in [1, 4, 7, 8, 9, 12, 16, 20, 24, 33, 100] {
        // Windows of 3 x 3 in images of 6 x 6 with two channels.
        let spread = Spread { rows: vec![axis(4, 12), axis(4, 2)], steps: vec![axis(3, 12), axis(3, 2), axis(2, 1)] };
        let spec = MatMul { a: Strides { row: 0, col: 1, batch: 72 }, ..MatMul::row_major(16, 18, n) };
        check(&spec, Some(&spread), |x| x as f32);
        check(&spec, Some(&spread), |x| x);
    }
}
