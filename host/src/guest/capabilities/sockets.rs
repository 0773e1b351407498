//! `waterspout:sockets/sockets`: guests write to sockets, close them and subscribe them to topics. Finds them by their
//! ids, and only those of the guest's own component.

use std::sync::Arc;

use wasmtime::component::{Accessor, HasSelf};

use super::capability::Capability;
use super::give_way;
use crate::guest::bindings::sockets::{self, Error, Host, HostWithStore, Message, SocketId};
use crate::guest::resources::Ctx;
use crate::services::pubsub::MAX_TOPIC;
use crate::services::sockets::{self as service, SendError, Socket};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| sockets::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Ctx {
    fn socket(&self, id: SocketId) -> Result<Arc<Socket>, Error> {
        let socket = self.services.sockets.of(&self.component, id);
        socket.ok_or(Error::Closed)
    }
}

impl Host for Ctx {
    fn send(&mut self, socket: SocketId, message: Message) -> wasmtime::Result<Result<(), Error>> {
        Ok(self
            .socket(socket)
            .and_then(|socket| Ok(socket.send(message.into())?)))
    }

    fn ping(&mut self, socket: SocketId, data: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self
            .socket(socket)
            .and_then(|socket| Ok(socket.ping(data.into())?)))
    }

    fn close(
        &mut self,
        socket: SocketId,
        code: Option<u16>,
        reason: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self
            .socket(socket)
            .and_then(|socket| Ok(socket.close_with(code, reason)?)))
    }

    fn subscribe(
        &mut self,
        socket: SocketId,
        topic: String,
        binary: bool,
    ) -> wasmtime::Result<Result<(), Error>> {
        if !(1..=MAX_TOPIC).contains(&topic.len()) {
            let why = format!("a topic's name has 1 to {MAX_TOPIC} bytes");
            return Ok(Err(Error::Invalid(why)));
        }
        Ok(self
            .socket(socket)
            .and_then(|socket| Ok(socket.subscribe(&topic, binary)?)))
    }

    fn unsubscribe(
        &mut self,
        socket: SocketId,
        topic: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.socket(socket).map(|socket| socket.unsubscribe(&topic)))
    }

    fn dropped(&mut self, socket: SocketId) -> wasmtime::Result<Result<u64, Error>> {
        Ok(self.socket(socket).map(|socket| socket.dropped()))
    }

    fn set_nodelay(
        &mut self,
        socket: SocketId,
        nodelay: bool,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self
            .socket(socket)
            .map(|socket| socket.set_nodelay(nodelay)))
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn ready(
        accessor: &Accessor<Ctx, Self>,
        socket: SocketId,
    ) -> wasmtime::Result<Result<(), Error>> {
        let socket = accessor.with(|mut access| access.get().socket(socket));
        let ready = match socket {
            Ok(socket) => socket.ready().await.map_err(Error::from),
            Err(error) => Err(error),
        };
        give_way(accessor).await;
        Ok(ready)
    }
}

impl From<Message> for service::Message {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::Closed,
            SendError::Full => Self::Full,
            SendError::TooLarge(most) => Self::TooLarge(most),
            SendError::TooMany(most) => Self::TooMany(most),
            SendError::Invalid(why) => Self::Invalid(why),
        }
    }
}
