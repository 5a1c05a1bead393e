//! Where the time of a workload goes, kernel by kernel, beside what the machine could do.

use crate::hardware::Ceilings;
use crate::measure::Settings;
use comfy_table::{CellAlignment, Table, presets};
use tracelift_nn::{ConcreteFunction, Tensor};

/// Prints the kernels of a workload if `--profile` was given. The calls are real: variables change.
pub(crate) fn show(settings: &Settings, workload: &str, concrete: &ConcreteFunction, arguments: &[&Tensor]) {
    if !settings.profile {
        return;
    }
    let ceilings = Ceilings::get(settings);
    let once = concrete.profile(arguments, 3).expect("the function runs").0.seconds;
    let calls = (settings.budget.as_secs_f64() / once.max(1e-7)).clamp(3.0, 20_000.0);
    let profile = concrete.profile(arguments, calls as usize).expect("the function runs").0;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["kernel", "runs", "µs", "%", "bytes", "GB/s", "of bandwidth", "FLOPs", "GFLOP/s", "of peak"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut rest = profile.seconds;
    for row in &profile.rows {
        rest -= row.seconds;
        let (bytes, flops) = (row.bytes as f64 * row.runs, row.flops as f64 * row.runs);
        let (bandwidth, speed) = (bytes / row.seconds, flops / row.seconds);
        table.add_row([
            row.name.clone(),
            format!("{}", row.runs),
            format!("{:.2}", row.seconds * 1e6),
            format!("{:.0}", 100.0 * row.seconds / profile.seconds),
            format!("{bytes:.0}"),
            format!("{:.1}", bandwidth / 1e9),
            format!("{:.2}", bandwidth / ceilings.bandwidth(row.bytes as f64)),
            format!("{flops:.0}"),
            format!("{:.1}", speed / 1e9),
            format!("{:.2}", speed / ceilings.flops),
        ]);
    }
    let rest = rest.max(0.0);
    let share = format!("{:.0}", 100.0 * rest / profile.seconds);
    table.add_row(["everything else".to_owned(), String::new(), format!("{:.2}", rest * 1e6), share]);
    eprintln!("{workload}: {:.2} µs a call, the mean of {}\n{table}", profile.seconds * 1e6, profile.calls);
}
