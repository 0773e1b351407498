//! The stream: what is read waits in a buffer until there is enough of it; what is written goes out in its order.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};

use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::iostream::error::StreamError;
use crate::iostream::readiness::Readiness;
use crate::runtime::bindings::waterspout::tcp::iostream::TcpStream;
use crate::runtime::kept::{Kept, Wait};

/// As Tornado's `max_buffer_size` limits it, and less: the buffer is in the instance's memory.
pub(crate) const MAX_BUFFER_SIZE: usize = 10 * 1024 * 1024;

/// How many bytes are read by one call of the host, which takes as many at once.
const READ: usize = 32 * 1024;

/// How many bytes are written by one.
const WRITTEN: usize = 64 * 1024;

/// A stream of bytes in both directions. Tornado's
/// [`IOStream`](https://www.tornadoweb.org/en/stable/iostream.html#tornado.iostream.IOStream).
///
/// A clone is the same stream, for another task of the instance: one may read while another writes. When the last one is
/// dropped the stream is closed; what was written before goes out. One that is kept in a `thread_local!` lasts as long as
/// the instance.
///
/// A read that is dropped before it is ready loses nothing: the next one begins where it began. A write that is dropped
/// has written a part.
#[derive(Clone)]
pub struct IoStream(Rc<Open>);

struct Open {
    /// Of one reader at a time. Dropped before the stream.
    reading: Mutex<Reading>,
    /// For one writer at a time.
    turn: Semaphore,
    max_buffer_size: Cell<usize>,
    is_encrypted: Cell<bool>,
    is_closed: Cell<bool>,
    /// Of a stream that its client has opened.
    readiness: Option<Rc<Readiness>>,
    stream: Rc<TcpStream>,
}

#[derive(Default)]
struct Reading {
    wait: Kept,
    buffer: Vec<u8>,
    /// How much of the buffer's beginning was handed out.
    taken: usize,
}

impl IoStream {
    /// A stream to a server.
    pub(crate) fn connected(stream: TcpStream, is_encrypted: bool, max_buffer_size: usize) -> Self {
        Self::new(stream, is_encrypted, max_buffer_size, None)
    }

    /// A stream that its client has opened.
    pub(crate) fn opened(stream: TcpStream, is_encrypted: bool, readiness: Rc<Readiness>) -> Self {
        Self::new(stream, is_encrypted, MAX_BUFFER_SIZE, Some(readiness))
    }

    fn new(
        stream: TcpStream,
        is_encrypted: bool,
        max_buffer_size: usize,
        readiness: Option<Rc<Readiness>>,
    ) -> Self {
        Self(Rc::new(Open {
            reading: Mutex::default(),
            turn: Semaphore::new(1),
            max_buffer_size: Cell::new(max_buffer_size),
            is_encrypted: Cell::new(is_encrypted),
            is_closed: Cell::new(false),
            readiness,
            stream: Rc::new(stream),
        }))
    }

    /// How many bytes that were not read yet may be in the instance's memory. 10 MiB unless this says otherwise; Tornado's
    /// `max_buffer_size` is 100 by default.
    pub fn set_max_buffer_size(&self, bytes: usize) {
        self.0.max_buffer_size.set(bytes.max(1));
    }

    /// Reads up to the delimiter, and returns what came with it. Without one within
    /// [`max_buffer_size`](Self::set_max_buffer_size) bytes the stream is closed.
    pub async fn read_until(&self, delimiter: impl AsRef<[u8]>) -> Result<Vec<u8>, StreamError> {
        self.read_until_with_max_bytes(delimiter, usize::MAX).await
    }

