//! One listening socket, over TCP or in the file system. It never serves what it accepts.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tracing::{debug, warn};

use crate::config::Listen;

/// Connections that the system holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// How long accepting rests when the process or the system has run out of something.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client with an address.
    Tcp(SocketAddr),
    /// A local process.
    Unix,
}

impl Peer {
    /// The client's address, where it has one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

/// An accepted connection.
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
}

impl Listener {
    /// Binds and listens.
    ///
    /// A socket file that nobody answers at is replaced. An error names the address.
    pub fn bind(listen: &Listen) -> io::Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address),
            Listen::Unix(path) => bind_unix(path),
        };
        bound.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
        })
    }

    /// Where it is bound: with the port that the system chose.
    pub fn address(&self) -> &Listen {
        &self.address
    }

    /// The next connection.
    ///
    /// Trouble of one client, or of the system, is no end: it is logged and waited out.
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
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

impl Bound {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // An answer in several writes must not wait for the client's acknowledgement.
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream, peer))
            }
            Self::Unix { listener, .. } => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

/// A socket's file, removed with it unless the path is another's by then.
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

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
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
        address: Listen::Tcp(listener.local_addr()?),
        socket: Bound::Tcp(listener),
    })
}

fn bind_unix(path: &Path) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: SocketFile::identity(path)?,
    };
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket: Bound::Unix {
            listener: UnixListener::from_std(socket.into())?,
            _file: file,
        },
        address: Listen::Unix(path.to_owned()),
    })
}

/// Removes a socket that refuses connections: its server is dead.
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
