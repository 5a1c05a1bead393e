//! Code that is shared and kept on disk. Alone in its process, since it counts all code there is.

use std::{fs, path::PathBuf};
use tracelift::prelude::*;
use tracelift_function::{Engine, live_code_bytes};

/// A directory that is gone afterwards.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Three = Function<fn(&Tensor) -> (Tensor, Tensor, Tensor)>;

/// A wide kernel, which calls a helper, one that calls a definition, and sums.
fn function(options: Options) -> Three {
    let f: Three = Function::new(|x: &Tensor| (x.tanh() * 2 + (x * 1e5).sin(), x % 0.7, x.exp().sum(-1)));
    f.options(options)
}

#[test]
fn code_is_shared_and_comes_back_from_the_disk() {
    let directory = Temporary(std::env::temp_dir().join(format!("tracelift-code-cache-{}", std::process::id())));
    let x = random::normal([3, 41], 0.0, 1.0);
    let results = |f: &Three| {
        let (a, b, c) = f(&x);
        [a, b, c].map(|y| y.to_array().expect("the call succeeds"))
    };
    let expected = results(&function(Options { engine: Engine::Reference, ..Options::default() }));
    let kept = || Options { cache_dir: Some(directory.0.clone()), ..Options::default() };
    let before = live_code_bytes();

    // Made and written down; a second function of the process uses the same code.
    let (first, second) = (function(kept()), function(kept()));
    assert_eq!(results(&first), expected);
    let once = live_code_bytes() - before;
    assert_eq!(once, first.code_bytes());
    assert_eq!(results(&second), expected);
    assert!(live_code_bytes() - before < first.code_bytes() + second.code_bytes());
    drop((first, second));
    assert_eq!(live_code_bytes(), before, "code goes with its last holder");
    let files = || fs::read_dir(&directory.0).expect("the directory was made").map(|file| file.unwrap().path());
    assert!(files().count() >= 2);

    // Read; then damaged in every way at once, and made anew; then read again.
    let dates = || files().map(|file| fs::metadata(file).unwrap().modified().unwrap()).collect::<Vec<_>>();
    let written = dates();
    assert_eq!(results(&function(kept())), expected);
    assert_eq!(dates(), written, "nothing had to be made");
    for (n, file) in files().enumerate().collect::<Vec<_>>() {
        let mut bytes = fs::read(&file).unwrap();
        match n % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes.clear(),
            _ => bytes.iter_mut().for_each(|byte| *byte = !*byte),
        }
        fs::write(&file, bytes).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(results(&function(kept())), expected);
    }

    // What cannot be used is no mistake of the program.
    let nowhere = Options { cache_dir: Some(files().next().unwrap().join("below")), ..Options::default() };
    assert_eq!(results(&function(nowhere)), expected);
    assert_eq!(live_code_bytes(), before);
}
