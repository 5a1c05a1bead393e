//! The shape of the workspace: who may use whom, what it costs, and rules that every file keeps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Data flows down this list: a crate uses only crates above it.
const ORDER: &[&str] = &[
    "macros",
    "tensor",
    "kernel",
    "ir",
    "autodiff",
    "passes",
    "codegen",
    "runtime",
    "function",
    "data",
    "nn",
    "tracelift",
    "cli",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of one section of a manifest.
fn section<'t>(manifest: &'t str, name: &str) -> Vec<&'t str> {
    let lines = manifest.lines().skip_while(|line| line.trim() != format!("[{name}]")).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.trim().is_empty()).collect()
}

/// The names of what a crate depends on, tests left out.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest = if folder == "tracelift" {
        root().join("Cargo.toml")
    } else {
        root().join("crates").join(folder).join("Cargo.toml")
    };
    let text = read(&manifest);
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().to_string();
    section(&text, "dependencies").into_iter().filter(|line| !line.starts_with('#')).map(name).collect()
}

/// The folder of a workspace crate by its package name.
fn folder(package: &str) -> Option<&str> {
    match package {
        "tracelift" => Some("tracelift"),
        "graph-dump" => Some("cli"),
        other => other.strip_prefix("tracelift-"),
    }
}

fn rust_files(below: &str) -> Vec<PathBuf> {
    let (mut found, mut pending) = (vec![], vec![root().join(below)]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(
                fs::read_dir(&path).expect("a folder can be listed").map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn crates_use_only_crates_above_them() {
    for (place, crate_name) in ORDER.iter().enumerate() {
        for used in dependencies(crate_name).iter().filter_map(|package| folder(package)) {
            let above = ORDER.iter().position(|name| *name == used);
            assert!(
                above.is_some_and(|above| above < place),
                "`{crate_name}` uses `{used}`, which does not stand above it: {ORDER:?}"
            );
        }
    }
}

#[test]
fn only_codegen_knows_cranelift() {
    for crate_name in ORDER.iter().filter(|name| **name != "codegen") {
        let knows: Vec<String> =
            dependencies(crate_name).into_iter().filter(|name| name.contains("cranelift")).collect();
        assert!(knows.is_empty(), "`{crate_name}` depends on {knows:?}");
    }
}

#[test]
fn nothing_published_uses_the_testkit() {
    for crate_name in ORDER {
        assert!(
            !dependencies(crate_name).contains(&"tracelift-testkit".to_string()),
            "`{crate_name}` uses the testkit"
        );
    }
}

#[test]
fn files_begin_with_what_they_are_and_stay_short() {
    let mut long = BTreeMap::new();
    for below in ["crates", "tests", "examples", "benches"] {
        for path in rust_files(below).into_iter().filter(|path| !path.components().any(|part| part.as_os_str() == "ui"))
        {
            let text = read(&path);
            assert!(text.starts_with("//!"), "{} does not begin by saying what it is", path.display());
            let lines = text.lines().count();
            if lines > 500 {
                long.insert(path, lines);
            }
        }
    }
    assert!(long.is_empty(), "files over 500 lines, to be split by idea: {long:?}");
}

#[test]
fn unsafe_code_is_in_named_files_of_two_crates() {
    for path in rust_files("crates") {
        let text = read(&path);
        let lifts = text
            .lines()
            .any(|line| line.contains("unsafe_code") && line.contains("reason") || line.contains("(unsafe_code"));
        let inside = ["codegen", "runtime"].iter().any(|name| path.starts_with(root().join("crates").join(name)));
        assert!(!lifts || inside, "{} allows unsafe code", path.display());
    }
}

#[test]
fn unsafe_blocks_say_why_they_are_safe() {
    for path in rust_files("crates") {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !code.contains("unsafe {") {
                continue;
            }
            // The reason stands above the statement that the block belongs to, or above a neighbouring block; or one
            // reason covers the rest of a file.
            let reason = lines[n.saturating_sub(12)..=n].iter().any(|line| line.contains("SAFETY"))
                || lines[..n].iter().any(|line| line.contains("SAFETY of all"));
            assert!(reason, "{}:{}: no `// SAFETY:` above", path.display(), n + 1);
        }
    }
}

#[test]
fn the_facade_costs_at_most_a_hundred_packages() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "tracelift", "-e", "normal", "--prefix", "none", "--no-dedupe", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8(output.stdout).expect("cargo prints text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packages: std::collections::BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    assert!(packages.len() > 30 && packages.len() <= 100, "{} packages", packages.len());
}
