//! The retraces of a function: the latest are kept, all are told to `tracing`, too many of them are warned of.

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxBuildHasher;

use crate::retrace::Retrace;

/// How many retraces are kept.
const KEPT: usize = 64;
/// After how many retraces from one line there is a warning.
const MANY_FROM_ONE_LINE: usize = 5;
/// At how many signatures there is a warning.
const MANY_SIGNATURES: usize = 64;

/// What is remembered of a function's retraces.
#[derive(Default)]
pub(crate) struct History {
    latest: VecDeque<Retrace>,
    /// How many came from each line.
    lines: HashMap<String, usize, FxBuildHasher>,
    told_of_signatures: bool,
}

impl History {
    /// The latest retraces, oldest first.
    pub(crate) fn latest(&self) -> Vec<Retrace> {
        self.latest.iter().cloned().collect()
    }

    /// Remembers a retrace, tells `tracing`.
    pub(crate) fn add(&mut self, function: &str, retrace: Retrace, signatures: usize) {
        let site = retrace.call_site.as_deref().unwrap_or("unknown");
        let (reason, nearest, help) = (retrace.reason(), &retrace.nearest, retrace.remedy);
        let (number, signature) = (retrace.number, &retrace.signature);
        tracing::debug!(function, number, reason, signature, nearest, site, help, "traced again");
        if let Some(site) = &retrace.call_site {
            let count = self.lines.entry(site.clone()).or_default();
            *count += 1;
            if *count == MANY_FROM_ONE_LINE {
                tracing::warn!(function, count, site, reason, help, "is traced again and again from one line");
            }
        }
        if signatures >= MANY_SIGNATURES && !self.told_of_signatures {
            self.told_of_signatures = true;
            tracing::warn!(function, signatures, reason, help, "has many signatures, each with code of its own");
        }
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(retrace);
    }
}
