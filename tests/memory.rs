//! Memory over very many traces: what is dropped is freed. Alone in its process, since it counts all code there is.

use tracelift::prelude::*;
use tracelift_function::live_code_bytes;

/// Kilobytes of this process that are in memory; `None` where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn ten_thousand_traces_take_flat_memory() {
    let before = live_code_bytes();
    let f = Function::new(|x: &Tensor, n: &i32| x * *n + 1).max_signatures(32);
    let x = tensor(2);
    let mut samples = Vec::new();
    for n in 0..10_000 {
        assert_eq!(f(&x, &n).item::<i32>().unwrap(), 2 * n + 1);
        if n >= 2_000 && n % 1_000 == 0 {
            samples.push((live_code_bytes() - before, resident()));
        }
    }
    assert_eq!((f.trace_count(), f.signatures().len(), f.evictions()), (10_000, 32, 10_000 - 32));
    assert_eq!(f.retraces().len(), 64, "explanations are bounded, too");
    let (code, _) = samples[0];
    assert!(code > 0 && samples.iter().all(|(bytes, _)| *bytes <= 2 * code), "{samples:?}");
    assert_eq!(f.code_bytes(), live_code_bytes() - before);
    let memory: Vec<usize> = samples.iter().filter_map(|(_, kilobytes)| *kilobytes).collect();
    if let (Some(first), Some(last)) = (memory.first(), memory.last()) {
        assert!(*last < first + 8 * 1024, "{memory:?} kB");
    }
    // A concrete function that somebody holds keeps its code; the function's own end frees the rest.
    let held = f.signatures().pop().unwrap();
    drop(f);
    assert_eq!(live_code_bytes() - before, held.code_bytes());
    assert_eq!(held.call([&x]).unwrap()[0].item::<i32>().unwrap(), 2 * 9_999 + 1);
    drop(held);
    assert_eq!(live_code_bytes(), before);
}
