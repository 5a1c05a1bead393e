//! The files of `tests/filetests`; `BLESS=1` rewrites what their stages make.

use std::path::Path;
use tracelift_testkit::filetest;

#[test]
fn files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let bless = std::env::var_os("BLESS").is_some();
    let files = filetest::files(&folder);
    assert!(files.len() >= 30, "only {} files in {}", files.len(), folder.display());
    let faults: Vec<String> = files.iter().filter_map(|file| filetest::run(file, bless).err()).collect();
    assert!(faults.is_empty(), "{} of {} files fail:\n{}", faults.len(), files.len(), faults.join("\n\n"));
}
