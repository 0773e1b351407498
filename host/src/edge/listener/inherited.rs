//! Sockets that systemd has opened and passes on (sd_listen_fds(3)). They stay open after this process, with the
//! connections that were not accepted.

use std::io;
use std::os::fd::BorrowedFd;

use socket2::{Domain, Socket};
use tokio::net::{TcpListener, UnixListener};

use super::{Bound, Listener};
use crate::config::Listen;

/// Takes the socket of this name, or else of this number.
pub(super) fn take(name: &str) -> io::Result<Listener> {
    let mut names = Vec::new();
    for (number, (descriptor, known)) in sd_notify::listen_fds_with_names()?.enumerate() {
        if known == name || number.to_string() == name {
            // SAFETY: systemd has passed it to this process, in which nothing closes it.
            #[allow(unsafe_code, reason = "systemd passes on numbers")]
            let inherited = unsafe { BorrowedFd::borrow_raw(descriptor) };
            // A copy, so that it can be taken again after a reload.
            return listen(inherited.try_clone_to_owned()?.into());
        }
        names.push(known);
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        match names.is_empty() {
            true => "systemd has passed no socket".to_owned(),
            false => format!("systemd has passed these: {}", names.join(", ")),
        },
    ))
}

fn listen(socket: Socket) -> io::Result<Listener> {
    if !socket.is_listener()? {
        let message = "that is no socket that accepts connections (`Accept=no`, `ListenStream=`)";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let (address, socket) = match (address.as_socket(), address.as_pathname()) {
        (Some(address), _) => {
            let listener = TcpListener::from_std(socket.into())?;
            (Listen::Tcp(address), Bound::Tcp(listener))
        }
        (None, path) if socket.domain()? == Domain::UNIX => {
            let path = path.unwrap_or("".as_ref()).to_path_buf();
            let listener = UnixListener::from_std(socket.into())?;
            (
                Listen::Unix { path, mode: None },
                Bound::Unix {
                    listener,
                    _file: None,
                },
            )
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(Listener {
        socket,
        address,
        is_shared: true,
    })
}
