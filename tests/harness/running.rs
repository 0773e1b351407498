//! A server that is running: requests to it, and its end. Reads no status.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use waterspout_test::process::ServerProcess;

use super::limits::lift_file_size;
use super::{Answer, App, Client, Log, soon};

/// An app that is being served, until this is dropped.
pub struct Running {
    /// Before the app, whose folder is removed with it.
    pub(super) process: ServerProcess,
    pub app: App,
    pub log: Log,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Running {
    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One GET over a connection of its own.
    pub async fn get(&self, path: &str) -> Answer {
        soon(self.connect().await.get(path)).await
    }

    /// One request over a connection of its own; `head` is what follows the request line.
    pub async fn request(&self, line: &str, head: &str, body: &str) -> Answer {
        let mut client = self.connect().await;
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        client
            .send(format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\n{head}{length}\r\n{body}"
            ))
            .await;
        soon(client.answer()).await
    }

    /// The log with all that was written before this call. The server writes it on its own thread, so an answer may
    /// come before the lines that belong before it. So this sends a request of its own and waits for it in the access
    /// log.
    pub async fn logged(&self) -> String {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let path = format!("/logged-{}", CALLS.fetch_add(1, Ordering::Relaxed));
        self.get(&path).await;
        self.log.line_with(&format!(" GET {path} ")).await;
        self.log.text()
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        self.process.signal(name).expect("a signal");
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        soon(async {
            loop {
                if let Some(status) = self.process.try_wait().expect("its status") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Ends it by SIGKILL, in the middle of whatever it does, and keeps its folder.
    pub fn kill(mut self) -> App {
        self.process.kill().expect("its end");
        self.app
    }

    /// The same by SIGTERM.
    pub async fn end(mut self) -> App {
        self.signal("TERM");
        assert!(self.ended().await.success(), "{}", self.log.text());
        self.app
    }

    /// Lets it write files of any size.
    pub fn lift_file_size(&self) {
        lift_file_size(self.pid());
    }

    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().is_ok_and(|status| status.is_none())
    }
}
