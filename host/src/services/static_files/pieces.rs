//! The bytes of a file that is too large to be kept, read piece by piece on threads that may wait. Never holds more than
//! the piece that it hands out and the next one.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

/// How many bytes a piece has: half of what is held of a file for one response.
const PIECE: u64 = 128 << 10;

/// A part of a file, on its way to a client.
pub struct Pieces {
    /// Where nothing is being read, and there is more.
    file: Option<File>,
    reading: Option<JoinHandle<Result<(File, Bytes)>>>,
    /// The bytes that were not handed out yet.
    left: u64,
    /// The bytes that no read has begun for.
    unread: u64,
}

impl Pieces {
    /// So many bytes from `start` on.
    pub fn new(mut file: File, start: u64, length: u64) -> Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            file: Some(file),
            reading: None,
            left: length,
            unread: length,
        })
    }

    /// The bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece. An error where the file is shorter than it was.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.read_on();
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let read = read.unwrap_or_else(|error| Err(Error::other(error)));
        Poll::Ready(Some(read.map(|(file, bytes)| {
            self.left -= bytes.len() as u64;
            self.file = Some(file);
            // While the connection sends this one.
            self.read_on();
            bytes
        })))
    }

    fn read_on(&mut self) {
        if self.unread == 0 {
            return;
        }
        let Some(file) = self.file.take() else {
            return;
        };
        let length = self.unread.min(PIECE);
        self.unread -= length;
        self.reading = Some(tokio::task::spawn_blocking(move || read(file, length)));
    }
}

fn read(file: File, length: u64) -> Result<(File, Bytes)> {
    let mut bytes = Vec::with_capacity(length as usize);
    let read = (&file).take(length).read_to_end(&mut bytes)?;
    match read as u64 == length {
        true => Ok((file, bytes.into())),
        false => Err(Error::new(
            ErrorKind::UnexpectedEof,
            "the file is shorter than it was",
        )),
    }
}
