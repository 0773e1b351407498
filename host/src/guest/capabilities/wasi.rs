//! WASI 0.2 and 0.3 for guests: clocks, random and stdio. Files, network and environment of the host only as far as
//! the app's configuration grants them.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime::error::Context as _;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::capability::{Capability, Grant, MakePart, Setup};
use super::logging;
use crate::config::{self, GrantKey};
use crate::guest::bindings::logging::Level;
use crate::guest::imports::Import;
use crate::guest::resources::Ctx;

/// The capability.
pub const CAPABILITY: Capability = Capability {
    link,
    prepare: Some(prepare),
    grants: &[
        Grant {
            keys: &[folders(READ), folders(WRITE)],
            used_by: |imports| {
                // Code that opens a file first asks for the granted folders.
                Import::first(imports, |import| {
                    import.is("wasi:filesystem/preopens")
                        && import.calls(|name| name == "get-directories")
                })?;
                Import::first(imports, goes_into_folders)
            },
            does: "opens files or lists folders",
            lacks: Some("folder"),
        },
        Grant {
            keys: &[],
            used_by: |imports| {
                Import::first(imports, |import| {
                    import.is("wasi:sockets/") && import.calls(|_| true)
                })
            },
            does: "uses sockets",
            lacks: None,
        },
    ],
};

/// How many random bytes one call may ask for: as many as in a browser's `getRandomValues`. Making more would hold up
/// the other requests of the thread.
const MAX_RANDOM: u64 = 64 * 1024;

/// The lists of folders in `allow`: relative to the app's, to be read, or to be read and written.
const READ: &str = "read";
const WRITE: &str = "write";

const fn folders(name: &'static str) -> GrantKey {
    GrantKey {
        name,
        text: "a folder",
        example: "[\"data\"]",
        is_valid: |path| !path.contains('\0'),
    }
}

/// Whether it takes paths below a folder, or lists one. Otherwise a granted folder is useless.
fn goes_into_folders(import: &Import) -> bool {
    import.is("wasi:filesystem/types")
        && import.calls(|name| name.ends_with("-at") || name.ends_with(".read-directory"))
}

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)
}

/// The folders of the host that a component is granted.
pub fn granted_folders(app: &Path, settings: &config::Component) -> impl Iterator<Item = PathBuf> {
    let allow = &settings.allow;
    let folders = allow.texts(READ).chain(allow.texts(WRITE));
    folders.map(|folder| app.join(folder))
}

/// A folder that a component may use.
struct Folder {
    host: PathBuf,
    /// The path that the guest uses for it.
    guest: String,
    access: FsPerms,
}

fn prepare(setup: &Setup<'_>) -> MakePart {
    let Setup {
        file,
        app,
        settings,
        ..
    } = *setup;
    let granted = |list, access| {
        let folders = settings.allow.texts(list);
        folders.map(move |folder| Folder {
            host: app.join(folder),
            guest: folder.to_owned(),
            access,
        })
    };
    let read = granted(READ, FsPerms::ReadOnly);
    let folders: Vec<_> = read.chain(granted(WRITE, FsPerms::ReadWrite)).collect();
    let env: Vec<(String, String)> = settings.env.clone().into_iter().collect();
    let file = file.clone();
    Box::new(move || Ok(Box::new(context(&file, &env, &folders)?)))
}

/// The WASI side of one instance.
fn context(
    component: &Arc<str>,
    env: &[(String, String)],
    folders: &[Folder],
) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.envs(env)
        .stdout(Lines::new(component, Level::Info))
        .stderr(Lines::new(component, Level::Warning))
        .max_random_size(MAX_RANDOM)
        .allow_ip_name_lookup(false)
        .allow_tcp(false)
        .allow_udp(false);
    for folder in folders {
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

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.parts.get_mut(),
            table: &mut self.table,
        }
    }
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
