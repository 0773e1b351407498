//! WASI 0.2 and 0.3 for guests: clocks, random and stdio. Files, network and environment of the host only as far as
//! the app's configuration grants them.

mod keyvalue;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::error::Context as _;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

use super::logging;
use crate::guest::bindings::keyvalue::{atomics, batch, store};
use crate::guest::bindings::logging::Level;
use crate::guest::resources::Ctx;

/// Puts WASI 0.2 and 0.3 into the linker, and `wasi:keyvalue`.
pub fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    store::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    atomics::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    batch::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

/// What a component is granted of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    pub env: Vec<(String, String)>,
    pub folders: Vec<Folder>,
    /// Buckets of `kv`. `None`: all.
    pub kv: Option<Arc<[String]>>,
}

/// A folder that a component may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    pub host: PathBuf,
    /// The path that the guest uses for it.
    pub guest: String,
    pub access: FsPerms,
}

/// The WASI side of one instance.
pub fn context(component: &Arc<str>, grants: &Grants) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.envs(&grants.env)
        .stdout(Lines::new(component, Level::Info))
        .stderr(Lines::new(component, Level::Warning))
        .allow_ip_name_lookup(false)
        .allow_tcp(false)
        .allow_udp(false);
    for folder in &grants.folders {
        wasi.preopened_dir(&folder.host, &folder.guest, folder.access)
            .with_context(|| {
                format!(
                    "the granted folder {} can't be opened",
                    folder.host.display()
                )
            })?;
    }
    Ok(wasi.build())
}

/// A guest's standard output or error. Each line is a message in the app log. A write never waits.
#[derive(Clone)]
struct Lines(Arc<Line>);

/// The last line, which is not complete yet. All copies write to it.
struct Line {
    component: Arc<str>,
    level: Level,
    begun: Mutex<Vec<u8>>,
}

impl Lines {
    fn new(component: &Arc<str>, level: Level) -> Self {
        Self(Arc::new(Line {
            component: component.clone(),
            level,
            begun: Mutex::default(),
        }))
    }

    fn take(&self, bytes: &[u8]) {
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
