//! The state of a component in an instance that serves nothing at the moment: it is put in, tried, or taken out.

use std::sync::Arc;

use bytes::Bytes;

use super::instance::Instance;
use super::{Blueprint, PoolInner};
use crate::base::error::Error;

impl Blueprint {
    async fn restore(&self, live: &mut Instance, state: Bytes) -> Result<(), Error> {
        let Some(functions) = &live.guest.state else {
            return Ok(());
        };
        let function = functions.restore.of(&live.guest.instance, &mut live.store);
        let function = function.map_err(|error| Error::component(error.to_string()))?;
        let within = self.rules.within();
        let restored = live.call_function("restore", function, (state.to_vec(),), within);
        let (restored,) = restored.await?;
        restored.map_err(|error| {
            Error::component(format!(
                "can't take the state of the version that serves, `restore` failed: {error}"
            ))
        })
    }

    async fn saved(&self, live: &mut Instance) -> Result<Option<Bytes>, Error> {
        let Some(functions) = &live.guest.state else {
            return Ok(None);
        };
        let function = functions.save.of(&live.guest.instance, &mut live.store);
        let function = function.map_err(|error| Error::component(error.to_string()))?;
        let saved = live.call_function("save", function, (), self.rules.within());
        let (saved,) = saved.await?;
        let saved = saved.map(|state| Some(state.into()));
        saved.map_err(|error| Error::component(format!("`save` failed: {error}")))
    }

    /// Tries the state of the version that serves in an instance that is to take its place.
    pub(super) async fn try_state(
        &self,
        live: &mut Instance,
        before: Option<&Arc<PoolInner>>,
    ) -> Result<bool, Error> {
        let has_state = |blueprint: &Blueprint| blueprint.linked.exports.has_state();
        let Some(before) = before.filter(|before| has_state(&before.blueprint)) else {
            return Ok(false);
        };
        if !has_state(self) {
            let component = &*self.file;
            tracing::warn!(
                target: "general", component,
                "this version has no `restore`: the state of the one before is dropped"
            );
            return Ok(false);
        }
        let state = before.copy_of_state().await?;
        self.restore(live, state).await?;
        Ok(true)
    }
}

impl PoolInner {
    /// Puts the state of the version before, or from before its sleep, into an instance that is to serve.
    pub(super) async fn inherit(&self, live: &mut Instance) -> Result<(), Error> {
        let kept = self.handover.take_kept();
        let state = match kept {
            Some(kept) => Some(kept),
            None => self.handover.legacy().await,
        };
        match state {
            Some(state) => self.blueprint.restore(live, state).await,
            None => Ok(()),
        }
    }

    /// Keeps the state of an instance that is freed while nothing happens.
    pub(super) async fn keep_state(&self, live: &mut Instance) {
        match self.blueprint.saved(live).await {
            Ok(Some(state)) => self.handover.keep(state),
            Ok(None) => {}
            Err(error) => tracing::error!(target: "general", "{}: {error}", self.blueprint.file),
        }
    }
}
