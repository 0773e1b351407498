//! When something is due, again and again: by `cron` or by `every`. Pure: it is given the time, and reads no clock.

use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When something is due.
#[derive(Clone, Debug)]
pub struct Timing {
    kind: Kind,
    /// As it was written.
    text: String,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
enum Kind {
    Cron(Box<Cron>),
    Every(Duration),
}

impl Timing {
    /// Reads the fields of crontab(5), with seconds before them if there are six.
    pub fn cron(text: &str, zone: TimeZone) -> Result<Self, String> {
        let cron: Cron = text
            .parse()
            .map_err(|error| format!("`{text}` is no time of cron: {error}"))?;
        Ok(Self {
            kind: Kind::Cron(Box::new(cron)),
            text: text.to_owned(),
            zone,
        })
    }

    /// Due each time after this period, which must not be zero.
    pub fn every(period: Duration) -> Self {
        Self {
            text: format!("{period:?}"),
            kind: Kind::Every(period.max(Duration::from_millis(1))),
            zone: TimeZone::UTC,
        }
    }

    /// Whether it counts elapsed time, however the wall clock is set meanwhile.
    pub fn is_steady(&self) -> bool {
        matches!(self.kind, Kind::Every(_))
    }

    /// When it is due next. `None`: never again.
    pub fn after(&self, last: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Every(period) => last
                .checked_add(SignedDuration::try_from(*period).ok()?)
                .ok(),
            Kind::Cron(cron) => {
                let last = last.to_zoned(self.zone.clone());
                let next = cron.find_next_occurrence(&last, false).ok()?;
                Some(next.timestamp())
            }
        }
    }

    /// How often it was due after `last` and until `now`, and when it was for the last time.
    pub fn missed(&self, mut last: Timestamp, now: Timestamp) -> (u64, Timestamp) {
        /// More are not counted one by one.
        const MOST: u64 = 10_000;
        if let Kind::Every(period) = &self.kind {
            let late = Duration::try_from(now.duration_since(last)).unwrap_or_default();
            let missed = late.as_nanos() / period.as_nanos().max(1);
            let passed = period.as_nanos().saturating_mul(missed);
            let passed = Duration::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX));
            let passed = SignedDuration::try_from(passed).unwrap_or_default();
            let last = last.checked_add(passed).unwrap_or(now);
            return (u64::try_from(missed).unwrap_or(u64::MAX), last);
        }
        let mut missed = 0;
        while let Some(next) = self.after(last).filter(|next| *next <= now) {
            (missed, last) = (missed + 1, next);
            if missed == MOST {
                return (missed, now);
            }
        }
        (missed, last)
    }
}

/// As it was written.
impl std::fmt::Display for Timing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Cron(_) => write!(f, "cron {}", self.text),
            Kind::Every(_) => write!(f, "every {}", self.text),
        }
    }
}

impl PartialEq for Timing {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string() && self.zone == other.zone
    }
}

/// A time zone by its name in the IANA database.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("there is no time zone `{name}` here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn cron_keeps_the_time_of_its_zone() {
        let three = Timing::cron("0 3 * * *", TimeZone::UTC).expect("a time");
        assert_eq!(
            three.after(at("2026-03-28T12:00:00Z")),
            Some(at("2026-03-29T03:00:00Z"))
        );
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let three = Timing::cron("0 3 * * *", berlin).expect("a time");
        // Before and after summer time begins.
        assert_eq!(
            three.after(at("2026-03-27T12:00:00Z")),
            Some(at("2026-03-28T02:00:00Z"))
        );
        assert_eq!(
            three.after(at("2026-03-29T12:00:00Z")),
            Some(at("2026-03-30T01:00:00Z"))
        );
    }

    #[test]
    fn what_is_no_time_says_why() {
        for text in ["", "* * *", "61 * * * *", "every day"] {
            let error = Timing::cron(text, TimeZone::UTC).expect_err(text);
            assert!(error.contains("is no time of cron: "), "{error}");
        }
    }

    #[test]
    fn what_was_missed_is_counted() {
        let begin = at("2026-01-01T00:00:00Z");
        let every = Timing::every(Duration::from_secs(10));
        assert_eq!(
            every.missed(begin, at("2026-01-01T00:00:35Z")),
            (3, at("2026-01-01T00:00:30Z"))
        );
        assert_eq!(every.missed(begin, at("2026-01-01T00:00:09Z")), (0, begin));
        let minute = Timing::cron("* * * * *", TimeZone::UTC).expect("a time");
        assert_eq!(
            minute.missed(begin, at("2026-01-01T00:02:30Z")),
            (2, at("2026-01-01T00:02:00Z"))
        );
    }
}
