//! Where the time of a concrete function goes, as a table.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use tracelift_tensor::Result;

use super::ConcreteFunction;
use crate::Tensor;

/// Time and bytes of each kernel and library call; printed as a table.
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
    /// assert!(profile.to_string().contains("GB/s"));
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
        table.set_header(["kernel", "runs", "µs", "%", "bytes", "GB/s"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut add = |name: &str, runs: String, time: f64, bytes: Option<f64>| {
            let rate =
                bytes.filter(|_| time > 0.0).map_or_else(String::new, |bytes| format!("{:.2}", bytes / time / 1e9));
            let bytes = bytes.map_or_else(String::new, |bytes| format!("{bytes:.0}"));
            let share = if *seconds > 0.0 { 100.0 * time / seconds } else { 0.0 };
            table.add_row([name.to_owned(), runs, format!("{:.2}", time * 1e6), format!("{share:.0}"), bytes, rate]);
        };
        let mut rest = *seconds;
        for row in rows {
            rest -= row.seconds;
            add(&row.name, row.runs.to_string(), row.seconds, Some(row.bytes as f64 * row.runs));
        }
        add("everything else", String::new(), rest.max(0.0), None);
        write!(f, "{table}\n{:.2} µs a call, the mean of {calls}", seconds * 1e6)
    }
}
