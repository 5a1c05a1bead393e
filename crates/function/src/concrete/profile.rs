//! Where the time of a concrete function goes, as a table.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use tracelift_tensor::Result;

use super::ConcreteFunction;
use crate::Tensor;

/// Time, bytes and floating-point operations of each kernel and library call; printed as a table.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile(pub tracelift_runtime::Profile);

impl ConcreteFunction {
    /// Calls it `calls` times and says how long each kernel took. The calls are real: variables change.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, spec};
    ///
    /// let f = Function::new(|x: &Tensor| x.exp().sum(..)).concrete(spec!(f32[None]))?;
    /// let profile = f.profile(&[&Tensor::ones([1000])], 10)?;
    /// assert_eq!((profile.0.rows.len(), profile.0.rows[0].bytes), (1, 4000));
    /// assert_eq!(profile.0.rows[0].flops, 17 * 1000, "an exponential counts as 16");
    /// assert!(profile.to_string().contains("GFLOP/s"));
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    pub fn profile(&self, arguments: &[&Tensor], calls: usize) -> Result<Profile> {
        self.with_arrays(arguments, |executable, arrays, states| executable.profile(arrays, states, calls)).map(Profile)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tracelift_runtime::Profile { calls, seconds, rows } = &self.0;
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["kernel", "runs", "µs", "%", "bytes", "GB/s", "FLOPs", "GFLOP/s"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let share = |time: f64| format!("{:.0}", if *seconds > 0.0 { 100.0 * time / seconds } else { 0.0 });
        // Billions a second.
        let rate =
            |count: f64, time: f64| if time > 0.0 { format!("{:.2}", count / time / 1e9) } else { String::new() };
        let mut rest = *seconds;
        for row in rows {
            rest -= row.seconds;
            let (bytes, flops) = (row.bytes as f64 * row.runs, row.flops as f64 * row.runs);
            table.add_row([
                row.name.clone(),
                row.runs.to_string(),
                format!("{:.2}", row.seconds * 1e6),
                share(row.seconds),
                format!("{bytes:.0}"),
                rate(bytes, row.seconds),
                format!("{flops:.0}"),
                rate(flops, row.seconds),
            ]);
        }
        let rest = rest.max(0.0);
        table.add_row(["everything else".to_owned(), String::new(), format!("{:.2}", rest * 1e6), share(rest)]);
        write!(f, "{table}\n{:.2} µs a call, the mean of {calls}", seconds * 1e6)
    }
}
