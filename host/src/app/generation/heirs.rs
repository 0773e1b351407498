//! Where a socket goes when its instance ends: to the handler that its handshake would lead to now.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use super::{Generation, Lead};
use crate::base::router::{self, Found};
use crate::guest::instances::{PoolInner, Succession};
use crate::guest::resources::{Exchange, Homeless, Stage, Visitor, host};

/// The generation that serves. Shared by all generations of an app.
#[derive(Default)]
pub struct Heirs(Mutex<Weak<Generation>>);

impl Heirs {
    /// This generation serves from now on.
    pub(super) fn set(&self, generation: &Arc<Generation>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(generation);
    }

    fn generation(&self) -> Option<Arc<Generation>> {
        let generation = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generation.upgrade()
    }
}

impl Succession for Heirs {
    fn successor(&self, homeless: Homeless<'_>) -> Option<(Arc<PoolInner>, Arc<Exchange>)> {
        let Homeless { socket, head, .. } = homeless;
        let generation = self.generation()?;
        let is_proxied = || head.headers.contains_key("x-real-ip");
        let found = generation.find(router::host_name(host(head)), head.uri.path(), is_proxied);
        let (lead, arguments) = match found {
            Found::Route(route, arguments) => (&generation.leads[route.target], arguments),
            Found::NotUtf8(_) => return None,
            Found::Nothing => (generation.default.as_ref()?, router::Arguments::default()),
        };
        let Lead::Handler {
            component, target, ..
        } = lead
        else {
            return None;
        };
        let pool = component.pool()?;
        let takes_over = target.class.socket.is_some_and(|hooks| hooks.resume);
        let is_same =
            *component.file == *socket.component && target.class.name == homeless.class.name;
        if !(takes_over && is_same) {
            return None;
        }
        let next = Exchange::new(
            head.clone(),
            homeless.client,
            Instant::now(),
            None,
            target.clone(),
            Arc::new(arguments.into()),
            Stage::Resume,
            Some(Visitor::new(socket.clone())),
            generation.app.clone(),
            false,
        );
        Some((pool.core().clone(), next.known_as(homeless.id)))
    }
}
