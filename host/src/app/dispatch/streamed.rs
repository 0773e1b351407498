//! The body of a response that its handler still makes: the guest's pieces become the connection's frames, compressed
//! where that is set. Takes a piece only when the connection asks for one.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use super::compress::Encoder;
use crate::guest::invoke::Sent;
use crate::guest::resources::Piece;

/// Longer pieces are compressed on a thread of their own, so that others do not wait for them.
const MAX_LENGTH_HERE: usize = 64 * 1024;

/// A body in pieces.
pub struct Streamed {
    pieces: Receiver<Piece>,
    /// The bytes that are still to come, where the length is known.
    left: Option<u64>,
    /// How long its handler may continue when nobody waits for it.
    deadline: Option<Duration>,
    coding: Coding,
    trailers: Option<HeaderMap>,
    /// The handler has ended it.
    is_whole: bool,
    /// The handler has broken it off.
    is_cut: bool,
}

enum Coding {
    None,
    Here(Encoder),
    Elsewhere(JoinHandle<io::Result<(Encoder, Vec<u8>)>>),
}

impl Streamed {
    /// `length`: the body's length, where that is known. `deadline`: how long its handler may continue when nobody
    /// waits for it.
    pub fn new(pieces: Receiver<Piece>, length: Option<u64>, deadline: Option<Duration>) -> Self {
        Self {
            pieces,
            left: length,
            deadline,
            coding: Coding::None,
            trailers: None,
            is_whole: false,
            is_cut: false,
        }
    }

    /// Compresses the pieces from now on, unless there will be none.
    pub fn encode(&mut self, encoder: Encoder) {
        if self.left != Some(0) {
            self.left = None;
            self.coding = Coding::Here(encoder);
        }
    }

    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            if let Coding::Elsewhere(job) = &mut self.coding {
                let done = ready!(Pin::new(job).poll(cx));
                let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
                let Some((encoder, bytes)) = unbroken(done) else {
                    return Poll::Ready(Some(Err(Cut)));
                };
                self.coding = Coding::Here(encoder);
                return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
            }
            if self.is_whole {
                let trailers = self.trailers.take();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let bytes = match ready!(self.pieces.poll_recv(cx)) {
                Some(Piece::Data(bytes)) => self.take(bytes),
                Some(Piece::End(trailers)) => {
                    self.is_whole = true;
                    self.trailers = trailers;
                    match std::mem::replace(&mut self.coding, Coding::None) {
                        Coding::Here(encoder) => unbroken(encoder.end()).map(Bytes::from),
                        _ => continue,
                    }
                }
                None if self.is_cut => None,
                None => {
                    // Polled once more, so that the connection sends what it has.
                    self.is_cut = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            };
            match bytes {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => return Poll::Ready(Some(Err(Cut))),
            }
        }
    }

    /// What can be sent of a piece now. `None`: compressing failed.
    fn take(&mut self, piece: Bytes) -> Option<Bytes> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        match std::mem::replace(&mut self.coding, Coding::None) {
            Coding::Here(mut encoder) if piece.len() > MAX_LENGTH_HERE => {
                self.coding = Coding::Elsewhere(tokio::task::spawn_blocking(move || {
                    let bytes = encoder.piece(&piece)?;
                    Ok((encoder, bytes))
                }));
                Some(Bytes::new())
            }
            Coding::Here(mut encoder) => {
                let bytes = unbroken(encoder.piece(&piece))?;
                self.coding = Coding::Here(encoder);
                Some(bytes.into())
            }
            _ => Some(piece),
        }
    }

    /// Whether the connection needs no more of it.
    pub fn is_end_stream(&self) -> bool {
        self.left == Some(0) || (self.is_whole && self.trailers.is_none())
    }

    pub fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Tells the request why the connection drops this.
    pub fn tell(&self, sent: &Sent) {
        if self.is_whole || self.is_cut {
            return;
        }
        match self.left {
            Some(0) => sent.nobody_waits(self.deadline),
            _ => sent.client_gone(self.deadline),
        }
    }
}

fn unbroken<T>(encoded: io::Result<T>) -> Option<T> {
    encoded
        .inspect_err(|error| {
            tracing::error!(target: "general", "a body can't be compressed: {error}");
        })
        .ok()
}

/// The error of a body that is not whole, because its handler broke it off. It ends the connection, so that no client
/// takes the body for whole.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler broke its response off")
    }
}

impl std::error::Error for Cut {}
