//! Repetitions, medians, and the line that is printed.

use crate::roofline;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracelift_nn::{ConcreteFunction, Options, Result, Tensor, memory};
use tracelift_runtime::cpu::Path;

/// What the command line says.
pub(crate) struct Settings {
    /// How many threads code may use; 0 for all.
    pub(crate) threads: usize,
    /// The instructions that code uses; the best there are if nothing is said.
    pub(crate) path: Option<Path>,
    /// How long one result may take.
    pub(crate) budget: Duration,
    /// Whether training runs in its plain form alone.
    pub(crate) only_fit: bool,
    /// Whether the kernels of each workload are shown.
    pub(crate) profile: bool,
    /// Where results of other programs are, to be compared with.
    pub(crate) against: Option<String>,
    /// What was measured so far.
    pub(crate) lines: RefCell<Vec<Line>>,
    patterns: Vec<String>,
}

impl Settings {
    /// The settings and the names of the workloads that are wanted.
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> (Settings, Vec<String>) {
        let mut settings = Settings {
            threads: 0,
            path: None,
            budget: Duration::from_millis(1500),
            only_fit: false,
            profile: false,
            against: None,
            lines: RefCell::default(),
            patterns: vec![],
        };
        let mut arguments = arguments.filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            let mut next = || arguments.next().unwrap_or_else(|| panic!("`{argument}` needs a value"));
            let number = |text: String| text.parse::<f64>().unwrap_or_else(|_| panic!("`{text}` is no number"));
            match argument.as_str() {
                "--threads" => settings.threads = number(next()) as usize,
                "--path" => settings.path = Some(path(&next())),
                "--budget" => settings.budget = Duration::from_secs_f64(number(next())),
                "--against" => settings.against = Some(next()),
                "--pool" => memory::set_pool_limit((number(next()) * (1 << 20) as f64) as usize),
                "--profile" => settings.profile = true,
                "--only-fit" => settings.only_fit = true,
                _ => settings.patterns.push(argument),
            }
        }
        let wanted = settings.patterns.clone();
        (settings, wanted)
    }

    /// Whether one workload is wanted.
    pub(crate) fn wants(&self, workload: &str) -> bool {
        // `W1` is not the beginning of `W10`.
        let group = |pattern: &str| workload.split('.').next() == Some(pattern);
        let matches = |pattern: &String| {
            pattern == "all" || group(pattern) || (pattern.contains('.') && workload.starts_with(pattern.as_str()))
        };
        self.patterns.is_empty() || self.patterns.iter().any(matches)
    }

    /// How code is compiled: as training does it, subnormals flushed as the peers flush them.
    pub(crate) fn options(&self) -> Options {
        Options { threads: self.threads, path: self.path, ..Options::training() }
    }

    /// How many threads code may use.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n,
        }
    }
}

/// The path of this name, which the machine must have.
fn path(name: &str) -> Path {
    let path = match name {
        "scalar" => Path::Scalar,
        "avx2" => Path::Avx2,
        "avx512" => Path::Avx512,
        _ => panic!("`{name}` is none of `scalar`, `avx2` and `avx512`"),
    };
    assert!(path.is_available(), "this machine lacks the instructions of `{name}`");
    path
}

/// A compiled function that is measured by what it reads and writes at least.
pub(crate) struct Compiled {
    workload: String,
    bytes: f64,
}

impl Compiled {
    pub(crate) fn new(workload: impl Into<String>, bytes: f64) -> Compiled {
        Compiled { workload: workload.into(), bytes }
    }

    /// Compiles for these arguments and calls with its results given back, if the workload is wanted.
    pub(crate) fn run<const N: usize>(
        &self,
        settings: &Settings,
        arguments: [&Tensor; N],
        compile: impl FnOnce([&Tensor; N]) -> Result<Arc<ConcreteFunction>>,
    ) {
        if !settings.wants(&self.workload) {
            return;
        }
        let concrete = compile(arguments).expect("the function compiles");
        let mut results = concrete.call(arguments).expect("the function runs");
        let times = time_calls(settings, || concrete.call_into(arguments, &mut results).expect("the function runs"));
        times.report(settings, &self.workload, "call_into", json!({ "gb_s": self.bytes / times.median() / 1e9 }));
        roofline::show(settings, &self.workload, &concrete, &arguments);
    }
}

/// Times of one workload: seconds per iteration of each repetition, and the processor time of all.
pub(crate) struct Times {
    /// Seconds per iteration, one per repetition.
    pub(crate) seconds: Vec<f64>,
    cpu_per_iteration: f64,
}

/// Calls `f` in repetitions of about 5 ms until the budget is used up.
pub(crate) fn time_calls(settings: &Settings, mut f: impl FnMut()) -> Times {
    f();
    f();
    let began = Instant::now();
    f();
    let once = began.elapsed().max(Duration::from_nanos(20));
    let count = (Duration::from_millis(5).as_secs_f64() / once.as_secs_f64()).ceil().max(1.0) as usize;
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let mut seconds = vec![];
    while seconds.len() < 5 || (began.elapsed() < settings.budget && seconds.len() < 300) {
        let repetition = Instant::now();
        for _ in 0..count {
            f();
        }
        seconds.push(repetition.elapsed().as_secs_f64() / count as f64);
    }
    let iterations = (seconds.len() * count) as f64;
    Times { seconds, cpu_per_iteration: (cpu_seconds() - cpu) / iterations }
}

impl Times {
    /// Times that were taken elsewhere, with the processor seconds of all iterations.
    pub(crate) fn of_repetitions(seconds: Vec<f64>, iterations: usize, cpu: f64) -> Times {
        Times { seconds, cpu_per_iteration: cpu / iterations.max(1) as f64 }
    }

    /// The shortest time of an iteration.
    pub(crate) fn least(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Seconds per iteration of the repetition in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    /// Prints the result line.
    pub(crate) fn report(&self, settings: &Settings, workload: &str, variant: &str, extra: Value) {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let mut extra = extra;
        extra["max_s"] = json!(sorted.last());
        extra["maxrss_mb"] = json!(peak_megabytes());
        let line = json!({
            "workload": workload,
            "framework": "tracelift",
            "variant": variant,
            "median_s": sorted[sorted.len() / 2],
            "min_s": sorted[0],
            "n": sorted.len(),
            "cpu_s_per_iter": self.cpu_per_iteration,
            "threads": settings.thread_count(),
            "extra": extra,
        });
        println!("{line}");
        let (workload, variant) = (workload.to_owned(), variant.to_owned());
        settings.lines.borrow_mut().push(Line { workload, variant, median: sorted[sorted.len() / 2] });
    }
}

/// What a result line says first.
pub(crate) struct Line {
    pub(crate) workload: String,
    pub(crate) variant: String,
    /// Seconds per iteration.
    pub(crate) median: f64,
}

/// The processor time of this process so far, all threads; 0 where the system does not say.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the name in parentheses; user and system time are the 14th and 15th of all, in hundredths.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |n: usize| after.split_whitespace().nth(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}
