//! Signals that tell a server to reload or to end. Ends nothing itself.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals of the system.
pub struct Signals {
    pub hangup: Signal,
    pub terminate: Signal,
    pub interrupt: Signal,
}

impl Signals {
    pub fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals can't be received");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal to end.
    pub async fn end(terminate: &mut Signal, interrupt: &mut Signal) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Makes the end of standard input do what `SIGTERM` does.
pub fn end_with_stdin() -> anyhow::Result<()> {
    let wait = || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // SAFETY: a signal to this process, for which there is a handler by now.
        #[allow(unsafe_code, reason = "only the system sends signals")]
        unsafe {
            libc::kill(libc::getpid(), libc::SIGTERM)
        };
    };
    // Not a thread of the runtime, which would wait for it at the end.
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(wait)
        .context("the thread that reads standard input can't start")?;
    Ok(())
}
