//! Frames that are written without the task of their connection, while that has nothing to do. A message for thousands
//! of sockets then wakes none of their tasks.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use socket2::SockRef;

/// The connection of a socket, while its task rests. Nothing waits to be written there, and nothing is compressed.
pub(super) struct Direct(RawFd);

impl Direct {
    /// The task takes it back, under the lock of the socket, before it does anything else with its connection.
    pub(super) fn of(descriptor: RawFd) -> Self {
        Self(descriptor)
    }

    /// Writes what the system takes now.
    #[allow(unsafe_code, reason = "the task owns the connection")]
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the descriptor is open: its owner has taken this back by the time it closes it.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.0) };
        SockRef::from(&descriptor).send(bytes)
    }
}
