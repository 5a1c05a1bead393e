//! From where a function was called, for explanations of retraces.

use std::backtrace::Backtrace;

/// The line of the user's that called a function, as `src/main.rs:10:5`, or the name of what called it where the program
/// has no line numbers.
///
/// Looking it up takes about as long as compiling a kernel, so it is done for traces alone. `wrapper` is the name of a
/// function that stands for the call itself, as macros write it.
pub(crate) fn call_site(wrapper: Option<&str>) -> Option<String> {
    find(&Backtrace::force_capture().to_string(), wrapper)
}

fn find(backtrace: &str, wrapper: Option<&str>) -> Option<String> {
    let mut lines = backtrace.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        // `12: name::of::function`, then `at file:line:column` where that is known.
        let Some((_, name)) = line.split_once(": ").filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let place =
            lines.next_if(|line| line.starts_with("at ")).map(|line| line["at ".len()..].trim_start_matches("./"));
        if is_internal(name) || wrapper.is_some_and(|wrapper| last_word(name) == wrapper) {
            continue;
        }
        return Some(place.map_or_else(|| format!("`{name}`"), str::to_owned));
    }
    None
}

/// Whether a frame is between the user's call and here.
fn is_internal(name: &str) -> bool {
    let name = name.trim_start_matches(['<', '&']).trim_start_matches("dyn ");
    ["tracelift_", "core::", "std::", "alloc::", "__rust", "rust_begin"].iter().any(|start| name.starts_with(start))
}

/// `cube` of `program::shapes::cube::{{closure}}`.
fn last_word(name: &str) -> &str {
    let parts = name.split("::").filter(|part| !part.starts_with('{'));
    parts.last().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "   0: std::backtrace::Backtrace::create
             at /rustc/library/std/src/backtrace.rs:331:13
   1: tracelift_function::cache::Core::call
             at ./crates/function/src/cache.rs:10:9
   2: <alloc::boxed::Box<F,A> as core::ops::function::Fn<Args>>::call
   3: shapes::cube
             at ./examples/shapes.rs:3:1
   4: shapes::main
             at ./examples/shapes.rs:12:14
   5: main";

    #[test]
    fn the_first_frame_of_the_user_is_told() {
        assert_eq!(find(TRACE, None).as_deref(), Some("examples/shapes.rs:3:1"));
        assert_eq!(find(TRACE, Some("cube")).as_deref(), Some("examples/shapes.rs:12:14"));
        let bare: String =
            TRACE.lines().filter(|line| !line.trim().starts_with("at ")).map(|line| format!("{line}\n")).collect();
        assert_eq!(find(&bare, Some("cube")).as_deref(), Some("`shapes::main`"));
        assert_eq!(find("", None), None);
    }
}
