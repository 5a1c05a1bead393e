//! The retraces of a function: the latest are kept, all are told to `tracing`, too many of them are warned of.

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxBuildHasher;

use crate::{call_site::call_site, retrace::Retrace};

/// How many retraces are kept.
const KEPT: usize = 64;
/// For how many retraces the caller is looked up; afterwards for each power of two.
const LOOKED_UP: usize = 16;
/// After how many retraces from one line there is a warning.
const MANY_FROM_ONE_LINE: usize = 5;
/// At how many signatures there is a warning.
const MANY_SIGNATURES: usize = 64;

/// What is remembered of a function's retraces.
#[derive(Default)]
pub(crate) struct History {
    latest: VecDeque<Retrace>,
    count: usize,
    /// How many came from each line; lines are looked up seldom, so this stays small.
    lines: HashMap<String, usize, FxBuildHasher>,
    told_of_signatures: bool,
}

impl History {
    /// The latest retraces, oldest first.
    pub(crate) fn latest(&self) -> Vec<Retrace> {
        self.latest.iter().cloned().collect()
    }

    /// Remembers a retrace, looks up its caller, tells `tracing`.
    pub(crate) fn add(&mut self, function: &str, wrapper: Option<&str>, mut retrace: Retrace, signatures: usize) {
        self.count += 1;
        if self.count <= LOOKED_UP || self.count.is_power_of_two() {
            retrace.call_site = call_site(wrapper);
        }
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
