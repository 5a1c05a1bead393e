//! The workloads that other frameworks were measured with, as JSON lines.
//!
//! `cargo bench --bench peers -- W1 W2 W5 W7 W8 W9 W10` runs the named ones (a prefix such as `W5.gelu` will do), `all` or
//! nothing all of them; `--threads 1` uses one thread; `--budget 1.5` is the time per result in seconds.
//! A line holds seconds per iteration: a call, or one training step. Tracing, compiling and at least two warm-up
//! calls are not timed, except by W9, which times those.

mod calls;
mod elementwise;
mod first_call;
mod loops;
mod measure;
mod products;
mod train;

use measure::Settings;

fn main() {
    let (settings, wanted) = Settings::from_arguments(std::env::args().skip(1));
    let groups: [(&str, fn(&Settings)); 7] = [
        ("W1", train::housing),
        ("W2", train::fashion),
        ("W5", elementwise::all),
        ("W7", loops::all),
        ("W8", calls::scalar),
        ("W9", first_call::all),
        ("W10", products::all),
    ];
    for (name, run) in groups {
        let is_wanted = |pattern: &String| pattern == "all" || pattern.split('.').next() == Some(name);
        if wanted.is_empty() || wanted.iter().any(is_wanted) {
            run(&settings);
        }
    }
}
