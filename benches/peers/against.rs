//! What other programs took for the same workloads, and how we compare.

use crate::measure::Line;
use comfy_table::{CellAlignment, Table, presets};
use serde::Deserialize;
use std::io::Read;

/// Results of other programs.
pub(crate) struct Peers(Vec<Peer>);

/// One result line; what else it holds is not needed.
#[derive(Deserialize)]
struct Peer {
    workload: String,
    framework: String,
    variant: String,
    median_s: f64,
    threads: u32,
}

/// Not those of the machine itself, nor plain Python.
const FRAMEWORKS: [&str; 4] = ["tensorflow", "jax", "torch", "numpy"];

impl Peers {
    /// Reads JSON lines from a file, or from the standard input if the name is `-`. Other lines are passed over.
    pub(crate) fn read(name: &str) -> Peers {
        let text = match name {
            "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map(|_| text)
            }
            name => std::fs::read_to_string(name),
        };
        let text = text.unwrap_or_else(|error| panic!("`{name}` cannot be read: {error}"));
        let peers = text.lines().filter_map(|line| serde_json::from_str::<Peer>(line).ok());
        Peers(peers.filter(|peer| FRAMEWORKS.contains(&peer.framework.as_str())).collect())
    }

    /// The fastest median of any variant and thread count that may be compared with ours.
    fn best(&self, workload: &str, variant: &str) -> Option<&Peer> {
        // XLA folds most of the counting away.
        if workload == "W7.count1e7" {
            return None;
        }
        let of_workload = || self.0.iter().filter(|peer| peer.workload == workload);
        // Programs that have their memory mapped anew for each large result do not measure the arithmetic.
        let is_large = ["W4.", "W6."].iter().any(|group| workload.starts_with(group)) || workload.ends_with(".1e7");
        let has_kept = of_workload().any(Peer::is_kept);
        let eagerly = variant.contains("eager");
        let comparable = of_workload().filter(|peer| {
            let memory = !(is_large && has_kept) || peer.is_kept();
            memory && (!eagerly || peer.variant.contains("eager") || peer.framework == "numpy")
        });
        comparable.min_by(|one, other| one.median_s.total_cmp(&other.median_s))
    }

    /// Each of our results beside the best of the others.
    pub(crate) fn table(&self, ours: &[Line]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["workload", "variant", "ours", "best peer", "", "ours / peer"]);
        // The machine itself has no peers.
        for line in ours.iter().filter(|line| !line.workload.starts_with("HW.")) {
            let mut row = vec![line.workload.clone(), line.variant.clone(), duration(line.median)];
            if let Some(peer) = self.best(&line.workload, &line.variant) {
                let name = format!("{} {}, {} threads", peer.framework, peer.variant, peer.threads);
                row.extend([duration(peer.median_s), name, format!("{:.3}", line.median / peer.median_s)]);
            }
            table.add_row(row);
        }
        for column in [2, 3, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

impl Peer {
    fn is_kept(&self) -> bool {
        self.variant.ends_with("-kept")
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
