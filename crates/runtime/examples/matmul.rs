//! Measures matrix products: `cargo run --release -p tracelift-runtime --example matmul [threads [part of a name]]`.
//!
//! Prints, for the sizes that training of small models is made of, the best of many runs by every path.

use std::time::Instant;
use tracelift_runtime::cpu::Path;
use tracelift_runtime::matmul::{How, MatMul, Order, matmul_with};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let part = arguments.next().unwrap_or_default();
    println!("{:<22} {:>9} {:>9} {:>9}   GFLOP/s on {threads} thread(s)", "m x k x n", "scalar", "AVX2", "AVX-512");
    for (name, spec) in cases().into_iter().filter(|(name, _)| name.contains(&part)) {
        print!("{name:<22}");
        for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
            print!(" {:>9.1}", measure(&spec, &How { path, threads, epilogue: None }));
        }
        println!();
    }
}

fn cases() -> Vec<(&'static str, MatMul)> {
    let plain = MatMul::row_major;
    vec![
        ("4x8x8", plain(4, 8, 8)),
        ("32x8x30", plain(32, 8, 30)),
        ("32x30x30", plain(32, 30, 30)),
        ("32x30x1 lanes", plain(32, 30, 1).with_order(Order::Lanes)),
        ("30x32x1 TN lanes", plain(30, 32, 1).with_a_transposed().with_order(Order::Lanes)),
        ("32x1x30", plain(32, 1, 30)),
        ("8x32x30 TN", plain(8, 32, 30).with_a_transposed()),
        ("30x32x30 TN", plain(30, 32, 30).with_a_transposed()),
        ("64x64x64", plain(64, 64, 64)),
        ("32x784x100", plain(32, 784, 100)),
        ("784x32x100 TN", plain(784, 32, 100).with_a_transposed()),
        ("32x100x10", plain(32, 100, 10)),
        ("32x10x100 NT", plain(32, 10, 100).with_b_transposed()),
        ("32x100x784 NT", plain(32, 100, 784).with_b_transposed()),
        ("32x784x100 NT", plain(32, 784, 100).with_b_transposed()),
        ("1x784x100", plain(1, 784, 100)),
        ("1x784x100 NT", plain(1, 784, 100).with_b_transposed()),
        ("1x1000x1000", plain(1, 1000, 1000)),
        ("512x784x100", plain(512, 784, 100)),
        ("512x784x100 NT", plain(512, 784, 100).with_b_transposed()),
        ("784x512x100 TN", plain(784, 512, 100).with_a_transposed()),
        ("256x256x256", plain(256, 256, 256)),
        ("1024x1024x1024", plain(1024, 1024, 1024)),
        ("1024x1024x1024 NT", plain(1024, 1024, 1024).with_b_transposed()),
        ("1024x1024x1024 TN", plain(1024, 1024, 1024).with_a_transposed()),
    ]
}

/// The best speed of several windows, in GFLOP/s.
fn measure(spec: &MatMul, how: &How) -> f64 {
    let a: Vec<f32> = (0..spec.m * spec.k).map(|idx| (idx * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let b: Vec<f32> = (0..spec.k * spec.n).map(|idx| (idx * 53 % 97) as f32 / 48.0 - 1.0).collect();
    let mut c = vec![0.0; spec.m * spec.n];
    let flops = 2.0 * (spec.m * spec.k * spec.n) as f64;
    let calls = (1e7 / flops).ceil() as usize;
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed().as_secs_f64() < 0.15 {
        let window = Instant::now();
        for _ in 0..calls {
            matmul_with(spec, std::hint::black_box(&a), &b, &mut c, how);
        }
        best = best.min(window.elapsed().as_secs_f64() / calls as f64);
    }
    flops / best * 1e-9
}
