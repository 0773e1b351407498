//! A connection that becomes a WebSocket of this server: carried within the limits of clients, and closed behind it. Knows
//! no handler.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{LINGER, least_progress};
use crate::base::websocket::Role;
use crate::config::Limits;
use crate::services::sockets::{Progress, Session, Terms, Wire, carry, hang_up};

/// Carries a socket until its end. `read`: what has come behind the handshake already.
pub(super) async fn serve<I>(io: I, read: Bytes, session: Session, limits: &Limits, wire: Wire<I>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let Session {
        handle,
        deflate,
        pings,
        tell,
    } = session;
    handle.connected(&limits.unsent, &limits.unread);
    let terms = Terms {
        role: Role::Server,
        deflate,
        pings,
        max_message: handle.limits.max_message,
        progress: limits.write_timeout.map(|within| Progress {
            within,
            least: least_progress(limits),
        }),
    };
    let (closed, io) = carry(io, read, handle.socket(), terms, wire).await;
    tell(&closed);
    handle.ended(closed);
    let _ = timeout(LINGER, hang_up(io)).await;
    handle.heard_out().await;
}
