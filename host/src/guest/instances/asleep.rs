//! A socket that has no object while nothing happens: what is kept of it, and its way back into an instance.

use std::sync::Arc;

use bytes::Bytes;

use super::sockets::{Succession, pass_over};
use crate::base::client::Client;
use crate::guest::description::Class;
use crate::guest::resources::{Homeless, PackedHead};
use crate::services::sockets::{Sleeper, Socket};

/// A socket without an object.
pub(super) struct Asleep {
    head: PackedHead,
    client: Client,
    id: Box<str>,
    class: Arc<Class>,
    /// What `suspend` has returned.
    state: Box<[u8]>,
    succession: Arc<dyn Succession>,
}

impl Asleep {
    /// `class`: of the object that has left this state.
    pub(super) fn new(
        homeless: Homeless<'_>,
        class: Arc<Class>,
        state: &Bytes,
        succession: &Arc<dyn Succession>,
    ) -> Self {
        Self {
            head: PackedHead::of(homeless.head),
            client: homeless.client,
            id: homeless.id.into(),
            class,
            state: state.to_vec().into(),
            succession: succession.clone(),
        }
    }
}

impl Sleeper for Asleep {
    fn wake(self: Box<Self>, socket: &Arc<Socket>) {
        let hooks = self.class.socket.unwrap_or_default();
        if !hooks.on_close && socket.is_closed() {
            return;
        }
        let head = self.head.unpacked();
        let homeless = Homeless {
            socket,
            head: &head,
            client: self.client,
            id: &self.id,
            class: &self.class,
        };
        pass_over(&*self.succession, homeless, self.state.into());
    }
}
