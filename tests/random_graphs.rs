//! Random graphs: text, passes and engines keep every bit.
//!
//! `TRACELIFT_RANDOM_GRAPHS=10000` asks for more of them, `TRACELIFT_RANDOM_SEED=7` for one.

use tracelift_tensor::Array;
use tracelift_testkit::check::check;
use tracelift_testkit::counts::Counts;
use tracelift_testkit::random::{Case, generate};
use tracelift_testkit::seeds::{seeds, try_all};
use tracelift_testkit::shrink::shrink;

#[test]
fn engines_and_passes_keep_every_bit() {
    // Panics are caught and shown with the graph that makes them.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = seeds("TRACELIFT_RANDOM_GRAPHS", 500);
    let (parts, reports) = try_all(seeds.clone(), |seed, counts: &mut Counts| {
        let case = generate(seed);
        let checked = check(&case).map_err(|fault| report(seed, &case, &fault))?;
        counts.add(&case, &checked);
        Ok(())
    });
    let _ = std::panic::take_hook();
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
    let mut counts = Counts::default();
    parts.iter().for_each(|part| counts.join(part));
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
