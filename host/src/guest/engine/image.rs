//! Compiled code in memory. Where the system has files without a place on a disk, the code is in one: then only what is
//! used of it is mapped, and instances begin with pages of that same file. Nobody can write to it.

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads what a compiler has made.
///
/// # Safety
///
/// It has to be what wasmtime has made of a component.
#[allow(unsafe_code, reason = "compiled code can be loaded in no other way")]
pub unsafe fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = sealed::file(code) {
        // SAFETY: the file has these bytes, which are as said above, and is sealed: they stay so.
        let loaded = unsafe { Component::deserialize_file(engine, sealed::path(&file)) };
        // Where there is no `/proc`, it can't be opened.
        if loaded.is_ok() {
            return loaded;
        }
    }
    // SAFETY: as said above.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(target_os = "linux")]
mod sealed {
    use std::fs::File;
    use std::io::{Result, Write};
    use std::os::fd::AsRawFd;
    use std::path::PathBuf;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    /// A file with these bytes, which can't be changed any more (memfd_create(2)).
    pub fn file(bytes: &[u8]) -> Result<File> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("compiled-code", flags)?);
        file.write_all(bytes)?;
        let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals)?;
        Ok(file)
    }

    /// Where this process can open it.
    pub fn path(file: &File) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_loaded_can_t_be_changed() {
            let file = file(b"code").unwrap();
            assert_eq!(std::fs::read(path(&file)).unwrap(), b"code");
            let mut writer = File::options().write(true).open(path(&file)).unwrap();
            assert!(writer.write_all(b"other").is_err());
            assert!(writer.set_len(0).is_err());
        }
    }
}
