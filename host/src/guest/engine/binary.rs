//! The bytes of one `.wasm` file: read, and known by their hash.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::base::error::Error;
use crate::base::files;
use crate::base::shards;

/// The largest `.wasm` file, in bytes.
const MAX_SIZE: u64 = 256 << 20;

/// The contents of a `.wasm` file.
pub struct Binary {
    bytes: Vec<u8>,
    sha256: String,
}

impl Binary {
    /// Reads a file, whatever it contains.
    pub fn read(path: &Path) -> io::Result<Self> {
        /// How much is hashed at a time, in bytes: about a tenth of a millisecond.
        const PIECE: usize = 128 * 1024;
        let bytes = files::read(path, MAX_SIZE)?;
        let mut hash = Sha256::new();
        for piece in bytes.chunks(PIECE) {
            shards::give_way();
            hash.update(piece);
        }
        let sha256 = format!("{:x}", hash.finalize());
        Ok(Self { bytes, sha256 })
    }

    /// The SHA-256 of the bytes, in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The bytes, if they look like a component. The error is clearer than the parser's own.
    pub fn component(&self) -> Result<&[u8], Error> {
        /// `\0asm`, then the version: 13 for components, 1 for core modules, and the layer.
        const MAGIC: &[u8] = b"\0asm";
        const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
        let bytes = &*self.bytes;
        let problem = if bytes.is_empty() {
            "the file is empty"
        } else if !bytes.starts_with(MAGIC) {
            "not WebAssembly: the file does not begin with `\\0asm`"
        } else if bytes.len() < COMPONENT.len() {
            "the file ends within its first 8 bytes"
        } else if bytes.starts_with(COMPONENT) {
            return Ok(bytes);
        } else if bytes[4..8] == [1, 0, 0, 0] {
            "a core module, not a component: build it for the target wasm32-wasip2, or wrap it with \
             `wasm-tools component new`"
        } else {
            "a version of WebAssembly that is not known here"
        };
        Err(Error::component(problem))
    }
}
