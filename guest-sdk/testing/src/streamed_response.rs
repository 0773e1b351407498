//! A response whose body is still to come.

use std::fmt;
use std::io::{self, Read};

use ureq::BodyReader;
use ureq::http::HeaderMap;

use crate::HttpResponse;

/// How much [`StreamedResponse::body_chunk`] returns at most.
const CHUNK: usize = 64 * 1024;

/// The response of [`App::fetch_streaming`](crate::App::fetch_streaming): its head, and the body while it arrives. When
/// this is dropped before the end, the connection is closed, and the client is gone.
///
/// It is a [`Read`]er, too: `BufReader::new(response).lines()` reads line by line.
pub struct StreamedResponse {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) effective_url: String,
    pub(crate) body: BodyReader<'static>,
}

impl StreamedResponse {
    /// The status code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header of this name, in any case, where its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where it came from, after all redirects.
    pub fn effective_url(&self) -> &str {
        &self.effective_url
    }

    /// What has arrived since the last chunk, at least one byte; `None` at the end. Where the pieces begin and end is
    /// the network's choice, not the handler's.
    ///
    /// # Panics
    ///
    /// Where the body is cut off, or its time is over.
    #[track_caller]
    pub fn body_chunk(&mut self) -> Option<Vec<u8>> {
        let mut chunk = vec![0; CHUNK];
        let read = self.body.read(&mut chunk);
        let length = read.unwrap_or_else(|error| panic!("{}: {error}", self.effective_url));
        chunk.truncate(length);
        Some(chunk).filter(|chunk| !chunk.is_empty())
    }

    /// All of it.
    #[track_caller]
    pub(crate) fn whole(mut self) -> HttpResponse {
        let mut body = Vec::new();
        if let Err(error) = self.body.read_to_end(&mut body) {
            panic!("{}: {error}", self.effective_url);
        }
        HttpResponse {
            code: self.code,
            headers: self.headers,
            body,
            effective_url: self.effective_url,
        }
    }
}

impl Read for StreamedResponse {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.body.read(into)
    }
}

impl fmt::Debug for StreamedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedResponse")
            .field("code", &self.code)
            .field("effective_url", &self.effective_url)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
