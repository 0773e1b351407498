//! Chromium, driven over the pipes of its DevTools protocol: JSON messages, each followed by a zero. Knows no page.

use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::harness::{LONG, soon};

/// Chromium reads from descriptor 3 and writes to descriptor 4.
const WITH_PIPES: &str = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

const OPTIONS: [&str; 9] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    // Containers often have little shared memory.
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    calls: u64,
    complaints: Vec<String>,
    /// After the process, which writes into it.
    _profile: TempDir,
}

/// A page in a tab of its own.
pub struct Tab {
    target: String,
    session: String,
}

impl Browser {
    /// Starts it, if it is installed.
    pub fn start() -> Option<Self> {
        let mut version = std::process::Command::new("chromium");
        version.arg("--version").stdout(Stdio::null());
        let version = version.stderr(Stdio::null()).status();
        version.ok().filter(ExitStatus::success)?;

        let profile = tempfile::tempdir().expect("a folder");
        let mut process = Command::new("sh")
            .args(["-c", WITH_PIPES, "sh"])
            .args(OPTIONS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium starts");
        Some(Self {
            commands: process.stdin.take().expect("a pipe"),
            messages: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
            calls: 0,
            complaints: Vec::new(),
            _profile: profile,
        })
    }

    /// Opens a page of this width, and waits until it is loaded.
    pub async fn open(&mut self, url: &str, width: u32) -> Tab {
        let made = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let target = text(&made.await["targetId"]);
        let to = json!({ "targetId": target, "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", to).await;
        let session = text(&attached["sessionId"]);
        let tab = Tab { target, session };
        for domain in ["Page", "Runtime", "Log"] {
            self.call(Some(&tab), &format!("{domain}.enable"), json!({}))
                .await;
        }
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call(Some(&tab), "Emulation.setDeviceMetricsOverride", size)
            .await;
        let to = json!({ "url": url });
        self.call(Some(&tab), "Page.navigate", to).await;
        self.until(&tab, "document.readyState === 'complete'").await;
        tab
    }

    pub async fn close(&mut self, tab: Tab) {
        let target = json!({ "targetId": tab.target });
        self.call(None, "Target.closeTarget", target).await;
    }

    /// Runs a script in a page, and returns the value of its last expression.
    pub async fn run(&mut self, tab: &Tab, script: &str) -> Value {
        let expression =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut done = self.call(Some(tab), "Runtime.evaluate", expression).await;
        let exception = &done["exceptionDetails"];
        assert!(exception.is_null(), "{script}\n{exception}");
        done["result"]["value"].take()
    }

    /// Waits until this is true in a page.
    pub async fn until(&mut self, tab: &Tab, condition: &str) {
        let script = format!(
            "new Promise(done => {{\n\
             const look = () => ({condition}) ? done() : setTimeout(look, 10);\n\
             look();\n\
             }})"
        );
        let waited = tokio::time::timeout(LONG, self.run(tab, &script)).await;
        if waited.is_err() {
            let page = soon(self.run(tab, "document.body.innerText")).await;
            panic!("not in time: {condition}\n{page}");
        }
    }

    /// What the consoles of all pages have shown since the last call.
    pub fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// Ends it, and removes its folder.
    pub async fn end(mut self) {
        self.call(None, "Browser.close", json!({})).await;
        soon(self.process.wait()).await.expect("its end");
    }

    /// Calls a function of the protocol, and returns its result.
    async fn call(&mut self, tab: Option<&Tab>, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(tab) = tab {
            call["sessionId"] = Value::from(&*tab.session);
        }
        let call = format!("{call}\0");
        let sent = self.commands.write_all(call.as_bytes()).await;
        sent.expect("chromium reads");
        loop {
            let mut message = self.message().await;
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.note(&message);
        }
    }

    async fn message(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = self.messages.read_until(0, &mut bytes).await;
        assert!(read.expect("a message") > 0, "chromium has ended");
        bytes.pop();
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn note(&mut self, event: &Value) {
        let shown = [
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        ];
        if shown.iter().any(|shown| event["method"] == *shown) {
            self.complaints.push(event["params"].to_string());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