    /// The same, within this many bytes, the delimiter included. Without one there the stream is closed, and the error is
    /// [`StreamError::Unsatisfiable`].
    pub async fn read_until_with_max_bytes(
        &self,
        delimiter: impl AsRef<[u8]>,
        max_bytes: usize,
    ) -> Result<Vec<u8>, StreamError> {
        let delimiter = delimiter.as_ref();
        let mut seen = 0;
        let find = |bytes: &[u8]| {
            // A part of the delimiter may be in what was seen.
            let from = (seen + 1_usize).saturating_sub(delimiter.len());
            let end = end_of(delimiter, &bytes[from..]).map(|end| from + end);
            seen = bytes.len();
            end
        };
        self.read_found(find, max_bytes).await
    }

    /// Reads until `find` returns how many bytes of all that has come are to be read; it is asked again whenever more has
    /// come. Tornado's `read_until_regex`, for which `find` is `|bytes| regex.find(bytes).map(|found| found.end())` with a
    /// `regex::bytes::Regex`. Without a match within `max_bytes` the stream is closed.
    pub async fn read_until_match(
        &self,
        find: impl FnMut(&[u8]) -> Option<usize>,
        max_bytes: usize,
    ) -> Result<Vec<u8>, StreamError> {
        self.read_found(find, max_bytes).await
    }

