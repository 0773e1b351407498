//! Signed values without a request, and the conditions under which one counts.

use std::time::Duration;

use anyhow::{Error, anyhow};

use crate::result::Result;
use crate::runtime::bindings::waterspout::signing::signing::{self as host, SigningError};
use crate::runtime::bindings::waterspout::web::types::RequestNumber;

/// Under which conditions a signed value counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verification {
    pub(crate) max_age: Duration,
    pub(crate) min_version: Option<u32>,
}

impl Verification {
    /// Signed no longer than 31 days ago, in any version of the format: Tornado's defaults.
    pub fn new() -> Self {
        Self {
            max_age: days(31.0),
            min_version: None,
        }
    }

    /// Signed no longer ago.
    pub fn max_age_days(mut self, max_age_days: f64) -> Self {
        self.max_age = days(max_age_days);
        self
    }

    /// Signed in this version of the format, or a later one. Version 1 is that of Tornado before 3.2.1.
    pub fn min_version(mut self, min_version: u32) -> Self {
        self.min_version = Some(min_version);
        self
    }
}

impl Default for Verification {
    fn default() -> Self {
        Self::new()
    }
}

/// What is negative counts as 0, and what no duration can be as for ever.
fn days(days: f64) -> Duration {
    let seconds = (days * 24.0 * 3600.0).max(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// [`Context::create_signed_value`](crate::Context::create_signed_value) without a request: in tasks, loops, schedules and
/// functions of the executor.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// async fn invite(name: String) -> Result {
///     let token = waterspout_sdk::web::create_signed_value("invitation", &name)?;
///     log::info!("/join?token={token}");
///     Ok(())
/// }
/// ```
pub fn create_signed_value(name: &str, value: impl AsRef<[u8]>) -> Result<String> {
    create(None, name, value.as_ref())
}

/// [`Context::decode_signed_value_with`](crate::Context::decode_signed_value_with) without a request.
pub fn decode_signed_value(
    name: &str,
    signed: impl AsRef<[u8]>,
    conditions: Verification,
) -> Result<Option<Vec<u8>>> {
    decode(None, name, signed.as_ref(), conditions)
}

pub(crate) fn create(request: Option<RequestNumber>, name: &str, value: &[u8]) -> Result<String> {
    host::create_signed_value(request, name, value, None).map_err(error)
}

pub(crate) fn decode(
    request: Option<RequestNumber>,
    name: &str,
    signed: &[u8],
    conditions: Verification,
) -> Result<Option<Vec<u8>>> {
    let max_age = nanoseconds(conditions.max_age);
    let value = host::decode_signed_value(request, name, signed, max_age, conditions.min_version);
    value.map_err(error)
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn error(error: SigningError) -> Error {
    match error {
        SigningError::NoSecret => anyhow!(
            "You must define the 'cookie_secret' setting to use signed cookies: in waterspout.toml, \
             `[settings] cookie_secret = {{ file = \"cookie_secret\" }}`"
        ),
        SigningError::Invalid(why) | SigningError::Other(why) => anyhow!(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_what_a_duration_can_be() {
        assert_eq!(days(0.5), Duration::from_secs(12 * 3600));
        assert_eq!(days(-1.0), Duration::ZERO);
        assert_eq!(days(f64::NAN), Duration::ZERO);
        assert_eq!(days(f64::INFINITY), Duration::MAX);
        assert_eq!(nanoseconds(Duration::MAX), u64::MAX);
    }
}
