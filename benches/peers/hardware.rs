//! The limits of this machine: bandwidth of copying, reading and triads, and the peak of fused multiply-adds.
//!
//! Vectors are 256 bits wide where the machine has them, those of multiply-adds 512. Memory is used again, so that no page is touched for the first
//! time while the clock runs; each thread has its part.

use crate::measure::{Settings, Times};
use pulp::{Arch, Simd, WithSimd};
use serde_json::json;
use std::hint::black_box;
use std::sync::{Barrier, OnceLock};
use std::time::Instant;

const SIZES: [(&str, usize); 3] = [("4e3", 4096), ("1e5", 100_000), ("1e7", 10_000_000)];

/// Bytes a second for arrays of some sizes, and floating-point operations a second, at their best.
pub(crate) struct Ceilings {
    /// The bytes of a pass, with the best rate.
    bandwidth: Vec<(f64, f64)>,
    pub(crate) flops: f64,
}

/// The ceilings as result lines.
pub(crate) fn all(settings: &Settings) {
    Ceilings::get(settings);
}

impl Ceilings {
    /// Those of this process, measured when first asked for; prints those that are wanted.
    pub(crate) fn get(settings: &Settings) -> &'static Ceilings {
        static CEILINGS: OnceLock<Ceilings> = OnceLock::new();
        CEILINGS.get_or_init(|| Ceilings::measure(settings))
    }

    fn measure(settings: &Settings) -> Ceilings {
        let mut bandwidth = vec![];
        for (size, n) in SIZES {
            let mut best: f64 = 0.0;
            for (name, bytes, pass) in STREAMS {
                let times = stream(settings, n, pass);
                let bytes = bytes * n as f64;
                report(&times, settings, &format!("HW.{name}.{size}"), "gb_s", bytes);
                best = best.max(bytes / times.least());
            }
            bandwidth.push((8.0 * n as f64, best));
        }
        let rounds = 2_000_000;
        let (chains, width) = widest_chains();
        let times = timed(settings, 1, |_| (), |()| chains(rounds));
        let flops = (rounds * width) as f64 * 2.0 * settings.thread_count() as f64;
        report(&times, settings, "HW.fma-peak", "gflop_s", flops);
        Ceilings { bandwidth, flops: flops / times.least() }
    }

    /// The bandwidth for something that moves so many bytes: that of the nearest size measured.
    pub(crate) fn bandwidth(&self, bytes: f64) -> f64 {
        let distance = |(size, _): &&(f64, f64)| (size.ln() - bytes.max(1.0).ln()).abs();
        let nearest = self.bandwidth.iter().min_by(|one, other| distance(one).total_cmp(&distance(other)));
        nearest.map_or(f64::NAN, |(_, rate)| *rate)
    }
}

fn report(times: &Times, settings: &Settings, workload: &str, unit: &str, work: f64) {
    if settings.wants(workload) {
        let extra = json!({ unit: work / times.median() / 1e9, format!("best_{unit}"): work / times.least() / 1e9 });
        times.report(settings, workload, "rust", extra);
    }
}

/// The part of the arrays that one thread has.
struct Part {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

type Pass = fn(&mut Part, f32);

/// Name, bytes per element, and one pass.
const STREAMS: [(&str, f64, Pass); 3] = [("copy", 8.0, copy), ("read", 4.0, read), ("triad", 12.0, triad)];

/// The addition keeps it from becoming a call of the system's copy.
fn copy(part: &mut Part, s: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || part.a.iter_mut().zip(&part.b).for_each(|(a, b)| *a = b + s),
    );
}

fn read(part: &mut Part, _: f32) {
    black_box(Arch::new().dispatch(Sum(&part.b)));
}

/// The sum of an array, in as many chains as there are registers for.
struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let zero = simd.splat_f32s(0.0);
        let mut sums = [zero; 8];
        for block in S::as_simd_f32s(self.0).0.chunks_exact(8) {
            for (sum, x) in sums.iter_mut().zip(block) {
                *sum = simd.add_f32s(*sum, *x);
            }
        }
        simd.reduce_sum_f32s(sums.into_iter().fold(zero, |total, sum| simd.add_f32s(total, sum)))
    }
}

fn triad(part: &mut Part, s: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || part.a.iter_mut().zip(&part.b).zip(&part.c).for_each(|((a, b), c)| *a = b + s * c),
    );
}

fn stream(settings: &Settings, n: usize, pass: Pass) -> Times {
    let passes = (20_000_000 / n).clamp(2, 5_000);
    let make = |threads: usize| {
        let [a, b, c] = [0.0, 1.0, 2.0].map(|value: f32| vec![value; n / threads]);
        Part { a, b, c }
    };
    timed(settings, passes, make, |part| pass(black_box(part), black_box(3.0)))
}

/// How many sums a round of multiply-adds goes on with: more than the units have under way.
const CHAINS: usize = 12;

/// Runs rounds of multiply-adds on the widest vectors of this machine, and how many a round is.
fn widest_chains() -> (fn(usize), usize) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the machine has the instructions.
        #[expect(unsafe_code, reason = "512-bit vectors are not among the instructions that pulp is built with")]
        return (|rounds| unsafe { wide_chains(rounds) }, CHAINS * 16);
    }
    (|rounds| Arch::new().dispatch(Chains { rounds }), Arch::new().dispatch(Width))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn wide_chains(rounds: usize) {
    use std::arch::x86_64::*;
    let [x, y] = [0.999, 1e-3].map(|value| _mm512_set1_ps(black_box(value)));
    let mut sums = [y; CHAINS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, x, y);
        }
    }
    black_box(sums.into_iter().fold(0.0, |total, sum| total + _mm512_reduce_add_ps(sum)));
}

/// Independent chains of fused multiply-adds.
struct Chains {
    rounds: usize,
}

impl WithSimd for Chains {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [x, y] = [0.999, 1e-3].map(|value| simd.splat_f32s(black_box(value)));
        let mut sums = [y; CHAINS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, x, y);
            }
        }
        let total = sums.into_iter().fold(y, |total, sum| simd.add_f32s(total, sum));
        black_box(simd.reduce_sum_f32s(total));
    }
}

/// How many multiply-adds a round is.
struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        CHAINS * S::F32_LANES
    }
}

/// Seconds per pass, of all threads at once, each on what `make` makes for one of so many threads.
fn timed<P>(
    settings: &Settings,
    passes: usize,
    make: impl Fn(usize) -> P + Sync,
    work: impl Fn(&mut P) + Sync,
) -> Times {
    let threads = settings.thread_count();
    let barrier = Barrier::new(threads);
    let run = |is_first: bool| {
        let mut part = make(threads);
        work(&mut part);
        let mut seconds = vec![];
        for _ in 0..15 {
            barrier.wait();
            let began = Instant::now();
            for _ in 0..passes {
                work(&mut part);
            }
            barrier.wait();
            if is_first {
                seconds.push(began.elapsed().as_secs_f64() / passes as f64);
            }
        }
        seconds
    };
    let seconds = std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| run(false));
        }
        run(true)
    });
    Times::of_repetitions(seconds, 1, 0.0)
}
