//! A request after which its connection speaks another protocol. Knows none of them.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::response;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use super::again::Untouched;
use super::connect::Stream;
use super::exchange::{Failed, Until, attempt};
use super::fault::Fault;
use super::origin::Origin;
use super::trust::Versions;
use super::{Access, Timeouts};

/// The status of a connection that speaks another protocol from then on (RFC 9110, section 15.2.2).
const SWITCHING_PROTOCOLS: u16 = 101;

/// What a server has answered.
pub struct Answer {
    pub head: response::Parts,
    /// `None`: a usual response, whose body nobody reads.
    pub upgraded: Option<Upgraded>,
}

/// A connection that speaks the other protocol. It has a turn under `max_clients`.
pub struct Upgraded {
    pub stream: Stream,
    /// What has come behind the head of the response.
    pub read: Bytes,
    pub turn: Option<OwnedSemaphorePermit>,
}

impl Access {
    /// Waits for a turn, and asks a server for another protocol, over a connection of its own. `within`: the time limit
    /// for all of it.
    pub async fn upgrade(&self, mut head: Parts, within: Duration) -> Result<Answer, Fault> {
        let origin = Origin::of(&head.uri).ok_or(Fault::Uri)?;
        let way = self.way(&origin)?;
        // The URI that was checked is the one that is dialled and sent to the server.
        head.uri = origin.uri(head.uri).ok_or(Fault::Uri)?;
        self.settle_host(&mut head.headers, &origin, way)?;
        let mut until = Until::new(Timeouts {
            connect: Some(within),
            first_byte: Some(within),
            between_bytes: None,
        });
        let end = until.connected;
        let asking = async {
            let turn = self.turns.clone().acquire_owned().await.ok();
            let settings = self.clients.settings.load_full();
            let client = self.clients.unpooled(way, Versions::Upgraded, &settings);
            let nothing = Empty::new().map_err(|never| match never {});
            let nothing = Untouched::last(nothing.boxed_unsync());
            let response = attempt(&client, head, nothing, &mut until).await;
            let mut response = response.map_err(Failed::fault)?;
            let upgrade = hyper::upgrade::on(&mut response);
            let (head, _) = response.into_parts();
            if head.status.as_u16() != SWITCHING_PROTOCOLS {
                return Ok(Answer {
                    head,
                    upgraded: None,
                });
            }
            let upgraded = upgrade.await.map_err(Fault::of_body)?;
            let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else {
                return Err(Fault::Protocol("another connection".to_owned()));
            };
            Ok(Answer {
                head,
                upgraded: Some(Upgraded {
                    stream: parts.io.into_inner(),
                    read: parts.read_buf,
                    turn,
                }),
            })
        };
        let asked = timeout_at(end, asking).await;
        asked.map_err(|_| Fault::ConnectTimeout)?
    }
}
