//! Reads a file completely. Never waits, and never reads more than is asked for: a file that is not a regular one, or
//! too large, is an error. Makes a folder that is this user's alone.

use std::fs::{DirBuilder, File, FileType, OpenOptions};
use std::io::{Error, Read, Result};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The largest file of a configuration, a certificate or a key.
pub const MAX_TEXT: u64 = 4 << 20;

/// Makes a folder, with those above it, where it is not there yet: for this user alone.
pub fn make_private_folder(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)
}

/// Reads a file of at most this many bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    // Opening a named pipe would wait for a writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    read_open(&file, most)
}

/// The same of a file that was opened without a wait.
pub fn read_open(file: &File, most: u64) -> Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::other(not_a_file(metadata.file_type())));
    }
    let too_large = || Error::other(format!("it is larger than {} MB", most >> 20));
    // A file may have any size without any content.
    if metadata.len() > most {
        return Err(too_large());
    }
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size)?;
    // It may grow meanwhile.
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_large()),
        false => Ok(bytes),
    }
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
            assert_eq!(read(path, MAX_TEXT).unwrap_err().to_string(), said);
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "bytes").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"bytes");
        assert!(read(&file, 4).is_err());
        let sparse = File::options().write(true).open(&file).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let error = read(&file, 64 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 MB");
    }
}
