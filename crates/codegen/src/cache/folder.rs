//! A directory of compiled functions, one file each.
//!
//! Files are written under another name and then renamed, so that every process sees whole files only; two processes
//! that write the same one write the same bytes. Whatever cannot be read, or is not what it should be, is compiled
//! anew. Machine code is read from the disk and run: the directory must be the user's own ([`owner`]).

use super::Key;
use super::entry::{BASIS, checksum, decode, encode};
use crate::unit::Unit;
use cranelift_codegen::isa::TargetIsa;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// How many bytes all files may have together, about: what is over it is found once in [`BETWEEN_LOOKS`] writes of a
/// process.
const LIMIT: u64 = 64 << 20;

/// How many files a process writes until it looks again how large the directory is.
const BETWEEN_LOOKS: u64 = 256;

/// A file that is still under its first name after this time was left by a process that ended.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// To be raised with every change of the code that is made of equal kernels.
const GENERATION: u32 = 17;

/// A directory that may be read and written.
pub(super) struct Folder {
    path: PathBuf,
    /// What all its keys begin with: who made the code, and for which machine.
    maker: String,
    owner: Option<u32>,
}

impl Folder {
    /// The directory, made if need be; `None`, and a warning, if it cannot be used.
    pub(super) fn open(path: &Path, isa: &dyn TargetIsa) -> Option<Folder> {
        let maker = format!(
            "tracelift {} generation {GENERATION}, cranelift {}\n{}\n{}{:?}\n",
            env!("CARGO_PKG_VERSION"),
            cranelift_codegen::VERSION,
            isa.triple(),
            isa.flags(),
            isa.isa_flags().iter().map(ToString::to_string).collect::<Vec<_>>(),
        );
        match make(path).and_then(|()| owner(path)) {
            Ok(owner) => Some(Folder { path: path.to_owned(), maker, owner }),
            Err(error) => {
                tracing::warn!(directory = %path.display(), %error, "compiled code is not kept: the directory cannot be used");
                None
            }
        }
    }

    fn key(&self, key: &Key) -> String {
        format!("{}{}", self.maker, key.0)
    }

    fn file(&self, key: &str) -> PathBuf {
        let halves = [BASIS, !BASIS].map(|basis| checksum(key.as_bytes(), basis));
        self.path.join(format!("{:016x}{:016x}.code", halves[0], halves[1]))
    }

    /// The function with this key, if a file has it.
    pub(super) fn load(&self, key: &Key) -> Option<Unit> {
        let key = self.key(key);
        let mut file = File::open(self.file(&key)).ok()?;
        let facts = file.metadata().ok()?;
        if !facts.is_file() || !is_private(&facts, self.owner) {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        decode(&key, &bytes)
    }

    /// Writes functions down; if that cannot be done, a warning says so.
    pub(super) fn store<'a>(&self, functions: impl Iterator<Item = (&'a Key, &'a Unit)>) {
        for (key, unit) in functions {
            let key = self.key(key);
            let Some(bytes) = encode(&key, unit) else { continue };
            if let Err(error) = self.write(&self.file(&key), &bytes) {
                tracing::warn!(directory = %self.path.display(), %error, "compiled code is not kept");
                return;
            }
            static WRITES: AtomicU64 = AtomicU64::new(0);
            if WRITES.fetch_add(1, Ordering::Relaxed).is_multiple_of(BETWEEN_LOOKS) {
                self.shrink(LIMIT);
            }
        }
    }

    fn write(&self, to: &Path, bytes: &[u8]) -> io::Result<()> {
        let (from, mut file) = new_file(&self.path)?;
        let written = file.write_all(bytes);
        drop(file);
        let done = written.and_then(|()| fs::rename(&from, to));
        if done.is_err() {
            let _ = fs::remove_file(&from);
        }
        done
    }

    /// Removes the oldest files if all together are over the limit, so that there is room again. What is not ours stays.
    fn shrink(&self, limit: u64) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        let now = SystemTime::now();
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let (path, Ok(facts)) = (entry.path(), entry.metadata()) else { continue };
            let written = facts.modified().unwrap_or(now);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("code") => files.push((written, facts.len(), path)),
                Some("new") if now.duration_since(written).is_ok_and(|age| age > LEFT_BEHIND) => {
                    let _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
        if total <= limit {
            return;
        }
        files.sort();
        for (_, len, path) in files {
            if total <= limit / 4 * 3 {
                break;
            }
            // Another process may have been quicker.
            let _ = fs::remove_file(path);
            total -= len;
        }
    }
}

/// A file that no other process writes.
fn new_file(directory: &Path) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{}-{number}.new", std::process::id()));
        match options.open(&path) {
            // Left behind by an earlier process of this number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (path, file)),
        }
    }
}

