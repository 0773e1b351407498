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

/// The longest function that is compiled, in bytes. What compiling takes grows faster than the function does; the
/// longest one of a large program, an interpreter's loop, has a fifth of it.
const MAX_FUNCTION: usize = 1 << 20;

/// Checks that no function is too long to be compiled. What is malformed is the compiler's to say.
pub fn check_functions(bytes: &[u8]) -> Result<(), Error> {
    let parts = wasmparser::Parser::new(0).parse_all(bytes);
    for part in parts.map_while(Result::ok) {
        let wasmparser::Payload::CodeSectionEntry(body) = part else {
            continue;
        };
        if body.range().len() > MAX_FUNCTION {
            return Err(Error::component(format!(
                "has a function of {} KB; {} KB is the most that is compiled",
                body.range().len() / 1024,
                MAX_FUNCTION / 1024
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module with one function of about this many bytes.
    fn module(length: usize) -> Vec<u8> {
        fn number(mut value: usize, bytes: &mut Vec<u8>) {
            while value >= 128 {
                bytes.push((value % 128) as u8 | 128);
                value /= 128;
            }
            bytes.push(value as u8);
        }
        let mut body = vec![0];
        body.resize(length, 1);
        body.push(0x0b);
        let mut code = vec![1];
        number(body.len(), &mut code);
        code.extend(body);
        let mut bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
        number(code.len(), &mut bytes);
        bytes.extend(code);
        bytes
    }

    #[test]
    fn a_function_that_is_too_long_is_refused_before_it_is_compiled() {
        assert!(check_functions(&module(MAX_FUNCTION - 100)).is_ok());
        let refused = check_functions(&module(MAX_FUNCTION + 100)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "has a function of 1024 KB; 1024 KB is the most that is compiled"
        );
        assert!(
            check_functions(b"\0asm\x01\0\0\0\x0a\xff").is_ok(),
            "malformed"
        );
    }
}
