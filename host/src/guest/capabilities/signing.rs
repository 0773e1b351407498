//! `waterspout:signing/signing`: signs and verifies for guests, which never have the secret.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::base::cookies;
use crate::guest::bindings::signing::{self, Host, SigningError};
use crate::guest::resources::Ctx;
use crate::services::signing::{SignError, Signer, key_version};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| signing::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

type Verified = Result<Option<Vec<u8>>, SigningError>;

impl Host for Ctx {
    fn create_signed_value(
        &mut self,
        request: Option<u64>,
        name: String,
        value: Vec<u8>,
        version: Option<u32>,
    ) -> wasmtime::Result<Result<String, SigningError>> {
        let signer = self.signer(request)?;
        Ok(signer.and_then(|signer| Ok(signer.create(&name, &value, version, now())?)))
    }

    fn decode_signed_value(
        &mut self,
        request: Option<u64>,
        name: String,
        value: Vec<u8>,
        max_age: u64,
        min_version: Option<u32>,
    ) -> wasmtime::Result<Verified> {
        let max_age = Duration::from_nanos(max_age);
        let signer = self.signer(request)?;
        Ok(signer
            .and_then(|signer| Ok(signer.decode(&name, &value, max_age, min_version, now())?)))
    }

    fn signed_cookie(
        &mut self,
        request: u64,
        name: String,
        max_age: u64,
        min_version: Option<u32>,
    ) -> wasmtime::Result<Verified> {
        let exchange = self.exchange(request)?;
        let Some(signer) = &exchange.app.signer else {
            return Ok(Err(SigningError::NoSecret));
        };
        let max_age = Duration::from_nanos(max_age);
        let value = cookies::find(&exchange.head.headers, &name).unwrap_or_default();
        Ok(signer
            .decode(&name, &value, max_age, min_version, now())
            .map_err(Into::into))
    }

    fn signature_key_version(&mut self, value: Vec<u8>) -> wasmtime::Result<Option<u32>> {
        Ok(key_version(&value))
    }
}

impl Ctx {
    /// What signs for a request's generation, or for the newest.
    fn signer(&self, request: Option<u64>) -> wasmtime::Result<Result<Arc<Signer>, SigningError>> {
        let app = match request {
            Some(request) => Some(self.exchange(request)?.app.clone()),
            None => self.app.newest.get(),
        };
        let Some(app) = app else {
            let why = "no generation of the app serves yet".to_owned();
            return Ok(Err(SigningError::Other(why)));
        };
        Ok(app.signer.clone().ok_or(SigningError::NoSecret))
    }
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

impl From<SignError> for SigningError {
    fn from(error: SignError) -> Self {
        Self::Invalid(error.to_string())
    }
}