    async fn read_found(
        &self,
        mut find: impl FnMut(&[u8]) -> Option<usize>,
        max_bytes: usize,
    ) -> Result<Vec<u8>, StreamError> {
        let mut reading = match self.0.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) => self.0.reading.lock().await,
        };
        let mut looked = None;
        loop {
            let waiting = reading.waiting().len();
            if waiting > 0 && looked != Some(waiting) {
                looked = Some(waiting);
                if let Some(end) = find(reading.waiting()) {
                    if end > max_bytes {
                        return Err(self.close_for(StreamError::Unsatisfiable(max_bytes)));
                    }
                    return Ok(reading.take(end));
                }
                if waiting >= max_bytes {
                    return Err(self.close_for(StreamError::Unsatisfiable(max_bytes)));
                }
            }
            self.more(&mut reading).await?;
        }
    }

    /// Reads exactly this many bytes.
    pub async fn read_bytes(&self, bytes: usize) -> Result<Vec<u8>, StreamError> {
        let mut reading = self.0.reading.lock().await;
        while reading.waiting().len() < bytes {
            self.more(&mut reading).await?;
        }
        Ok(reading.take(bytes))
    }

    /// Reads up to this many bytes, as soon as there are any. Tornado's `read_bytes(n, partial=True)`.
    pub async fn read_bytes_partial(&self, most: usize) -> Result<Vec<u8>, StreamError> {
        let mut reading = self.0.reading.lock().await;
        if reading.waiting().is_empty() && most > 0 {
            self.more(&mut reading).await?;
        }
        Ok(reading.take(most))
    }

    /// Fills the buffer.
    pub async fn read_into(&self, buffer: &mut [u8]) -> Result<(), StreamError> {
        let mut reading = self.0.reading.lock().await;
        while reading.waiting().len() < buffer.len() {
            self.more(&mut reading).await?;
        }
        buffer.copy_from_slice(&reading.waiting()[..buffer.len()]);
        reading.skip(buffer.len());
        Ok(())
    }

    /// Reads what has come into the buffer, as soon as there is anything, and returns how many bytes that are. Tornado's
    /// `read_into(buffer, partial=True)`.
    pub async fn read_into_partial(&self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let mut reading = self.0.reading.lock().await;
        if reading.waiting().is_empty() && !buffer.is_empty() {
            self.more(&mut reading).await?;
        }
        let part = reading.waiting().len().min(buffer.len());
        buffer[..part].copy_from_slice(&reading.waiting()[..part]);
        reading.skip(part);
        Ok(part)
    }

    /// Reads all that comes until the other side closes.
    pub async fn read_until_close(&self) -> Result<Vec<u8>, StreamError> {
        let mut reading = self.0.reading.lock().await;
        loop {
            match self.more(&mut reading).await {
                Ok(()) => {}
                Err(StreamError::Closed(None)) => {
                    let all = reading.waiting().len();
                    return Ok(reading.take(all));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads on, once there is something to read.
    async fn more(&self, reading: &mut Reading) -> Result<(), StreamError> {
        let most = self.0.max_buffer_size.get();
        if reading.waiting().len() >= most {
            return Err(self.close_for(StreamError::BufferFull(most)));
        }
        let told = match &self.0.readiness {
            Some(readiness) => self.read_when_told(readiness, most).await,
            None => None,
        };
        let read = match told {
            Some(read) => read?,
            None => self.read_on(&mut reading.wait, most).await?,
        };
        reading.put(read);
        Ok(())
    }

    /// Reads where it is told when there is something to read. `None`: it is not.
    async fn read_when_told(
        &self,
        readiness: &Readiness,
        most: usize,
    ) -> Option<Result<Vec<u8>, StreamError>> {
        let piece = most.min(READ);
        poll_fn(|task| {
            loop {
                if !readiness.is_told() {
                    return Poll::Ready(None);
                }
                ready!(readiness.poll_ready(task));
                let read = match self.0.stream.read(size(piece)) {
                    Ok(read) => read,
                    // It stays as it is, so nobody waits for more.
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                };
                if read.len() < piece {
                    readiness.clear();
                }
                if !read.is_empty() {
                    return Poll::Ready(Some(Ok(read)));
                }
            }
        })
        .await
    }

    /// Reads in any task.
    async fn read_on(&self, wait: &mut Kept, most: usize) -> Result<Vec<u8>, StreamError> {
        let stream = &self.0.stream;
        let begin = || -> Wait {
            let stream = stream.clone();
            Box::pin(async move { stream.readable().await })
        };
        let take = || match stream.read(size(most.min(READ))) {
            Ok(bytes) if bytes.is_empty() => None,
            read => Some(read),
        };
        let read = poll_fn(|task| wait.poll_taken(task, begin, take)).await?;
        Ok(read)
    }

    fn close_for(&self, error: StreamError) -> StreamError {
        self.close();
        error
    }

    /// Writes all of it. It waits only while the system takes no more, which is as long as the other side does not read;
    /// so [`with_timeout`](crate::gen_::with_timeout) fits. What several tasks write does not mix.
    pub async fn write(&self, data: impl AsRef<[u8]>) -> Result<(), StreamError> {
        let _turn = match self.0.turn.try_acquire() {
            Ok(turn) => Ok(turn),
            Err(_) => self.0.turn.acquire().await,
        };
        let mut rest = data.as_ref();
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(WRITTEN)];
            match self.0.stream.write(piece)? {
                0 => self.0.stream.writable().await?,
                written => rest = &rest[written as usize..],
            }
        }
        if self.0.is_encrypted.get() {
            // TLS may have kept some of it.
            self.0.stream.writable().await?;
        }
        Ok(())
    }

    /// Says that nothing more is written. What comes can be read as before.
    pub async fn close_writing(&self) -> Result<(), StreamError> {
        let _turn = self.0.turn.acquire().await;
        Ok(self.0.stream.close_writing().await?)
    }

    /// Closes the stream. What was written before goes out; what has come and was not read is lost.
    pub fn close(&self) {
        self.0.is_closed.set(true);
        self.0.stream.close();
    }

    /// Whether it was closed here.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed.get()
    }

    /// Waits until the other side has closed, also if nothing is read. Tornado's `set_close_callback`. Up to 64 KiB may
    /// wait to be read; behind more the end is not seen.
    pub async fn closed(&self) {
        self.0.stream.ended().await;
    }

    /// Begins TLS as the client of this server: its certificate has to be for `host`. Nothing that came before may be
    /// unread. Tornado's
    /// [`start_tls`](https://www.tornadoweb.org/en/stable/iostream.html#tornado.iostream.IOStream.start_tls).
    pub async fn start_tls(&self, host: &str) -> Result<(), StreamError> {
        let _reading = self.all_read().await?;
        self.0.stream.start_tls(host.to_owned()).await?;
        self.0.is_encrypted.set(true);
        Ok(())
    }

    /// Begins TLS as the server, with the certificates that `[[tcp]]` of the configuration names: its `tls` says
    /// `start = false`. Nothing that came before may be unread. Tornado's `start_tls(server_side=True)`.
    pub async fn start_tls_as_server(&self) -> Result<(), StreamError> {
        let _reading = self.all_read().await?;
        self.0.stream.accept_tls().await?;
        self.0.is_encrypted.set(true);
        Ok(())
    }

    async fn all_read(&self) -> Result<MutexGuard<'_, Reading>, StreamError> {
        let reading = self.0.reading.lock().await;
        if reading.waiting().is_empty() {
            return Ok(reading);
        }
        let why = "something has come that was not read, and TLS would lose it";
        Err(StreamError::Invalid(why.to_owned()))
    }

    /// Whether small pieces go out immediately, which they do unless this says otherwise.
    pub fn set_nodelay(&self, nodelay: bool) {
        self.0.stream.set_nodelay(nodelay);
    }

    /// The other side, such as `192.0.2.1:5432`. Empty for a unix socket.
    pub fn remote_address(&self) -> String {
        self.0.stream.remote_address()
    }

    /// This side.
    pub fn local_address(&self) -> String {
        self.0.stream.local_address()
    }
}

