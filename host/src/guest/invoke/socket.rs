//! One socket inside an instance: its handshake, one event after the other, and its way to another object. Reads and
//! writes no frames.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use wasmtime::component::{ComponentNamedList, Lower};

use super::life::{Ended, Life, uncaught};
use crate::base::websocket::Offer;
use crate::guest::bindings::Outcome;
use crate::guest::bindings::ReceivedMessage;
use crate::guest::bindings::websocket::{Acceptance, Accepted, SocketCall};
use crate::guest::description::SocketHooks;
use crate::guest::engine::{Reaction, WebSocket};
use crate::guest::instances::{CallContext, LifeEnd, SocketEnd};
use crate::guest::resources::{Answer, Exchange, LET_GO, ShownId, Visitor};
use crate::services::sockets::{Event, Message, Next, Socket};

/// Does what waits for a socket in its instance. Every pool uses this function.
pub fn react<'a>(
    context: &'a CallContext<'a>,
    request: u64,
    exchange: Arc<Exchange>,
) -> BoxFuture<'a, wasmtime::Result<SocketEnd>> {
    async move { Life::of(context, request, exchange)?.react().await }.boxed()
}

/// How a function that is told of something ended.
enum Told {
    Well,
    /// It failed, and the socket is closed for it.
    Badly,
    /// It was asked to end and did not.
    Deaf,
}

