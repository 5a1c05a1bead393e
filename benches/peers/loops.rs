//! W7: loops over numbers, and over a small vector.

use crate::measure::{Settings, time_calls};
use crate::roofline;
use serde_json::json;
use tracelift_nn::{Function, Tensor, for_range, random, tensor, while_loop};

/// Counting, a generator of numbers that nothing folds away, and a thousand dependent steps on `[128]`.
pub(crate) fn all(settings: &Settings) {
    let rounds = 10_000_000;
    let n = tensor(rounds);
    if settings.wants("W7.count1e7") {
        let count: Function<fn(&Tensor) -> Tensor> =
            Function::new(|n: &Tensor| while_loop(tensor(0), |x| x.lt(n), |x| x + 1)).options(settings.options());
        let counted = count(&n).item::<i32>().expect("the loop runs");
        assert_eq!(counted, rounds);
        let times = time_calls(settings, || drop(count(&n)));
        let least = times.least() / f64::from(rounds);
        times.report(settings, "W7.count1e7", "function", json!({ "ns_per_round": 1e9 * least }));
    }
    if settings.wants("W7.lcg1e7") {
        let lcg: Function<fn(&Tensor, &Tensor) -> Tensor> =
            Function::new(|s: &Tensor, n: &Tensor| for_range(n, s.clone(), |_, s| s * 1_664_525 + 1_013_904_223))
                .options(settings.options());
        let seed = tensor(1);
        let expect = (0..rounds).fold(1_i32, |s, _| s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        assert_eq!(lcg(&seed, &n).item::<i32>().expect("the loop runs"), expect);
        let times = time_calls(settings, || drop(lcg(&seed, &n)));
        let least = times.least() / f64::from(rounds);
        times.report(settings, "W7.lcg1e7", "function", json!({ "ns_per_round": 1e9 * least }));
    }
    if settings.wants("W7.vecloop") {
        random::set_seed(1).expect("no trace is under way");
        let [v, w, b] = [(); 3].map(|()| random::normal([128], 0.0, 1.0));
        let steps: Function<fn(&Tensor, &Tensor, &Tensor) -> Tensor> =
            Function::new(|v: &Tensor, w: &Tensor, b: &Tensor| for_range(1000, v.clone(), |_, v| (v * w + b).tanh()))
                .options(settings.options());
        let times = time_calls(settings, || drop(steps(&v, &w, &b)));
        times.report(settings, "W7.vecloop", "function", json!({}));
        let concrete = steps.concrete((&v, &w, &b)).expect("the loop compiles");
        roofline::show(settings, "W7.vecloop", &concrete, &[&v, &w, &b]);
    }
}
