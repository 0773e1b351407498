//! One listening socket, over TCP or in the file system. Never serves what it accepts.

mod inherited;

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tracing::{debug, warn};

use crate::config::Listen;

/// The connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// How long accepting pauses when the process or the system has run out of something.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long handshakes that have begun may take to end when the socket closes.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// An accepted connection that belongs to no event loop yet. It does not block.
#[derive(Debug)]
pub enum Accepted {
    /// From a client with an address.
    Tcp(TcpStream, SocketAddr),
    /// From a local process.
    Unix(UnixStream),
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    address: Listen,
    /// Whether other processes have it as well, and will when this one is gone.
    is_shared: bool,
}

impl Listener {
    /// Binds and listens.
    ///
    /// A socket file without a server is replaced. An error names the address.
    pub fn bind(listen: &Listen) -> io::Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address, Listen::Tcp),
            Listen::Http(address) => bind_tcp(*address, Listen::Http),
            Listen::Unix { path, mode } => bind_unix(path, *mode),
            Listen::Systemd(name) => inherited::take(name),
        };
        bound.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
        })
    }

    /// Where it is bound, with the port that the system chose.
    pub fn address(&self) -> &Listen {
        &self.address
    }

    /// The next connection.
    ///
    /// A fault of one client, or of the system, does not end it: it is logged and waited out.
    pub async fn accept(&self) -> Accepted {
        loop {
            let error = match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            if is_of_the_client(&error) {
                debug!(target: "general", listener = %self.address, %error, "a client left before it was accepted");
            } else {
                warn!(target: "general", listener = %self.address, %error, "cannot accept now");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }

    /// Closes it, and returns the connections that the system has accepted for it and would reset. When this returns,
    /// the address is free.
    ///
    /// Connections that wait at a socket of other processes stay theirs.
    pub async fn close(self) -> Vec<Accepted> {
        if self.is_shared {
            return Vec::new();
        }
        let waiting = self.socket.close().await;
        waiting.unwrap_or_else(|error| {
            warn!(target: "general", listener = %self.address, %error, "what waited here is lost");
            Vec::new()
        })
    }
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        _file: Option<SocketFile>,
    },
}

impl Bound {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                accepted_tcp(stream.into_std()?, peer)
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream.into_std()?))
            }
        }
    }

    async fn close(self) -> io::Result<Vec<Accepted>> {
        match self {
            Self::Tcp(listener) => {
                if refuse_newcomers(&SockRef::from(&listener)) {
                    tokio::time::sleep(HANDSHAKE).await;
                }
                let listener = listener.into_std()?;
                Ok(empty(|| {
                    let (stream, peer) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    accepted_tcp(stream, peer)
                }))
            }
            Self::Unix { listener, _file } => {
                // Connections in the queue stay; new ones are refused.
                let _ = SockRef::from(&listener).shutdown(Shutdown::Read);
                let listener = listener.into_std()?;
                Ok(empty(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Ok(Accepted::Unix(stream))
                }))
            }
        }
    }
}

fn accepted_tcp(stream: TcpStream, peer: SocketAddr) -> io::Result<Accepted> {
    // An answer in several writes must not wait for the client's acknowledgement.
    stream.set_nodelay(true)?;
    Ok(Accepted::Tcp(stream, peer))
}

/// Drops handshakes that begin now, so that none is complete between the last accept and the close. Their clients try
/// again within about a second, and find the next server here or none. Returns whether that is possible on this
/// system.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn refuse_newcomers(listener: &SockRef<'_>) -> bool {
    use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
    use socket2::SockFilter;

    // In a TCP header: where the flags are, and two of them.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let step = |code: u32, operand| SockFilter::new(code as u16, 0, 0, operand);
    let all_but_syns = [
        step(BPF_LD | BPF_B | BPF_ABS, FLAGS),
        step(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        SockFilter::new((BPF_JMP | BPF_JEQ | BPF_K) as u16, 0, 1, SYN),
        step(BPF_RET | BPF_K, 0),
        step(BPF_RET | BPF_K, u32::MAX),
    ];
    listener.attach_filter(&all_but_syns).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn refuse_newcomers(_: &SockRef<'_>) -> bool {
    false
}

/// Takes all that a listener's queue holds. `next` does not wait for more.
fn empty(next: impl Fn() -> io::Result<Accepted>) -> Vec<Accepted> {
    let mut waiting = Vec::new();
    // Where new connections can't be refused, they must not keep this going.
    for _ in 0..=BACKLOG {
        match next() {
            Ok(accepted) => waiting.push(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                warn!(target: "general", %error, "clients that waited to be accepted are lost");
                break;
            }
        }
    }
    waiting
}

/// A socket's file, removed with it unless another socket has the path by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn identity(path: &Path) -> io::Result<(u64, u64)> {
        fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind_tcp(address: SocketAddr, named: fn(SocketAddr) -> Listen) -> io::Result<Listener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // As Tornado does, so that 0.0.0.0 and [::] can be listed side by side.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    Ok(Listener {
        address: named(listener.local_addr()?),
        socket: Bound::Tcp(listener),
        is_shared: false,
    })
}

fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: SocketFile::identity(path)?,
    };
    if let Some(mode) = mode {
        // Nobody can connect before it listens, whatever its mode is until then.
        set_mode(path, mode)?;
    }
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket: Bound::Unix {
            listener: UnixListener::from_std(socket.into())?,
            _file: Some(file),
        },
        address: Listen::Unix {
            path: path.to_owned(),
            mode,
        },
        is_shared: false,
    })
}

/// Sets the mode that says which users may connect from now on.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions)
        .map_err(|error| io::Error::new(error.kind(), format!("its mode can't be set: {error}")))
}

/// Removes a socket that refuses connections, because its server is dead.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}
