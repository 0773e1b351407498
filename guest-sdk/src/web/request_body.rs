//! A request's body as it arrives: its limits, the parts of a form one after the other, and what follows its end. Whole
//! bodies are `request`'s.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use multer::{Field, Multipart};

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::request_body as host;
use crate::runtime::durations::nanoseconds;
use crate::web::multipart::{self, Disposition, MAX_PART_HEADER_SIZE};
use crate::web::request::Request;

impl Request {
    /// Sets how many bytes the body may have: as many as the handler's `max_body_size` allows, or fewer. Reading more
    /// fails with [`HttpError`](crate::HttpError) 413. Tornado's `request.connection.set_max_body_size`, for `prepare`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn prepare(cx: &Context) -> Result {
    /// if cx.get_cookie("user").is_none() {
    ///     cx.request().set_max_body_size(100_000);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_max_body_size(&self, bytes: u64) {
        host::set_max_size(self.number(), bytes);
    }

    /// Sets how long the body may take from its first read on: as long as the handler's `body_timeout` allows, or less.
    /// Reading fails after that with [`HttpError`](crate::HttpError) 408. Tornado's
    /// `request.connection.set_body_timeout`, for `prepare`.
    pub fn set_body_timeout(&self, timeout: Duration) {
        host::set_timeout(self.number(), nanoseconds(timeout));
    }

    /// The trailers: fields that followed the body. They are here once its end was read; before, there are none.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn put(cx: &Context) -> Result {
    /// while let Some(piece) = cx.request().body_chunk().await? {
    ///     log::debug!("{} bytes", piece.len());
    /// }
    /// let checksum = cx.request().trailers().get("x-checksum").cloned();
    /// # Ok(())
    /// # }
    /// ```
    pub fn trailers(&self) -> HeaderMap {
        let parse = |(name, value): (String, Vec<u8>)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        let mut trailers = HeaderMap::new();
        for (name, value) in host::trailers(self.number()).into_iter().filter_map(parse) {
            trailers.append(name, value);
        }
        trailers
    }

    /// The parts of a body of type `multipart/form-data`, one after the other as they arrive, so that a large file need
    /// not be in memory. What was taken is gone: after it there are no [`files`](Self::files) and no arguments.
    ///
    /// [`HttpError`](crate::HttpError) 400 for a body of another type, or one that was encoded. There are 100 parts at
    /// most, each with up to 10 KB of headers.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// let mut parts = cx.request().parts()?;
    /// while let Some(mut part) = parts.next().await? {
    ///     let mut bytes = 0;
    ///     while let Some(chunk) = part.chunk().await? {
    ///         bytes += chunk.len();
    ///     }
    ///     cx.write(format!("{}: {bytes} bytes\n", part.base_name().unwrap_or(part.name())))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn parts(&self) -> Result<Parts<'_>> {
        let content_type = self.content_type();
        let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
        let boundary = multipart::boundary(content_type.unwrap_or_default());
        let boundary = boundary.map_err(|error| multipart::invalid(&error))?;
        self.refuse_encoded()?;
        Ok(Parts::new(self, boundary))
    }
}

/// The parts of a form, as they arrive: what [`Request::parts`] returns.
#[derive(Debug)]
pub struct Parts<'a> {
    source: Source<'a>,
    multipart: Multipart<'static>,
    /// The part that was handed out last.
    field: Option<Field<'static>>,
    count: usize,
}

/// One part of a form that is on its way.
#[derive(Debug)]
pub struct Part<'a, 'r> {
    parts: &'a mut Parts<'r>,
    disposition: Disposition,
    headers: HeaderMap,
}

impl<'r> Parts<'r> {
    fn new(request: &'r Request, boundary: String) -> Self {
        let inbox = Inbox::default();
        Self {
            multipart: Multipart::new(inbox.clone(), boundary),
            source: Source { request, inbox },
            field: None,
            count: 0,
        }
    }

