//! A guest's standard output and error: their lines go to the app log, and the last of them to what is said of its end.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::guest::bindings::logging::Level;
use crate::guest::capabilities::logging;
use crate::guest::run::RunClock;

/// How many bytes of the last words are kept.
const MAX_WORDS: usize = 4096;

/// What one run of a guest has written to its standard error, or the end of it.
pub struct LastWords {
    run: Arc<RunClock>,
    /// The turn of the event loop, and the words.
    said: Mutex<(u64, Vec<u8>)>,
}

impl LastWords {
    pub fn of(run: Arc<RunClock>) -> Arc<Self> {
        Arc::new(Self {
            run,
            said: Mutex::default(),
        })
    }

    fn hear(&self, bytes: &[u8]) {
        let turn = self.run.turn();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, words) = &mut *said;
        if *then != turn {
            *then = turn;
            words.clear();
        }
        words.extend_from_slice(&bytes[bytes.len().saturating_sub(MAX_WORDS)..]);
        words.drain(..words.len().saturating_sub(MAX_WORDS));
    }

    /// Takes them, if they are of this turn.
    pub fn take(&self, turn: u64) -> Option<String> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, words) = std::mem::take(&mut *said);
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        (then == turn && !words.is_empty()).then_some(words)
    }
}

/// A guest's standard output or error. Each line is a message in the app log. A write never waits.
#[derive(Clone)]
pub struct Lines(Arc<Line>);

/// The last line, which is not complete yet. All copies write to it.
struct Line {
    component: Arc<str>,
    level: Level,
    /// What hears of it, too.
    last: Option<Arc<LastWords>>,
    begun: Mutex<Vec<u8>>,
}

impl Lines {
    pub fn new(component: &Arc<str>, level: Level, last: Option<Arc<LastWords>>) -> Self {
        Self(Arc::new(Line {
            component: component.clone(),
            level,
            last,
            begun: Mutex::default(),
        }))
    }

    fn take(&self, bytes: &[u8]) {
        if let Some(last) = &self.0.last {
            last.hear(bytes);
        }
        let mut begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() > logging::MAX_MESSAGE {
                self.0.say(&begun);
                begun.clear();
            }
        }
    }
}

impl Line {
    fn say(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\r', '\n']);
        logging::say(&self.component, self.level, line, None);
    }
}

/// The instance is gone, so the last line will not be completed.
impl Drop for Line {
    fn drop(&mut self) {
        let begun = self.begun.get_mut().unwrap_or_else(PoisonError::into_inner);
        let begun = std::mem::take(begun);
        if !begun.is_empty() {
            self.say(&begun);
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}