/// Makes a directory that only its owner may enter, unless there is one.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Who owns the directory: whoever runs this process, and nobody else may write there.
#[cfg(unix)]
fn owner(path: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    // Who we are is seen on a file that we make.
    let (probe, file) = new_file(path)?;
    let us = file.metadata().map(|facts| facts.uid());
    fs::remove_file(probe)?;
    let us = us?;
    if !is_private(&fs::metadata(path)?, Some(us)) {
        let why = "it must belong to the user of this process and must not be writable by group or others";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(Some(us))
}

/// Elsewhere the system's own rules for the user's directories have to do.
#[cfg(not(unix))]
fn owner(path: &Path) -> io::Result<Option<u32>> {
    let (probe, _) = new_file(path)?;
    fs::remove_file(probe)?;
    Ok(None)
}

/// Whether nobody but `owner` can have written it.
fn is_private(facts: &fs::Metadata, owner: Option<u32>) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        owner.is_none_or(|owner| facts.uid() == owner) && facts.mode() & 0o022 == 0
    }
    #[cfg(not(unix))]
    {
        let _ = (facts, owner);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{OptLevel, host};
    use crate::options::CodegenOptions;

    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Temporary {
            let path = std::env::temp_dir().join(format!("tracelift-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Temporary(path)
        }

        fn open(&self) -> Option<Folder> {
            Folder::open(&self.0, &*host(OptLevel::Speed).unwrap())
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn unit(len: usize) -> Unit {
        Unit { name: "k".into(), code: vec![0xC3; len], align: 16, relocs: vec![], imports: vec![] }
    }

    fn key(text: &str) -> Key {
        Key::new("test", text, &CodegenOptions::default())
    }

    #[test]
    fn what_was_stored_is_loaded_under_its_key_alone() {
        let directory = Temporary::new("load");
        let folder = directory.open().unwrap();
        folder.store([(&key("a"), &unit(3))].into_iter());
        assert_eq!(folder.load(&key("a")).unwrap().code, [0xC3; 3]);
        assert!(folder.load(&key("b")).is_none());
        let older =
            Folder { maker: folder.maker.replace("tracelift", "tracelift 0.0.1, not"), ..directory.open().unwrap() };
        assert!(older.load(&key("a")).is_none());
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1, "no file is left under its first name");
    }

    #[test]
    fn a_file_that_is_damaged_or_in_the_wrong_place_is_no_code() {
        let directory = Temporary::new("damaged");
        let folder = directory.open().unwrap();
        let file = folder.file(&folder.key(&key("a")));
        for (n, bytes) in [b"".as_slice(), b"nonsense", &[0; 4096]].into_iter().enumerate() {
            fs::write(&file, bytes).unwrap();
            assert!(folder.load(&key("a")).is_none(), "{n}");
        }
        folder.store([(&key("b"), &unit(3))].into_iter());
        fs::rename(folder.file(&folder.key(&key("b"))), &file).unwrap();
        assert!(folder.load(&key("a")).is_none(), "another function under this name");
        folder.store([(&key("a"), &unit(5))].into_iter());
        assert_eq!(folder.load(&key("a")).unwrap().code.len(), 5, "and it is written anew");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(folder.load(&key("a")).is_none());
    }

    #[test]
    fn writers_and_readers_at_once_see_whole_files() {
        let directory = Temporary::new("together");
        directory.open().unwrap().store([(&key("a"), &unit(9000))].into_iter());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let folder = directory.open().unwrap();
                    for _ in 0..100 {
                        folder.store([(&key("a"), &unit(9000))].into_iter());
                        assert_eq!(folder.load(&key("a")).map(|unit| unit.code.len()), Some(9000));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
    }

    #[test]
    fn the_oldest_files_go_when_there_are_too_many() {
        let directory = Temporary::new("limit");
        let folder = directory.open().unwrap();
        let text = |n: u64| format!("{n}");
        for n in 0..8 {
            folder.store([(&key(&text(n)), &unit(10_000))].into_iter());
            let file = File::options().write(true).open(folder.file(&folder.key(&key(&text(n))))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(1000 - n)).unwrap();
        }
        fs::write(directory.0.join("notes.txt"), vec![0; 100_000]).unwrap();
        let (abandoned, fresh) = (directory.0.join("1-1.new"), directory.0.join("1-2.new"));
        fs::write(&fresh, b"").unwrap();
        let file = File::create(&abandoned).unwrap();
        file.set_modified(SystemTime::now() - 2 * LEFT_BEHIND).unwrap();
        folder.shrink(200_000);
        assert!((0..8).all(|n| folder.load(&key(&text(n))).is_some()), "there is room");
        assert!(!abandoned.exists() && fresh.exists());
        folder.shrink(60_000);
        let kept: Vec<u64> = (0..8).filter(|n| folder.load(&key(&text(*n))).is_some()).collect();
        assert!(!kept.is_empty() && kept.len() < 6 && kept.ends_with(&[7]), "{kept:?}");
        assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept:?}");
        assert!(directory.0.join("notes.txt").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_used_keeps_nothing() {
        let directory = Temporary::new("file");
        fs::write(&directory.0, b"a file").unwrap();
        assert!(directory.open().is_none());
        assert!(Temporary(directory.0.join("below")).open().is_none());
        fs::remove_file(&directory.0).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn others_must_not_be_able_to_write() {
        use std::os::unix::fs::PermissionsExt;
        let directory = Temporary::new("others");
        let folder = directory.open().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(mode(&directory.0), 0o700);
        folder.store([(&key("a"), &unit(3))].into_iter());
        let file = folder.file(&folder.key(&key("a")));
        assert_eq!(mode(&file), 0o600);
        for open in [0o620, 0o602] {
            allow(&file, open);
            assert!(folder.load(&key("a")).is_none());
        }
        allow(&file, 0o644);
        assert!(folder.load(&key("a")).is_some());
        for open in [0o770, 0o707] {
            allow(&directory.0, open);
            assert!(directory.open().is_none());
        }
        allow(&directory.0, 0o755);
        assert!(directory.open().is_some());
    }
}
