//! Products whose left operand is spread, as windows are, have the bits of those whose left operand is copied first.

use proptest::prelude::*;
use tracelift_runtime::cpu::Path;
use tracelift_runtime::matmul::{Axis, Element, How, MatMul, Spread, Strides, matmul_spread, matmul_with};

fn offsets(axes: &[Axis]) -> Vec<isize> {
    axes.iter().fold(vec![0], |places, axis| {
        let along = |place: &isize| (0..axis.size as isize).map(|i| place + i * axis.stride).collect::<Vec<_>>();
        places.iter().flat_map(along).collect()
    })
}

/// Numbers that show any other order of the sum.
fn numbers<T>(len: usize, from: fn(f64) -> T) -> Vec<T> {
    (0..len as u64).map(|n| from(((n * 2_654_435_761 % 1_000_003) as f64 - 5e5) / 7e4)).collect()
}

fn check<T: Element + PartialEq + std::fmt::Debug>(
    spread: &Spread,
    [batch, n]: [usize; 2],
    is_transposed: bool,
    from: fn(f64) -> T,
) {
    let (rows, steps) = (offsets(&spread.rows), offsets(&spread.steps));
    let matrix = rows.iter().max().unwrap() + steps.iter().max().unwrap() + 1;
    let a = numbers(batch * matrix as usize, from);
    let (m, k) = (rows.len(), steps.len());
    let b = numbers(batch * k * n, from);
    let copied: Vec<T> = (0..batch as isize)
        .flat_map(|t| rows.iter().map(move |row| t * matrix + row))
        .flat_map(|row| steps.iter().map(move |step| (row + step) as usize))
        .map(|at| a[at])
        .collect();
    let dense = MatMul::row_major(m, k, n).with_batch(batch);
    let dense = if is_transposed { dense.with_b_transposed() } else { dense };
    let mut expected = vec![from(0.0); batch * m * n];
    matmul_with(&dense, &copied, &b, &mut expected, &How::default());
    let spec = MatMul { a: Strides { row: 0, col: 1, batch: matrix }, ..dense };
    for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
        for threads in [1, 3] {
            let mut c = vec![from(f64::NAN); expected.len()];
            let how = How { path, threads, epilogue: None };
            assert_eq!(matmul_spread(&spec, Some(spread), &a, &b, &mut c, &how), 0);
            assert!(c == expected, "{spec:?}, {spread:?} by {how:?}");
        }
    }
}

/// The windows of images `[batch, size, size, channels]`, as rows and steps.
fn windows([batch, size, channels]: [usize; 3], window: usize, stride: usize, dilation: usize) -> Spread {
    let count = (size - (window - 1) * dilation - 1) / stride + 1;
    let line = (size * channels) as isize;
    let axis = |size, stride| Axis { size, stride };
    let (step, gap) = (stride as isize, dilation as isize);
    Spread {
        rows: vec![axis(batch, line * size as isize), axis(count, step * line), axis(count, step * channels as isize)],
        steps: vec![axis(window, gap * line), axis(window, gap * channels as isize), axis(channels, 1)],
    }
}

#[test]
fn convolutions_of_many_rows_and_their_gradients() {
    // Blocks of rows, of steps, panels with and without a tail, the right operand packed once for all.
    for (image, n) in [([3, 28, 1], 32), ([2, 13, 32], 64), ([2, 9, 20], 70), ([4, 12, 16], 300)] {
        let spread = windows(image, 3, 1, 1);
        check::<f32>(&spread, [1, n], false, |x| x as f32);
        check::<f32>(&spread, [1, n], true, |x| x as f32);
        let kernel_gradient = Spread { rows: spread.steps, steps: spread.rows };
        check::<f32>(&kernel_gradient, [1, n], false, |x| x as f32);
    }
}

#[test]
#[should_panic(expected = "left operand of 5 elements is too short")]
fn a_spread_beyond_its_operand_is_refused() {
    let axis = |size, stride| vec![Axis { size, stride }];
    let spread = Spread { rows: axis(2, 3), steps: axis(2, 2) };
    let spec = MatMul::row_major(2, 2, 1);
    matmul_spread(&spec, Some(&spread), &[0.0f32; 5], &[0.0; 2], &mut [0.0; 2], &How::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_windows(
        image in [1usize..4, 5usize..12, 1usize..20],
        window in 1usize..4,
        stride in 1usize..4,
        dilation in 1usize..3,
        batch in 1usize..3,
        n in 1usize..70,
        is_transposed: bool,
    ) {
        let spread = windows(image, window, stride, dilation);
        check::<f32>(&spread, [batch, n], is_transposed, |x| x as f32);
        check::<f64>(&spread, [batch, n], is_transposed, |x| x);
    }
}
