//! One request and the head of its response, within the time limits. Sent again, where a kept connection was closed.
//! Does not decide which servers may be reached.

use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use tokio::time::{Instant, timeout_at};

use super::again::{Answered, Untouched};
use super::fault::Fault;
use super::{CONNECT_TIMEOUT, OTHER_TIMEOUT, Outgoing, Pooled, Timeouts};

/// The deadlines of an exchange.
pub struct Until {
    timeouts: Timeouts,
    pub connected: Instant,
    /// The deadline of the response, once there was a connection.
    responded: Option<Instant>,
}

impl Until {
    pub fn new(timeouts: Timeouts) -> Self {
        let connect = timeouts.connect.unwrap_or(CONNECT_TIMEOUT);
        Self {
            timeouts,
            connected: after(connect),
            responded: None,
        }
    }

    /// The deadline of the response's head. It counts from the first connection, even if there are several.
    fn responded(&mut self) -> Instant {
        let first_byte = self.timeouts.first_byte.unwrap_or(OTHER_TIMEOUT);
        *self.responded.get_or_insert_with(|| after(first_byte))
    }

    /// Another connection is needed.
    fn reconnect(&mut self) {
        let responded = self.responded();
        self.connected = Self::new(self.timeouts).connected.min(responded);
    }
}

/// The moment after this time. One that is out of range becomes the farthest possible.
fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + OTHER_TIMEOUT)
}

/// Why there is no response.
pub enum Failed {
    Late(Fault),
    Client(legacy::Error),
}

impl Failed {
    pub fn fault(self) -> Fault {
        match self {
            Self::Late(fault) => fault,
            Self::Client(error) => Fault::of_client(error),
        }
    }
}

/// Sends a request, perhaps by a kept connection. If the server has closed that, the request is sent again, once, by a
/// new connection. It must be idempotent, and none of its body was sent. hyper itself sends again only what it had not
/// begun to write.
pub async fn twice_at_most(
    client: &Pooled,
    afresh: impl FnOnce() -> Pooled,
    head: Parts,
    body: Outgoing,
    until: &mut Until,
) -> Result<Response<Incoming>, Failed> {
    if !head.method.is_idempotent() {
        return attempt(client, head, Untouched::last(body), until).await;
    }
    let same = head.clone();
    let (body, untouched) = Untouched::new(body);
    match attempt(client, head, body, until).await {
        Err(Failed::Client(error)) if Answered::before(&error) => {
            // The body is given back as soon as the connection is done with it.
            match timeout_at(until.responded(), untouched).await {
                Ok(Ok(body)) => {
                    until.reconnect();
                    attempt(&afresh(), same, Untouched::last(body), until).await
                }
                _ => Err(Failed::Client(error)),
            }
        }
        other => other,
    }
}

/// Sends a request, and waits for the head of its response.
pub async fn attempt(
    client: &Pooled,
    head: Parts,
    body: Untouched,
    until: &mut Until,
) -> Result<Response<Incoming>, Failed> {
    let mut request = Request::from_parts(head, body);
    let mut connected = capture_connection(&mut request);
    let mut responding = std::pin::pin!(client.request(request));
    let connecting = async {
        tokio::select! {
            biased;
            response = &mut responding => Some(response),
            _ = connected.wait_for_connection_metadata() => None,
        }
    };
    let connecting = timeout_at(until.connected, connecting).await;
    let response = match connecting.map_err(|_| Failed::Late(Fault::ConnectTimeout))? {
        Some(response) => response,
        None => {
            let response = timeout_at(until.responded(), responding).await;
            response.map_err(|_| Failed::Late(Fault::ReadTimeout))?
        }
    };
    let response = response.map_err(Failed::Client)?;
    Answered::note(&response);
    Ok(response)
}
