//! Opening files that somebody else made.

use std::{fs::File, path::Path};

use tracelift_tensor::{Error, Result};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// An opened file and its length; regular files only.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let failed = |error: std::io::Error| Error::io(format!("cannot read `{}`: {error}", path.display()));
    // Looked at before it is opened, since opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::io(format!("cannot read `{}`: it is not a regular file", path.display())));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(Error::io(format!(
            "cannot read `{}`: its {} bytes exceed the limit of {MAX_FILE_BYTES}",
            path.display(),
            metadata.len()
        )));
    }
    Ok((File::open(path).map_err(failed)?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::ErrorKind;

    #[test]
    fn only_regular_files_are_opened() {
        let error = open(Path::new("no such file")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io);
        assert!(error.message.starts_with("cannot read `no such file`: "), "{error}");
        let error = open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(error.message.ends_with("it is not a regular file"), "{error}");
        assert!(open(Path::new(file!()).file_name().map_or(Path::new(""), Path::new)).is_err());
    }
}
