//! Durations and sizes as people write them. Does not know which key a value belongs to, nor which values are
//! sensible.

use std::time::Duration;

/// One kibibyte. Sizes count in powers of 1024, whether written `KB` or `KiB`.
pub(super) const KB: u64 = 1 << 10;
/// 1024 kibibytes.
pub(super) const MB: u64 = 1 << 20;
/// 1024 mebibytes.
pub(super) const GB: u64 = 1 << 30;

/// The longest duration. Adding a longer one to a clock could overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Reads `"250ms"`, `"10s"`, `"1m"` or `"2h"`, up to a year.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(60 * 60)?),
        _ => return None,
    };
    (duration <= LONGEST).then_some(duration)
}

/// Reads `"512B"`, `"64KB"`, `"10MB"` or `"1GB"`, also with `KiB`, `MiB` and `GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "B" => 1,
        "KB" | "KiB" => KB,
        "MB" | "MiB" => MB,
        "GB" | "GiB" => GB,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Writes a size in the largest unit that keeps it whole.
pub fn show_size(bytes: u64) -> String {
    let unit = [(GB, "GB"), (MB, "MB"), (KB, "KB")]
        .into_iter()
        .find(|(factor, _)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match unit {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// Writes a duration in the largest unit that keeps it whole.
pub fn show_duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let whole = duration.subsec_nanos().is_multiple_of(1_000_000);
    let millis = duration.as_millis();
    let fits = |(factor, _): &(u128, &str)| millis.is_multiple_of(*factor);
    match UNITS.into_iter().find(fits).filter(|_| whole) {
        Some((factor, unit)) => format!("{}{unit}", millis / factor),
        None => format!("{duration:?}"),
    }
}

/// `10 MB` and `10MB` → 10 and `MB`.
fn split(text: &str) -> Option<(u64, &str)> {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let number = text[..text.len() - unit.len()].parse().ok()?;
    Some((number, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_an_end() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("1m"), Some(Duration::from_secs(60)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "1d",
            "9000h",
            "99999999999999999999s",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("9999999999999999999h"), None);
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [("5B", 5), ("64KB", 65536), ("64KiB", 65536), ("1 GB", GB)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "5", "MB", "1.5MB", "1mb", "-1B", "99999999999GB"] {
            assert_eq!(size(text), None, "{text}");
        }
        assert_eq!(show_size(64 * MB), "64MB");
        assert_eq!(show_size(65537), "65537B");
    }
}
