//! The streams that a connection can use. Never reads from them.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A stream that can be asked whether it has input.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Whether bytes have arrived that were not read, even if the runtime does not know of them yet.
    fn has_unread(&self) -> bool;

    /// Sets whether small pieces go out at once (TCP_NODELAY), where there is such a thing.
    fn set_nodelay(&self, _nodelay: bool) {}

    /// Where bytes can be written as they are, if there is such a place.
    fn descriptor(&self) -> Option<RawFd> {
        None
    }
}

impl Socket for TcpStream {
    fn has_unread(&self) -> bool {
        has_unread(&SockRef::from(self))
    }

    fn set_nodelay(&self, nodelay: bool) {
        // A connection that is gone has no such setting.
        let _ = Self::set_nodelay(self, nodelay);
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.as_raw_fd())
    }
}

impl Socket for UnixStream {
    fn has_unread(&self) -> bool {
        has_unread(&SockRef::from(self))
    }
}

fn has_unread(socket: &socket2::Socket) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    socket.peek(&mut byte).is_ok_and(|bytes| bytes > 0)
}
