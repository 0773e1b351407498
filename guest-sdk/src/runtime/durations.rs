//! Durations in the unit of the WIT.

use std::time::Duration;

/// In nanoseconds. A longer duration than they can count becomes the longest.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
