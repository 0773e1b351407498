//! Reads a file of an app completely. Never waits: a file that is not a regular one is an error.

use std::fs::{FileType, OpenOptions};
use std::io::{Error, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Reads a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    // Opening a named pipe would wait for a writer.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::other(not_a_file(metadata.file_type())));
    }
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_a_file(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "it is a folder"
    } else if kind.is_fifo() {
        "it is a named pipe"
    } else {
        "it is no regular file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_an_error_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for (path, said) in [
            (pipe.as_path(), "it is a named pipe"),
            (folder.path(), "it is a folder"),
            (Path::new("/dev/null"), "it is no regular file"),
        ] {
            assert_eq!(read(path).unwrap_err().to_string(), said);
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "bytes").unwrap();
        assert_eq!(read(&file).unwrap(), b"bytes");
    }
}
