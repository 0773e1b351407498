//! WASI 0.2 and 0.3 for guests: clocks, random and stdio. Files, network and environment of the host only as far as
//! the app's configuration grants them.

mod names;
mod stdio;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::error::Context as _;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use self::names::Lookups;
use self::stdio::{LastWords, Lines};
use super::capability::{Capability, Grant, MakePart, Setup};
use super::tcpclient;
use crate::config::{self, GrantKey};
use crate::guest::bindings::logging::Level;
use crate::guest::imports::Import;
use crate::guest::resources::Ctx;
use crate::services::python::{
    ARGUMENTS_VARIABLE, BYTECODE, BYTECODE_VARIABLE, COMPILES_VARIABLE, FILE_VARIABLE, PACKAGES,
    PACKAGES_VARIABLE, Program, Task,
};
use crate::services::tcp::Access;

/// The capability.
pub const CAPABILITY: Capability = Capability {
    link,
    prepare: Some(prepare),
    grants: &[Grant {
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
    }],
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
    wasmtime_wasi::p3::add_to_linker(linker)?;
    names::link(linker)
}

/// The folders of the host that a component is granted.
pub fn granted_folders(app: &Path, settings: &config::Component) -> impl Iterator<Item = PathBuf> {
    granted(app, settings).map(|(_, folder)| folder)
}

/// The same, each with the list that has it.
pub fn granted(
    app: &Path,
    settings: &config::Component,
) -> impl Iterator<Item = (&'static str, PathBuf)> {
    [READ, WRITE].into_iter().flat_map(move |list| {
        let folders = settings.allow.texts(list);
        folders.map(move |folder| (list, app.join(folder)))
    })
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
        program,
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
    let mut folders: Vec<_> = read.chain(granted(WRITE, FsPerms::ReadWrite)).collect();
    let mut env: Vec<(String, String)> = settings.env.clone().into_iter().collect();
    let file = file.clone();
    let network = tcpclient::access(setup);
    let names: Arc<[String]> = folders.iter().map(|folder| folder.guest.clone()).collect();
    // The files of a Python app are small, and in the cache of this machine: another thread takes longer than they do.
    let waits_for_files = program.is_some() && folders.is_empty();
    let program = program.cloned();
    if let Some(Program {
        files,
        packages,
        task,
    }) = &program
    {
        let mut grant = |host: &Path, guest: &str, access| {
            folders.push(Folder {
                host: host.to_owned(),
                guest: guest.to_owned(),
                access,
            });
        };
        let mut say = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
        grant(files.folder(), files.mount(), FsPerms::ReadOnly);
        say(FILE_VARIABLE, files.entry());
        let arguments = serde_json::Value::from(settings.args.clone());
        say(ARGUMENTS_VARIABLE, &arguments.to_string());
        let bytecode = format!("{BYTECODE}{}", files.mount());
        match task {
            Task::Run => grant(files.bytecode(), &bytecode, FsPerms::ReadOnly),
            Task::Compile => {
                grant(files.bytecode(), &bytecode, FsPerms::ReadWrite);
                say(COMPILES_VARIABLE, files.mount());
            }
        }
        say(BYTECODE_VARIABLE, BYTECODE);
        if let Some(packages) = packages {
            grant(packages, PACKAGES, FsPerms::ReadOnly);
            say(PACKAGES_VARIABLE, PACKAGES);
        }
    }
    Box::new(move |run| {
        // The copy is there as long as instances may be made.
        let _ = &program;
        let last = LastWords::of(run.clone());
        Ok(Box::new(Wasi {
            ctx: context(
                &file,
                &env,
                &folders,
                waits_for_files,
                &network,
                last.clone(),
            )?,
            lookups: Lookups::new(&network),
            last,
            folders: names.clone(),
        }))
    })
}

/// The WASI side of one instance.
struct Wasi {
    ctx: WasiCtx,
    lookups: Lookups,
    last: Arc<LastWords>,
    /// The folders that it may use, by their paths in the guest.
    folders: Arc<[String]>,
}

/// What to do about an error of a guest, if that may come from a folder that it is not granted. The guest's own error
/// does not say so: for a guest, what is not granted is not there.
pub fn hint(ctx: &Ctx, error: &str) -> Option<String> {
    /// How wasi-libc's `ENOENT` and `ENOTCAPABLE` show in Rust.
    const NOT_THERE: [&str; 2] = ["(os error 44)", "(os error 76)"];
    NOT_THERE.iter().find(|code| error.contains(**code))?;
    let file = &ctx.component;
    Some(match &*ctx.parts.get::<Wasi>().folders {
        [] => format!(
            "`{file}` is granted no folder; one is by `allow = {{ {READ} = [\"data\"] }}` in [component.\"{file}\"]"
        ),
        folders => format!(
            "of the app's folders, `{file}` sees only those that it is granted: {}",
            folders.join(", ")
        ),
    })
}

/// What a guest has written to its standard error in the run that ended in this turn of its event loop: the message of
/// a panic, for example.
pub fn last_words(ctx: &Ctx, turn: u64) -> Option<String> {
    ctx.parts.get::<Wasi>().last.take(turn)
}

fn context(
    component: &Arc<str>,
    env: &[(String, String)],
    folders: &[Folder],
    waits_for_files: bool,
    network: &Arc<Access>,
    last: Arc<LastWords>,
) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.envs(env)
        .stdout(Lines::new(component, Level::Info, None))
        .stderr(Lines::new(component, Level::Warning, Some(last)))
        .max_random_size(MAX_RANDOM)
        // Before the folders, each of which has it from here.
        .allow_blocking_current_thread(waits_for_files)
        .allow_ip_name_lookup(network.is_any())
        // The check below decides, and says what was refused.
        .allow_tcp(true)
        .allow_udp(false);
    let network = network.clone();
    wasi.socket_addr_check(move |address, purpose| {
        let may = match purpose {
            SocketAddrUse::TcpConnect => network.permits(address),
            // What the system does by itself before it connects.
            SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
            _ => false,
        };
        Box::pin(std::future::ready(may))
    });
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
            ctx: &mut self.parts.get_mut::<Wasi>().ctx,
            table: &mut self.table,
        }
    }
}
