//! The workloads that other frameworks were measured with, as JSON lines.
//!
//! `cargo bench --bench peers -- W1 W5.gelu` runs the named ones (a prefix such as `W5.gelu` will do), `all` or nothing
//! all of them: training (W1, W2, W2b, W3), layer norm (W4), elementwise chains (W5), softmax and sums (W6), loops (W7),
//! calls (W8), first calls (W9), matrix products (W10), a convolutional network (W11), an LSTM and a transformer (W12); HW are
//! the limits of this machine, and RSS is the peak memory of W1, W2, W11 and W12, each in a process of its own.
//!
//! * `--threads 1` uses one thread; `--budget 1.5` is the time per result in seconds.
//! * `--path avx2` keeps code to its instructions, which change no bit: `scalar`, `avx2` or `avx512`, the default being the
//!   best there is.
//! * `--against benches/peers/results.jsonl`, or `-` for the standard input, reads the lines of other programs and prints
//!   a table: ours, the best of theirs, the ratio.
//! * `--profile` shows the kernels of a workload: time, bytes, operations, and their parts of what the machine can do.
//! * `--pool 0` is how many MiB of large memory are kept for use again.
//! * `--only-fit` leaves out the variants of training.
//!
//! A line holds seconds per iteration: a call, or one training step. Tracing, compiling and at least two warm-up
//! calls are not timed, except by W9, which times those.

mod against;
mod calls;
mod elementwise;
mod first_call;
mod hardware;
mod images;
mod loops;
mod measure;
mod products;
mod resident;
mod roofline;
mod rows;
mod sequences;
mod train;

use against::Peers;
use measure::Settings;

fn main() {
    let (settings, wanted) = Settings::from_arguments(std::env::args().skip(1));
    // Before anything is timed: a program that writes there at the same time would disturb.
    let peers = settings.against.as_deref().map(Peers::read);
    let groups: [(&[&str], fn(&Settings)); 14] = [
        (&["HW"], hardware::all),
        (&["W1"], train::housing),
        (&["W2", "W2b"], train::fashion),
        (&["W3"], train::residual),
        (&["W4"], rows::layer_norms),
        (&["W5"], elementwise::all),
        (&["W6"], rows::softmax_and_sums),
        (&["W7"], loops::all),
        (&["W8"], calls::scalar),
        (&["W9"], first_call::all),
        (&["W10"], products::all),
        (&["W11"], images::convnet),
        (&["W12"], sequences::all),
        (&["RSS"], resident::all),
    ];
    for (names, run) in groups {
        let is_wanted = |pattern: &String| pattern == "all" || names.contains(&pattern.split('.').next().unwrap_or(""));
        if wanted.is_empty() || wanted.iter().any(is_wanted) {
            run(&settings);
        }
    }
    if let Some(peers) = peers {
        eprintln!("{}", peers.table(&settings.lines.borrow()));
    }
}
