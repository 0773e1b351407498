//! A response that is sent while its handler continues. One piece at a time goes from the guest's end to the
//! connection's. Owns its state; sends nothing over the network.

use std::fmt;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::sync::mpsc;

use super::{Head, lock};

/// How many pieces wait for the connection to take them.
const WAITING: usize = 1;

/// What goes from one end to the other.
#[derive(Debug)]
pub enum Piece {
    Data(Bytes),
    /// The body is whole. A body without this was broken off.
    End(Option<HeaderMap>),
}

/// A response that has begun, for the connection.
#[derive(Debug)]
pub struct StreamedResponse {
    pub head: Head,
    /// The length of the body, if it is known.
    pub length: Option<u64>,
    /// Whether the response may have a body, by the rules of HTTP.
    pub has_body: bool,
    pub pieces: mpsc::Receiver<Piece>,
}

/// The guest's end.
pub struct Stream {
    has_body: bool,
    /// Which trailers the head announced.
    announced: Vec<HeaderName>,
    state: Mutex<State>,
}

struct State {
    /// `None` after the end, whole or broken off.
    pieces: Option<mpsc::Sender<Piece>>,
    /// Whether a piece waits to be sent.
    is_busy: bool,
    /// The bytes that are still to come, where the length is known.
    left: Option<u64>,
    trailers: Option<HeaderMap>,
}

/// Why a piece or the end was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The client is gone, or the response was broken off.
    Gone,
    Busy,
    TooMuch,
    TooLittle,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the client is gone, or the response is over",
            Self::Busy => "another flush of this response is under way",
            Self::TooMuch => "the handler wrote more than its Content-Length says",
            Self::TooLittle => "the handler wrote less than its Content-Length says",
        })
    }
}

impl Stream {
    /// Makes both ends of a response. `has_body`: it may have a body, by the rules of HTTP.
    pub(super) fn new(head: Head, has_body: bool) -> Result<(Self, StreamedResponse), String> {
        let length = head.content_length()?;
        let announced = head.headers.get_all(header::TRAILER).iter();
        let announced = announced
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        let (sender, receiver) = mpsc::channel(WAITING);
        let stream = Self {
            has_body,
            announced,
            state: Mutex::new(State {
                pieces: Some(sender),
                is_busy: false,
                left: length.filter(|_| has_body),
                trailers: None,
            }),
        };
        let begun = StreamedResponse {
            head,
            length,
            has_body,
            pieces: receiver,
        };
        Ok((stream, begun))
    }

    /// Hands over a piece as soon as the connection has taken the one before. If the wait is dropped, the response is
    /// broken off, because the piece would be missing in it.
    pub async fn send(&self, piece: Bytes) -> Result<(), Wrong> {
        let pieces = {
            let mut state = lock(&self.state);
            let Some(pieces) = state.pieces.clone() else {
                return Err(Wrong::Gone);
            };
            if state.is_busy {
                return Err(Wrong::Busy);
            }
            if !self.has_body || (piece.is_empty() && state.left == Some(0)) {
                return Ok(());
            }
            if let Some(left) = state.left {
                match left.checked_sub(piece.len() as u64) {
                    Some(less) => state.left = Some(less),
                    None => {
                        state.pieces = None;
                        return Err(Wrong::TooMuch);
                    }
                }
            }
            if piece.is_empty() {
                return if pieces.is_closed() {
                    Err(Wrong::Gone)
                } else {
                    Ok(())
                };
            }
            state.is_busy = true;
            pieces
        };
        let mut waiting = Waiting {
            stream: self,
            is_over: false,
        };
        // A flush is a wait even for a fast client. It ends the run, so that others have their turn.
        tokio::task::yield_now().await;
        let sent = pieces.send(Piece::Data(piece)).await;
        waiting.is_over = true;
        sent.map_err(|_| Wrong::Gone)
    }

    /// Ends the response with the last of its body.
    pub async fn end(&self, last: Bytes) -> Result<(), Wrong> {
        let sent = self.send(last).await;
        let (pieces, left, trailers) = {
            let mut state = lock(&self.state);
            (state.pieces.take(), state.left, state.trailers.take())
        };
        match sent {
            Ok(()) if left.is_some_and(|left| left > 0) => Err(Wrong::TooLittle),
            Ok(()) => {
                if let Some(pieces) = pieces {
                    // The error means that the client is gone. The body is whole all the same.
                    let _ = pieces.send(Piece::End(trailers)).await;
                }
                Ok(())
            }
            // This is not the handler's fault.
            Err(Wrong::Gone) => Ok(()),
            Err(wrong) => Err(wrong),
        }
    }

    /// Breaks the response off, unless it has ended. Returns whether it was broken off.
    pub fn cut(&self) -> bool {
        lock(&self.state).pieces.take().is_some()
    }

    /// Whether the connection waits for more.
    pub fn is_open(&self) -> bool {
        let state = lock(&self.state);
        let pieces = state.pieces.as_ref();
        pieces.is_some_and(|pieces| !pieces.is_closed())
    }

    pub fn set_trailers(&self, trailers: HeaderMap) -> Result<(), String> {
        for name in trailers.keys() {
            if !self.announced.contains(name) {
                return Err(format!("the header `Trailer` does not name `{name}`"));
            }
            if !may_follow(name) {
                return Err(format!("`{name}` may not stand in a trailer"));
            }
        }
        lock(&self.state).trailers = Some(trailers);
        Ok(())
    }
}

/// Whether a field is allowed as a trailer (RFC 9110, section 6.5.1).
fn may_follow(name: &HeaderName) -> bool {
    !matches!(
        *name,
        header::AUTHORIZATION
            | header::CACHE_CONTROL
            | header::CONTENT_ENCODING
            | header::CONTENT_LENGTH
            | header::CONTENT_RANGE
            | header::CONTENT_TYPE
            | header::HOST
            | header::LOCATION
            | header::MAX_FORWARDS
            | header::SET_COOKIE
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::VARY
            | header::WWW_AUTHENTICATE
    )
}

/// A piece that waits to be sent.
struct Waiting<'a> {
    stream: &'a Stream,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.stream.state);
        state.is_busy = false;
        if !self.is_over {
            state.pieces = None;
        }
    }
}

/// Makes a head as HTTP needs it: a handler's empty `ETag` means that there is none.
pub(super) fn without_empty_etag(headers: &mut HeaderMap) {
    if headers.get(header::ETAG).is_some_and(HeaderValue::is_empty) {
        headers.remove(header::ETAG);
    }
}
