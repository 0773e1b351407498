//! Owns the functions that were compiled recently, in memory. Of a component that was edited, only functions that
//! differ are compiled. Whole components are in the cache on disk.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wasmtime::CacheStore;

/// How much compiled code is kept, in bytes: of about fifty components of the usual size.
const MAX_SIZE: usize = 32 << 20;

/// Compiled functions, keyed by wasmtime's digest of what they are compiled from and how.
#[derive(Debug)]
pub struct CodeCache(Mutex<Recent>);

impl Default for CodeCache {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MAX_SIZE)))
    }
}

impl CacheStore for CodeCache {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.recent().get(key).map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], code: Vec<u8>) -> bool {
        self.recent().keep(key.into(), code.into());
        true
    }
}

impl CodeCache {
    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries that were used last, in two halves. When the new half is full, it becomes the old one, and the entries
/// that are left in the old half are dropped.
#[derive(Debug)]
struct Recent {
    new: HashMap<Box<[u8]>, Box<[u8]>>,
    old: HashMap<Box<[u8]>, Box<[u8]>>,
    /// The bytes in `new`.
    size: usize,
    /// The largest number of bytes in each half.
    limit: usize,
}

impl Recent {
    /// Keeps no more than `limit` bytes.
    fn new(limit: usize) -> Self {
        Self {
            new: HashMap::new(),
            old: HashMap::new(),
            size: 0,
            limit: limit / 2,
        }
    }

    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(code) = self.new.get(key) {
            return Some(code.to_vec());
        }
        let (key, code) = self.old.remove_entry(key)?;
        let copy = code.to_vec();
        self.keep(key, code);
        Some(copy)
    }

    fn keep(&mut self, key: Box<[u8]>, code: Box<[u8]>) {
        let size = key.len() + code.len();
        // Two threads may have compiled the same function.
        if size > self.limit || self.new.contains_key(&key) {
            return;
        }
        if self.size + size > self.limit {
            self.old = std::mem::take(&mut self.new);
            self.size = 0;
        }
        self.size += size;
        self.new.insert(key, code);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmtime::component::Component;

    use super::*;
    use crate::guest::engine::config::compiler_config;

    /// A component with one module, of two functions: one returns this number, the other always the same.
    fn component(number: u8) -> Vec<u8> {
        let module = [
            b"\0asm\x01\0\0\0".as_slice(),
            // Types: `() -> i32`.
            b"\x01\x05\x01\x60\0\x01\x7f",
            // Functions: two of them.
            b"\x03\x03\x02\0\0",
            // Code: `i32.const`, then `end`.
            b"\x0a\x0b\x02\x04\0\x41",
            &[number],
            b"\x0b\x04\0\x41\x07\x0b",
        ]
        .concat();
        let mut component = b"\0asm\x0d\0\x01\0\x01".to_vec();
        component.push(module.len().try_into().unwrap());
        component.extend(module);
        component
    }

    #[test]
    fn of_an_edited_component_only_what_differs_is_compiled() {
        let functions = Arc::new(CodeCache::default());
        let config = compiler_config(functions.clone(), false).unwrap();
        let engine = wasmtime::Engine::new(&config).unwrap();
        let mut known = [1, 2, 2].map(|number| {
            Component::from_binary(&engine, &component(number)).unwrap();
            functions.recent().new.len()
        });
        let first = known[0];
        known.iter_mut().for_each(|known| *known -= first);
        assert_eq!(known, [0, 1, 1]);
    }

    #[test]
    fn what_was_used_last_is_kept() {
        let mut recent = Recent::new(2 * 3 * 10);
        let mut keep = |key: u8| recent.keep([key].into(), [key; 9].into());
        (0..3).for_each(&mut keep);
        keep(3);
        assert_eq!(recent.get(&[0]), Some([0; 9].into()), "used again");
        for key in 4..6 {
            recent.keep([key].into(), [key; 9].into());
        }
        let kept: Vec<u8> = (0..6).filter(|key| recent.get(&[*key]).is_some()).collect();
        assert_eq!(kept, [0, 3, 4, 5]);
        recent.keep([6].into(), [6; 99].into());
        assert_eq!(recent.get(&[6]), None, "larger than all that is kept");
    }
}
