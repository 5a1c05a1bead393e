//! Executables: buffers, variables, threads, library kernels.

pub mod cpu;
pub mod float_mode;
pub mod pool;
mod threads;
pub mod matmul;
mod sort;
mod options;
mod variable;
pub mod exec;

pub use exec::{CallError, Executable, Profile, ProfileRow};
pub use options::{Engine, Options, PrintFn, PrintSink, StopToken, print_line};
pub use threads::{num_threads, set_num_threads};
pub use variable::Variable;
