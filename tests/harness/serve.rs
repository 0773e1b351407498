//! From an app to the server that serves it: the options, the process, and the addresses that its log names.

use tokio::sync::watch;
use waterspout_test::process::{ServerProcess, lines};

use super::{App, LONG, Log, Running};

impl App {
    /// Serves it on free ports.
    pub async fn serve(self) -> Running {
        self.serve_as("serve", &[]).await
    }

    /// Serves it where its configuration says. One of `listen` must be an address, and `admin` must be set.
    pub async fn serve_where_it_says(self) -> Running {
        self.start("serve", &[]).await
    }

    pub async fn serve_as(self, command: &str, more: &[&str]) -> Running {
        let anywhere = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        self.start(command, &[&anywhere, more].concat()).await
    }

    async fn start(self, command: &str, options: &[&str]) -> Running {
        let mut server = self.launch.command(command, self.path());
        server.args(options);
        let (on_line, lines) = watch::channel(());
        let process = ServerProcess::start(server, move || on_line.send_replace(()));
        let process = process.expect("waterspout starts");
        // Inside callgrind all takes some fifty times as long.
        let patience = LONG * if self.launch.counts.is_some() { 6 } else { 1 };
        let log = Log::new(process.log().clone(), lines, patience);
        let (_, address) = log.wait_for("serving on", lines::serving_on).await;
        let admin = log.wait_for("status on", lines::status_on).await;
        Running {
            process,
            app: self,
            log,
            address,
            admin,
        }
    }
}