impl Life<'_> {
    /// A handshake. `None`: it is answered with a socket; else why it is not.
    pub(super) async fn shake_hands(
        &self,
        visitor: &Visitor,
    ) -> wasmtime::Result<Ended<Option<Outcome>>> {
        match self.before_method().await? {
            Ended::With(Outcome::Proceed) => {}
            Ended::With(outcome) => return Ok(Ended::With(Some(outcome))),
            Ended::Deaf => return Ok(Ended::Deaf),
        }
        let hooks = self.socket_hooks();
        let accepted = match hooks.accept {
            false => Accepted {
                subprotocol: None,
                compression: None,
                headers: Vec::new(),
            },
            true => match self.accept(visitor).await? {
                Ended::With(Ok(accepted)) => accepted,
                Ended::With(Err(outcome)) => return Ok(Ended::With(Some(outcome))),
                Ended::Deaf => return Ok(Ended::Deaf),
            },
        };
        visitor.socket.hear_of(hooks.on_ping, hooks.on_pong);
        if hooks.open {
            visitor.socket.arrived(Event::Open);
        }
        self.exchange.answer(Answer::Accepted(Box::new(accepted)));
        Ok(Ended::With(None))
    }

    async fn accept(
        &self,
        visitor: &Visitor,
    ) -> wasmtime::Result<Ended<Result<Accepted, Outcome>>> {
        let offered = Offer(&self.exchange.head.headers).subprotocols();
        let parameters = (self.socket_call(visitor, false), offered.clone());
        let ended = self.start(&self.websocket()?.accept, parameters)?;
        let acceptance = match self.unless_cancelled(ended).await? {
            Some((acceptance,)) => acceptance,
            None => return Ok(Ended::Deaf),
        };
        Ok(Ended::With(match acceptance {
            Acceptance::Accepted(accepted) => match &accepted.subprotocol {
                Some(chosen) if !offered.contains(chosen) => Err(Outcome::Failed(uncaught(
                    &format!("the subprotocol {chosen:?} was not offered"),
                ))),
                _ => Ok(accepted),
            },
            Acceptance::Refused(Outcome::Proceed) => Ok(Accepted {
                subprotocol: None,
                compression: None,
                headers: Vec::new(),
            }),
            Acceptance::Refused(outcome) => Err(outcome),
        }))
    }

    /// A socket that comes from another object.
    pub(super) async fn resume(&self, visitor: Option<&Visitor>) -> wasmtime::Result<LifeEnd> {
        let Some(visitor) = visitor else {
            return Ok(LifeEnd::Over);
        };
        let (hooks, socket) = (self.socket_hooks(), &visitor.socket);
        let state = visitor.state().unwrap_or_default();
        if self.hooks.initialize {
            match self.initialize().await? {
                Ended::With(Outcome::Proceed) => {}
                Ended::With(_) => return self.fail_to_resume(socket, "`initialize` failed").await,
                Ended::Deaf => return Ok(LifeEnd::Deaf),
            }
        }
        let call = self.socket_call(visitor, false);
        let parameters = (call, self.exchange.arguments.clone(), state.to_vec());
        let told = self
            .tell(
                "resume",
                socket,
                &self.websocket()?.resume,
                parameters,
                None,
            )
            .await?;
        match told {
            Told::Well => {
                socket.hear_of(hooks.on_ping, hooks.on_pong);
                socket.family.meter.sockets.moved.count();
                Ok(LifeEnd::Stays)
            }
            Told::Badly => self.fail_to_resume(socket, "").await,
            Told::Deaf => Ok(LifeEnd::Deaf),
        }
    }

    async fn fail_to_resume(&self, socket: &Socket, why: &str) -> wasmtime::Result<LifeEnd> {
        if !why.is_empty() {
            self.log_failure("resume", why);
        }
        socket.fail();
        self.afterwards(&self.handler.release, (self.request,))
            .await
    }

    /// Everything that waits, one after the other.
    async fn react(&self) -> wasmtime::Result<SocketEnd> {
        let Some(visitor) = &self.exchange.socket else {
            return Ok(SocketEnd::Gone);
        };
        loop {
            let told = match visitor.socket.next() {
                Next::Nothing => return Ok(SocketEnd::Waits),
                Next::Leave => return self.suspend(visitor).await,
                Next::Event(Event::Close(closed)) => {
                    return self.close(visitor, closed.code, closed.reason).await;
                }
                Next::Event(event) => {
                    visitor.forget_state();
                    self.on(visitor, event).await?
                }
            };
            if let Told::Deaf = told {
                return Ok(SocketEnd::Deaf);
            }
        }
    }

    async fn on(&self, visitor: &Visitor, event: Event) -> wasmtime::Result<Told> {
        let (hooks, functions) = (self.socket_hooks(), self.websocket()?);
        let (socket, call) = (&visitor.socket, self.socket_call(visitor, false));
        let limit = socket.limits.event_deadline;
        match event {
            Event::Open => {
                let parameters = (call, self.exchange.arguments.clone());
                self.tell("open", socket, &functions.open, parameters, limit)
                    .await
            }
            Event::Message(message) if hooks.on_message => {
                let parameters = (call, wire(message));
                self.tell(
                    "on_message",
                    socket,
                    &functions.on_message,
                    parameters,
                    limit,
                )
                .await
            }
            Event::Ping(data) if hooks.on_ping => {
                let parameters = (call, data.to_vec());
                self.tell("on_ping", socket, &functions.on_ping, parameters, limit)
                    .await
            }
            Event::Pong(data) if hooks.on_pong => {
                let parameters = (call, data.to_vec());
                self.tell("on_pong", socket, &functions.on_pong, parameters, limit)
                    .await
            }
            _ => Ok(Told::Well),
        }
    }

    /// The socket is closed: the end of the object.
    async fn close(
        &self,
        visitor: &Visitor,
        code: Option<u16>,
        reason: Option<String>,
    ) -> wasmtime::Result<SocketEnd> {
        if !self.socket_hooks().on_close {
            self.afterwards(&self.handler.release, (self.request,))
                .await?;
            return Ok(SocketEnd::Gone);
        }
        let parameters = (self.socket_call(visitor, true), code, reason);
        let on_close = &self.websocket()?.on_close;
        let limit = visitor.socket.limits.event_deadline.or(Some(ON_CLOSE));
        let told = self
            .tell("on_close", &visitor.socket, on_close, parameters, limit)
            .await?;
        Ok(match told {
            Told::Deaf => SocketEnd::Deaf,
            Told::Well | Told::Badly => SocketEnd::Gone,
        })
    }

    /// The object leaves this instance.
    async fn suspend(&self, visitor: &Visitor) -> wasmtime::Result<SocketEnd> {
        let ended = self.start(
            &self.websocket()?.suspend,
            (self.socket_call(visitor, true),),
        )?;
        let most = visitor.socket.limits.max_state;
        let why = match timeout(LET_GO, ended).await {
            Ok(ended) => match ended?.0 {
                Ok(state) if state.len() <= most => {
                    return Ok(SocketEnd::Leaves(Bytes::from(state)));
                }
                Ok(state) => format!(
                    "it leaves {} bytes, and `max_socket_state` is {most}",
                    state.len()
                ),
                Err(error) => error,
            },
            Err(_) => "it did not end within 5 s".to_owned(),
        };
        self.log_failure("suspend", &why);
        visitor.socket.fail();
        Ok(SocketEnd::Gone)
    }

    /// Calls a function that is told of something. One that fails closes the socket.
    async fn tell<P>(
        &self,
        name: &str,
        socket: &Socket,
        function: &Reaction<P>,
        parameters: P,
        limit: Option<Duration>,
    ) -> wasmtime::Result<Told>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
    {
        let mut ended = std::pin::pin!(self.start(function, parameters)?);
        let ended: Result<(), String> = match limit {
            None => ended.await?.0,
            Some(limit) => match timeout(limit, ended.as_mut()).await {
                Ok(ended) => ended?.0,
                Err(_) => {
                    let cancel = self.start(&self.handler.cancel, (self.request,))?;
                    let both = async { tokio::try_join!(ended, cancel) };
                    let Ok(both) = timeout(LET_GO, both).await else {
                        return Ok(Told::Deaf);
                    };
                    let _ = both?;
                    Err(format!("it did not end within {limit:?}"))
                }
            },
        };
        let Err(error) = ended else {
            return Ok(Told::Well);
        };
        self.log_failure(name, &error);
        socket.fail();
        Ok(Told::Badly)
    }

    /// Waits for a call of a request that may be cancelled. `None`: it was, and did not end.
    async fn unless_cancelled<R>(
        &self,
        ended: impl Future<Output = wasmtime::Result<R>>,
    ) -> wasmtime::Result<Option<R>> {
        tokio::pin!(ended);
        tokio::select! {
            biased;
            ended = &mut ended => Ok(Some(ended?)),
            () = self.exchange.cancelled() => {
                let cancel = self.start(&self.handler.cancel, (self.request,))?;
                let both = async { tokio::try_join!(ended, cancel) };
                match timeout(LET_GO, both).await {
                    Ok(both) => Ok(Some(both?.0)),
                    Err(_) => Ok(None),
                }
            }
        }
    }

    fn log_failure(&self, function: &str, error: &str) {
        let request = self.exchange.summary();
        let request_id = tracing::field::display(ShownId(&self.exchange));
        tracing::error!(target: "app", request_id, "uncaught error in `{function}` of {request}: {error}");
    }

    fn socket_call(&self, visitor: &Visitor, last: bool) -> SocketCall {
        SocketCall {
            request: self.request,
            handler: self.exchange.target.handler,
            socket: visitor.socket.id,
            last,
        }
    }

    fn socket_hooks(&self) -> SocketHooks {
        self.exchange.target.class.socket.unwrap_or_default()
    }

    fn websocket(&self) -> wasmtime::Result<&WebSocket> {
        // A class has such hooks only where the component has this interface.
        let websocket = self.context.guest.websocket.as_ref();
        websocket.ok_or_else(|| wasmtime::format_err!("the component has no WebSocket handlers"))
    }
}

/// How long `on_close` may take where events have no limit: nobody waits for it.
const ON_CLOSE: Duration = Duration::from_secs(30);

fn wire(message: Message) -> ReceivedMessage {
    match message {
        Message::Text(text) => ReceivedMessage::Text(text.into_string()),
        Message::Binary(bytes) => ReceivedMessage::Binary(bytes),
    }
}
