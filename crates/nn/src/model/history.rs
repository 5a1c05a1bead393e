//! What happened while training.

use std::{fmt, ops::Index, time::Duration};

use indexmap::IndexMap;

/// Names and values, in order.
///
/// ```
/// use tracelift_nn::Logs;
///
/// let logs: Logs = [("loss", 0.5), ("mae", 0.25)].into_iter().collect();
/// assert_eq!(logs["mae"], 0.25);
/// assert_eq!(logs.to_string(), "loss: 0.5000 - mae: 0.2500");
/// ```
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Logs(IndexMap<String, f64>);

impl Logs {
    /// Sets a value.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    /// A value by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The same under longer names: `val_loss` of `loss`.
    pub(super) fn prefixed(&self, prefix: &str) -> Logs {
        self.iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect()
    }

    pub(super) fn extend(&mut self, more: Logs) {
        self.0.extend(more.0);
    }
}

impl<S: Into<String>> FromIterator<(S, f64)> for Logs {
    fn from_iter<I: IntoIterator<Item = (S, f64)>>(values: I) -> Self {
        Logs(values.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl Index<&str> for Logs {
    type Output = f64;

    /// The value of a name.
    ///
    /// # Panics
    ///
    /// If there is none; [`get`](Logs::get) does not.
    fn index(&self, name: &str) -> &f64 {
        self.0.get(name).unwrap_or_else(|| missing(name, self.0.keys()))
    }
}

impl fmt::Display for Logs {
    /// As Keras prints them: four decimals, or an exponent for small numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let separator = if i > 0 { " - " } else { "" };
            if value.abs() > 1e-3 || value == 0.0 || !value.is_finite() {
                write!(f, "{separator}{name}: {value:.4}")?;
            } else {
                write!(f, "{separator}{name}: {value:.4e}")?;
            }
        }
        Ok(())
    }
}

/// Losses and metrics by epoch, and how the training went.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct History {
    epochs: IndexMap<String, Vec<f64>>,
    /// What should be looked at, such as weights that the loss does not depend on.
    pub warnings: Vec<String>,
    /// How many training steps were done.
    pub steps: usize,
    /// How long tracing and compiling took.
    pub compile_time: Duration,
    /// How long all training steps took, without validation.
    pub step_time: Duration,
}

impl History {
    /// The values of a name by epoch, if there are any.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.epochs.get(name).map(Vec::as_slice)
    }

    /// All names with their values by epoch, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.epochs.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    pub(super) fn new(compile_time: Duration) -> History {
        History { compile_time, ..History::default() }
    }

    pub(super) fn push(&mut self, logs: &Logs) {
        for (name, value) in logs.iter() {
            self.epochs.entry(name.to_owned()).or_default().push(value);
        }
    }
}

impl Index<&str> for History {
    type Output = Vec<f64>;

    /// The values of a name by epoch.
    ///
    /// # Panics
    ///
    /// If there are none; [`get`](History::get) does not.
    fn index(&self, name: &str) -> &Vec<f64> {
        self.epochs.get(name).unwrap_or_else(|| missing(name, self.epochs.keys()))
    }
}

fn missing<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> ! {
    let known: Vec<&str> = known.map(String::as_str).collect();
    panic!("there is no \"{name}\" in the logs; there are {}", known.join(", "))
}
