//! What the compiler says about mistakes: each file of `ui/` is compiled by itself, against the library this test has.
//!
//! The compiler is called as it is: a build of its own would compile all that the library needs once more.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn are_named_at_their_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/macros/ui");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let library = library();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|x| x == "rs"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let message = compile(root, &format!("tests/macros/ui/{name}.rs"), &library);
        settings.bind(|| insta::assert_snapshot!(name, message));
    }
}

/// The library that was built last in this test's folder.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = std::fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libtracelift-") && name.ends_with(".rlib")
    };
    let when = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).unwrap();
    built.filter(is_library).max_by_key(when).expect("the library was built before its tests")
}

/// What the compiler says about a file that it must refuse.
fn compile(root: &Path, file: &str, library: &Path) -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let dependencies = library.parent().unwrap();
    let out = Command::new(compiler)
        .current_dir(root)
        .args(["--edition=2024", "--crate-type=bin", "--emit=metadata", "--color=never", "-o", "-"])
        .arg(format!("--extern=tracelift={}", library.display()))
        .arg(format!("-Ldependency={}", dependencies.display()))
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("rustc does not start: {error}"));
    assert!(!out.status.success(), "{file} is compiled, though it has a mistake");
    plain(&String::from_utf8_lossy(&out.stderr))
}

/// Lines that say nothing of the mistake.
const ENDS: [&str; 3] =
    ["error: aborting due to", "For more information about", "Some errors have detailed explanations"];

/// The message without what differs between machines: line numbers of the library's sources, and those of the standard
/// library, which are not on every machine.
fn plain(message: &str) -> String {
    let (mut is_own, mut is_standard) = (true, false);
    let mut lines = vec![];
    for line in message.lines().filter(|line| !ENDS.iter().any(|end| line.starts_with(end))) {
        let text = line.trim_start();
        let code = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let line = if let Some(place) = text.strip_prefix("--> ") {
            is_own = place.starts_with("tests/macros/ui/");
            let standard = place.find("/library/");
            is_standard = standard.is_some();
            match standard {
                Some(standard) => format!(" --> $RUST{}", without_line(&place[standard..])),
                None if is_own => format!(" --> {place}"),
                None => format!(" --> {}", without_line(place)),
            }
        } else if is_standard && (code.starts_with('|') || text == "...") {
            continue;
        } else if text.starts_with(['|', '=']) || !is_own && code.starts_with('|') {
            // As far to the right as there are digits in numbers of lines.
            format!("  {code}")
        } else if text.starts_with("and ") && text.ends_with(" others") {
            "        and others".to_owned()
        } else if text.len() < line.len() && !code.starts_with('|') {
            format!("        {text}")
        } else {
            text.to_owned()
        };
        lines.push(line);
    }
    lines.join("\n").trim().to_owned()
}

/// A place without its line and column.
fn without_line(place: &str) -> &str {
    place.split_once(".rs:").map_or(place, |(path, _)| &place[..path.len() + 3])
}
