//! How much memory the processes of W1, W2, W11 and W12 have at most, beyond the arrays that they train on.

use crate::measure::Settings;
use serde_json::{Value, json};
use std::process::Command;

const WORKLOADS: [&str; 6] =
    ["W1.housing-fit", "W2.fashion-mlp.b32", "W2.fashion-mlp.b512", "W11.convnet", "W12.lstm", "W12.transformer"];

/// Each workload in a process of its own, for a short time.
pub(crate) fn all(settings: &Settings) {
    for workload in WORKLOADS {
        let name = format!("RSS.{workload}");
        if !settings.wants(&name) {
            continue;
        }
        let program = std::env::current_exe().expect("a running program has a file");
        let arguments = [workload, "--only-fit", "--budget", "0.5", "--threads", &settings.threads.to_string()];
        let output = Command::new(program).args(arguments).output().expect("the child process starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let line: Value =
            text.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| {
                panic!("`{workload}` printed no result: {}", String::from_utf8_lossy(&output.stderr))
            });
        let extra = &line["extra"];
        let megabytes = extra["array_bytes"].as_f64().unwrap_or(f64::NAN) / (1 << 20) as f64;
        let peak = extra["maxrss_mb"].as_f64().unwrap_or(f64::NAN);
        println!(
            "{}",
            json!({
                "workload": name,
                "framework": "tracelift",
                "variant": "fit",
                "median_s": line["median_s"],
                "threads": line["threads"],
                "extra": { "maxrss_mb": peak, "array_mb": megabytes, "above_mb": peak - megabytes },
            })
        );
    }
}