    /// The next part; none after the last. What was not read of the one before is passed over.
    ///
    /// [`HttpError`](crate::HttpError) 400 where the body is no such form, else fails as [`Request::body`] does.
    pub async fn next(&mut self) -> Result<Option<Part<'_, 'r>>> {
        while self.chunk().await?.is_some() {}
        self.field = None;
        let multipart = &mut self.multipart;
        // Until its headers are whole, all that came is kept.
        let next = self
            .source
            .feed(Some(MAX_PART_HEADER_SIZE), |task| {
                multipart.poll_next_field(task)
            })
            .await?;
        let Some(field) = next.map_err(|error| multipart::invalid(&error.into()))? else {
            return Ok(None);
        };
        self.count += 1;
        let disposition = multipart::check(self.count, field.headers());
        let disposition = disposition.map_err(|error| multipart::invalid(&error))?;
        let headers = field.headers().clone();
        self.field = Some(field);
        Ok(Some(Part {
            parts: self,
            disposition,
            headers,
        }))
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(field) = &mut self.field else {
            return Ok(None);
        };
        let chunk = self
            .source
            .feed(None, |task| Pin::new(&mut *field).poll_next(task));
        let chunk = chunk.await?.transpose();
        chunk.map_err(|error| multipart::invalid(&error.into()))
    }
}

impl Part<'_, '_> {
    /// The name of its field.
    pub fn name(&self) -> &str {
        &self.disposition.name
    }

    /// The name of the file as the client sent it; none where it is no file. It may be a path: see
    /// [`base_name`](Self::base_name).
    pub fn filename(&self) -> Option<&str> {
        self.disposition.filename.as_deref()
    }

    /// What follows the last `/` or `\` of the file's name, where that can be a name; see
    /// [`HttpFile::base_name`](crate::web::HttpFile::base_name).
    pub fn base_name(&self) -> Option<&str> {
        multipart::base_name(self.filename()?)
    }

    /// The type that the client says it has; `application/unknown` where it says none.
    pub fn content_type(&self) -> String {
        multipart::content_type_of(&self.headers)
    }

    /// All its headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next piece of what is in it, never empty; none at its end.
    ///
    /// Fails as [`Parts::next`] does.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.parts.chunk().await? {
                Some(chunk) if chunk.is_empty() => {}
                chunk => return Ok(chunk),
            }
        }
    }
}

/// Where the pieces of a body come from. `multer` wants a stream that may go to other threads, and what asks the host
/// may not: so the pieces are fetched here, and put where it finds them.
#[derive(Debug)]
struct Source<'a> {
    request: &'a Request,
    inbox: Inbox,
}

impl Source<'_> {
    /// Polls until it is ready, with another piece of the body each time it is not. `most` is how many bytes may be
    /// fetched before it is.
    async fn feed<T>(
        &self,
        most: Option<usize>,
        mut poll: impl FnMut(&mut task::Context<'_>) -> Poll<T>,
    ) -> Result<T> {
        let mut fetched = 0;
        loop {
            if let Poll::Ready(value) = poll_fn(|task| Poll::Ready(poll(task))).await {
                return Ok(value);
            }
            if self.inbox.is_over() {
                return Err(multipart::invalid(&anyhow!("it ends too early")));
            }
            if most.is_some_and(|most| fetched > most) {
                return Err(multipart::invalid(&anyhow!("part header too large")));
            }
            let piece = self.request.body_chunk().await?;
            fetched += piece.as_ref().map_or(0, Vec::len);
            self.inbox.put(piece.map(Bytes::from));
        }
    }
}

/// Pieces that `multer` is still to take.
#[derive(Clone, Debug, Default)]
struct Inbox(Arc<Mutex<(VecDeque<Bytes>, bool)>>);

impl Inbox {
    /// `None`: there will be no more.
    fn put(&self, piece: Option<Bytes>) {
        let mut inbox = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match piece {
            Some(piece) => inbox.0.push_back(piece),
            None => inbox.1 = true,
        }
    }

    /// Whether all was taken, and there will be no more.
    fn is_over(&self) -> bool {
        let inbox = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.0.is_empty() && inbox.1
    }
}

impl Stream for Inbox {
    type Item = Result<Bytes, Infallible>;

    /// Wakes nothing: the one that polls puts something in first.
    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let mut inbox = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (inbox.0.pop_front(), inbox.1) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, true) => Poll::Ready(None),
            (None, false) => Poll::Pending,
        }
    }
}