impl Reading {
    fn waiting(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn put(&mut self, bytes: Vec<u8>) {
        if self.waiting().is_empty() {
            // Most often all is taken by the next read: nothing is copied.
            self.buffer = bytes;
        } else {
            self.buffer.drain(..self.taken);
            self.buffer.extend_from_slice(&bytes);
        }
        self.taken = 0;
    }

    fn skip(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.waiting().is_empty() {
            // Most streams are quiet: they have no buffer.
            self.buffer = Vec::new();
            self.taken = 0;
        }
    }

    fn take(&mut self, most: usize) -> Vec<u8> {
        let part = most.min(self.waiting().len());
        if self.taken == 0 && part == self.buffer.len() {
            return std::mem::take(&mut self.buffer);
        }
        let taken = self.waiting()[..part].to_vec();
        self.skip(part);
        taken
    }
}

fn size(piece: usize) -> u32 {
    u32::try_from(piece).unwrap_or(u32::MAX)
}

/// Where the first occurrence of the delimiter ends.
fn end_of(delimiter: &[u8], bytes: &[u8]) -> Option<usize> {
    let Some((first, rest)) = delimiter.split_first() else {
        return Some(0);
    };
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at + delimiter.len());
        }
        from = at + 1;
    }
}

impl fmt::Debug for IoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoStream")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_found_where_it_ends_first() {
        for (delimiter, bytes, end) in [
            ("\n", "one\ntwo\n", Some(4)),
            ("\r\n", "one\r\r\n", Some(6)),
            ("aab", "aaab", Some(4)),
            ("aab", "aaa", None),
            ("a", "", None),
            ("", "x", Some(0)),
        ] {
            assert_eq!(
                end_of(delimiter.as_bytes(), bytes.as_bytes()),
                end,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_has_come_is_handed_out_in_its_order_however_it_is_read() {
        let mut reading = Reading::default();
        reading.put(b"abc".to_vec());
        assert_eq!(reading.take(1), b"a");
        reading.put(b"def".to_vec());
        assert_eq!(reading.waiting(), b"bcdef");
        reading.skip(1);
        assert_eq!(reading.take(2), b"cd");
        assert_eq!(reading.take(9), b"ef");
        assert!(reading.waiting().is_empty() && reading.buffer.capacity() == 0);
        reading.put(b"g".to_vec());
        assert_eq!(reading.take(9), b"g");
    }
}
