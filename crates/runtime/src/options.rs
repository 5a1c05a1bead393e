//! How an executable is made and run.

use crate::cpu::Path;
use crate::float_mode::FloatMode;
use crate::threads::num_threads;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, mem};
use tracelift_ir::ops::Save;
use tracelift_tensor::Array;

/// Which way a graph is evaluated. All give equal bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The graph itself, op by op, by the definitions.
    Reference,
    /// The scheduled program, step by step, by the slow interpreter.
    Interpreter,
    /// Native code with one kernel per op.
    Unfused,
    /// Native code of fused kernels.
    #[default]
    Fused,
}

impl Engine {
    /// All engines, plainest first.
    pub const ALL: [Engine; 4] = [Engine::Reference, Engine::Interpreter, Engine::Unfused, Engine::Fused];

    /// Its name in texts and options.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Reference => "reference",
            Engine::Interpreter => "interpreter",
            Engine::Unfused => "unfused",
            Engine::Fused => "fused",
        }
    }
}

/// How an executable is made and run.
///
/// Apart from `flush_subnormals`, which is a rule of arithmetic, nothing in here changes a bit of a result.
///
/// ```
/// use tracelift_runtime::Options;
/// assert!(Options::training().flush_subnormals && !Options::default().flush_subnormals);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which way graphs are evaluated.
    pub engine: Engine,
    /// How many threads a call may use; 0 means the number of the process, [`num_threads`].
    pub threads: usize,
    /// Treat subnormal numbers as zeros of their sign.
    pub flush_subnormals: bool,
    /// A call that needs more memory for intermediate and result arrays than this is refused.
    pub max_bytes: Option<usize>,
    /// How many bytes the gradient of a loop may keep instead of computing values again, if nothing else is said of it.
    ///
    /// A traced loop of known sizes and a known number of iterations keeps what is dear to compute again (products of
    /// matrices, transcendental functions, reductions) if that is no more than this, and no more than half of
    /// `max_bytes`; other loops compute it again.
    pub save_bytes: usize,
    /// The instructions that kernels use, those of the library and compiled ones; by default the best there are. All
    /// paths have equal bits.
    pub path: Option<Path>,
    /// Where machine code is kept for later processes; by default nowhere.
    ///
    /// What is found there is run, so the directory must be the user's own: on Unix one that belongs to somebody else,
    /// or that group or others may write to, is not used. It is made if need be. Code is found by what it does, the
    /// version of tracelift and the features of the processor; files that are damaged are compiled anew, and a directory
    /// that cannot be read or written is a `tracing` warning, not an error. When all files together exceed about 64 MiB,
    /// the oldest go.
    ///
    /// ```
    /// use tracelift_runtime::Options;
    /// let options = Options { cache_dir: Some("/home/me/.cache/tracelift".into()), ..Options::default() };
    /// assert!(options != Options::default());
    /// ```
    pub cache_dir: Option<PathBuf>,
    /// Stops calls that are under way.
    pub stop: Option<StopToken>,
    /// Where `print` goes.
    pub print: PrintSink,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            engine: Engine::Fused,
            threads: 0,
            flush_subnormals: false,
            max_bytes: None,
            save_bytes: Save::DEFAULT_BYTES,
            path: None,
            cache_dir: None,
            stop: None,
            print: PrintSink::Stdout,
        }
    }
}

impl Options {
    /// What `fit` uses: subnormals are flushed, since moments that decay into them cost up to four times as much.
    pub fn training() -> Options {
        Options { flush_subnormals: true, ..Options::default() }
    }

    /// The number of threads, with 0 replaced by the number of the process, [`num_threads`].
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => num_threads(),
            n => n,
        }
    }

    /// What becomes of subnormal numbers.
    pub fn float_mode(&self) -> FloatMode {
        if self.flush_subnormals { FloatMode::Flush } else { FloatMode::Keep }
    }
}

/// A switch that stops running calls at the next turn of a loop; they answer `Cancelled` and change no variable.
///
/// ```
/// use tracelift_runtime::StopToken;
/// let token = StopToken::new();
/// let other_hand = token.clone();
/// other_hand.stop();
/// assert!(token.is_stopped());
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicBool>);

impl StopToken {
    /// A token that lets everything run.
    pub fn new() -> StopToken {
        StopToken::default()
    }

    /// Stops what runs with this token, now and later.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets calls run again.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The byte that native code polls.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

/// Two tokens are equal if stopping one stops the other.
impl PartialEq for StopToken {
    fn eq(&self, other: &StopToken) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for StopToken {}

/// Where the values of `print` go.
#[derive(Clone, Default)]
pub enum PrintSink {
    /// To the standard output, one line each.
    #[default]
    Stdout,
    /// To a function, which is given the message and the values.
    Function(Arc<PrintFn>),
}

/// Takes the message and the values of a `print`.
pub type PrintFn = dyn Fn(&str, &[Array]) + Send + Sync;

impl PrintSink {
    /// Shows values after a message.
    pub fn show(&self, message: &str, values: &[Array]) {
        match self {
            PrintSink::Stdout => println!("{}", print_line(message, values)),
            PrintSink::Function(show) => show(message, values),
        }
    }
}

/// The line that a `print` writes: the message with the values for its `{}`, or else the values after it, with a space
/// between neighbours.
pub fn print_line(message: &str, values: &[Array]) -> String {
    let parts: Vec<&str> = message.split("{}").collect();
    if parts.len() == values.len() + 1 && !values.is_empty() {
        let values = values.iter().map(Array::to_string).chain([String::new()]);
        return parts.iter().zip(values).flat_map(|(part, value)| [(*part).to_owned(), value]).collect();
    }
    let texts = (!message.is_empty()).then(|| message.to_string()).into_iter();
    texts.chain(values.iter().map(Array::to_string)).collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for PrintSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PrintSink::Stdout => "Stdout",
            PrintSink::Function(_) => "Function",
        })
    }
}

/// Two sinks are equal if they are the same one.
impl PartialEq for PrintSink {
    fn eq(&self, other: &PrintSink) -> bool {
        match (self, other) {
            (PrintSink::Function(one), PrintSink::Function(other)) => Arc::ptr_eq(one, other),
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }
}

impl Eq for PrintSink {}
