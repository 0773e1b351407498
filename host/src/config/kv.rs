//! `[kv]`: where the state of components is kept, and how large it may be. Never opens the file.

use std::path::PathBuf;

use crate::base::error::Position;

use super::section::table;
use super::units::{GB, KB, MB};
use super::value::{MOST_BYTES, Value};

/// The largest `max_value_size`: a value is given to its guest in one piece.
const MOST_OF_A_VALUE: u64 = GB;

/// The `[kv]` table. All of it is fixed at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kv {
    /// The file that keeps the state, relative to the app's folder. `None`: it ends with the server.
    pub file: Option<PathBuf>,
    /// The most, in bytes, of all buckets together.
    pub max_memory: u64,
    /// The most, in bytes, of one value.
    pub max_value_size: u64,
    /// The place of `file`.
    pub(super) position: Option<Position>,
}

impl Kv {
    /// Whether two have the same settings, in any place.
    pub fn is_like(&self, other: &Kv) -> bool {
        let position = self.position;
        *self
            == Kv {
                position,
                ..other.clone()
            }
    }

    /// The place of `file`.
    pub fn position(&self) -> Position {
        self.position.unwrap_or(Position::WHOLE_FILE)
    }
}

impl Default for Kv {
    fn default() -> Kv {
        Kv {
            file: None,
            max_memory: 64 * MB,
            max_value_size: MB,
            position: None,
        }
    }
}

/// Reads the table.
pub(super) fn read(value: Value<'_, '_>) -> Option<Kv> {
    let mut section = table(value, "in [kv]")?;
    let default = Kv::default();
    let kv = Kv {
        position: section.take("file").map(|value| value.position()),
        file: section.get("file", Value::path),
        max_memory: section.or("max_memory", default.max_memory, |value| {
            value.size(KB..=MOST_BYTES)
        }),
        max_value_size: section.or("max_value_size", default.max_value_size, |value| {
            value.size(1..=MOST_OF_A_VALUE)
        }),
    };
    section.finish();
    Some(kv)
}
