//! The end of a connection behind what was written to it: its last bytes go out, whatever the other side still sends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::terms::Kept;
use super::transport::{Socket, Transport};

/// How long what was written before the end has for its way out.
const LINGER: Duration = Duration::from_secs(2);

/// How much of what the other side sends meanwhile is read and dropped.
const DROPPED: usize = 64 * 1024;

/// Lets a connection go. `is_heard_out`: nothing that the other side says is to be heard any more. `kept` is dropped with it.
///
/// The system sends by itself what it has taken. But where something comes that nobody reads it resets the connection,
/// and what was written last may be lost with that (RFC 1122, section 4.2.2.13). And TLS has an end of its own, so that
/// the other side can tell it from a cut (RFC 8446, section 6.1).
pub(super) fn let_go(transport: Transport, is_heard_out: bool, kept: Option<Kept>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    match transport {
        Transport::Tls(mut stream) => {
            runtime.spawn(async move {
                let _ = timeout(LINGER, stream.shutdown()).await;
                drain(stream.get_mut().0).await;
                drop(kept);
            });
        }
        Transport::Plain(mut socket) if !is_heard_out => {
            runtime.spawn(async move {
                drain(&mut socket).await;
                drop(kept);
            });
        }
        Transport::Plain(_) | Transport::Away | Transport::Closed => {}
    }
}

/// Says that nothing more is written, and reads on for a moment.
async fn drain(socket: &mut Socket) {
    let draining = async {
        socket.shutdown().await?;
        let mut buffer = [0; 4096];
        let mut dropped = 0;
        while dropped < DROPPED {
            match socket.read(&mut buffer).await? {
                0 => break,
                bytes => dropped += bytes,
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, draining).await;
}
