//! Random graphs: text, passes and engines keep every bit.
//!
//! `TRACELIFT_RANDOM_GRAPHS=10000` asks for more of them, `TRACELIFT_RANDOM_SEED=7` for one.

use tracelift_tensor::Array;
use tracelift_testkit::check::check;
use tracelift_testkit::counts::Counts;
use tracelift_testkit::random::{Case, generate};
use tracelift_testkit::shrink::shrink;

/// More failures than these are likely the same.
const MOST_REPORTS: usize = 5;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

#[test]
fn engines_and_passes_keep_every_bit() {
    // Panics are caught and shown with the graph that makes them.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = match setting("TRACELIFT_RANDOM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("TRACELIFT_RANDOM_GRAPHS").unwrap_or(500),
    };
    let (mut counts, mut reports) = (Counts::default(), vec![]);
    for seed in seeds.clone() {
        let case = generate(seed);
        match check(&case) {
            Ok(checked) => counts.add(&case, &checked),
            Err(fault) => reports.push(report(seed, &case, &fault)),
        }
        if reports.len() == MOST_REPORTS {
            break;
        }
    }
    let _ = std::panic::take_hook();
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
    let rare = counts.too_rare();
    assert!(seeds.end - seeds.start < 100 || rare.is_empty(), "too rare:\n{}\n{counts}", rare.join("\n"));
}

fn report(seed: u64, case: &Case, fault: &str) -> String {
    let small = shrink(case, &|case| check(case).is_err());
    let still = check(&small).err().unwrap_or_default();
    let Case { graph, arguments } = small;
    let arguments: Vec<String> = arguments.iter().map(short).collect();
    format!("seed {seed}: {fault}\n\nshrunk:\n{graph}\non {}\n{still}", arguments.join("\n   "))
}

/// All of a small array, the beginning of a large one.
fn short(array: &Array) -> String {
    let mut text = format!("{array:?}").replace('\n', "");
    if text.len() > 400 {
        text.truncate(text.floor_char_boundary(400));
        text += " …";
    }
    text
}
