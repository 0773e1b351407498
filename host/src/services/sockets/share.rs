//! What one socket has of the bytes that all connections may have in memory, in one direction.

use std::task::{Context, Poll};

use crate::base::backlog::{Backlog, Charge, FREE};

/// A socket's share. Most have nothing that counts.
pub(super) struct Share {
    backlog: Backlog,
    charge: Option<Charge>,
}

impl Share {
    pub(super) fn new(backlog: &Backlog) -> Self {
        Self {
            backlog: backlog.clone(),
            charge: None,
        }
    }

    /// It has this many bytes now.
    pub(super) fn set(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        match &mut self.charge {
            _ if bytes <= FREE => self.charge = None,
            Some(charge) => charge.set(bytes),
            None => self.charge = Some(self.backlog.account().charge(bytes)),
        }
    }

    /// Whether it has bytes that count.
    pub(super) fn counts(&self) -> bool {
        self.charge.is_some()
    }

    /// This many of them went on.
    pub(super) fn moved(&self, bytes: usize) {
        if let Some(charge) = &self.charge {
            charge.moved(bytes as u64);
        }
    }

    /// Ready where too much is in memory, and this socket has made no progress for longest.
    pub(super) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.charge {
            Some(charge) => charge.poll_cut(cx),
            None => Poll::Pending,
        }
    }
}
