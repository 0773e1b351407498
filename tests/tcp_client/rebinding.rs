//! Names whose addresses change between two lookups. The server runs where the system's file of names is the test's own.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::{Value, json};

use super::{WAYS, app, dialled, echo, serve};
use crate::harness::{App, Running};

/// A file in place of `/etc/hosts`.
struct Names {
    folder: tempfile::TempDir,
}

impl Names {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names = Self { folder };
        names.lead(&[]);
        names
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    /// From now on, these names lead to these addresses.
    fn lead(&self, names: &[(&str, &str)]) {
        let mut text = String::new();
        for (name, address) in names {
            writeln!(text, "{address} {name}").expect("a line");
        }
        std::fs::write(self.file(), text).expect("the names");
    }

    /// Serves where only this file says what names lead to; `None` where the system does not let it.
    async fn serve(&self, app: App) -> Option<Running> {
        let folder = self.folder.path();
        std::fs::write(folder.join("nsswitch.conf"), "hosts: files\n").expect("a file");
        let mount = |name: &str| {
            let file = folder.join(name);
            format!("mount --bind '{}' /etc/{name}\n", file.display())
        };
        let script = format!(
            "{}{}exec \"$0\" \"$@\"",
            mount("hosts"),
            mount("nsswitch.conf")
        );
        let arguments = ["-Urm", "sh", "-ec", &script].map(str::to_owned);
        let ran = Command::new("unshare")
            .args(&arguments)
            .arg("true")
            .output();
        if !matches!(&ran, Ok(ran) if ran.status.success()) {
            println!("not on this system: {ran:?}");
            return None;
        }
        Some(app.through("unshare", &arguments).serve().await)
    }
}

/// What its guest finds by a name.
async fn found(app: &Running, name: &str) -> Value {
    dialled(app, "names", name, 0).await["told"].take()
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_all_of_a_sudden_leads_nowhere_by_any_way() {
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = dials.clone();
    let server = serve(move |stream| {
        counted.fetch_add(1, SeqCst);
        echo(stream)
    });
    let port = server.await.port();
    let names = Names::new();
    let grants = ["rebound.test", "localhost"].map(|name| format!("{name}:{port}"));
    let Some(app) = names.serve(app(&grants, "")).await else {
        return;
    };
    // An address for documentation (RFC 5737), which is harmless and never dialled here.
    let harmless = ("rebound.test", "192.0.2.1");
    for bad in [
        "127.0.0.1",
        "127.0.0.2",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
    ] {
        names.lead(&[harmless]);
        let good = json!(["192.0.2.1"]);
        assert_eq!(
            found(&app, "rebound.test").await,
            json!({ "std": good, "0.2": good, "0.3": good })
        );
        names.lead(&[("rebound.test", bad)]);
        for by in WAYS {
            let answer = dialled(&app, by, "rebound.test", port).await;
            let said = answer["error"]
                .as_str()
                .unwrap_or_else(|| panic!("{by}: {answer}"));
            let why = match by {
                "SDK" => "is nowhere where a stream may lead",
                "0.2" => "lookup: access-denied",
                "0.3" => "lookup: ErrorCode::AccessDenied",
                _ => "",
            };
            assert!(said.contains(why), "{bad} by {by}: {said}");
            // And not without the name, after that.
            let answer = dialled(&app, by, bad, port).await;
            assert!(answer["error"].is_string(), "{bad} by {by}: {answer}");
        }
        // Beside one that is harmless. Whatever a lookup has returned of both, this one is not dialled.
        names.lead(&[harmless, ("rebound.test", bad)]);
        let both = found(&app, "rebound.test").await;
        assert_eq!(both["0.2"], json!(["lookup: access-denied"]), "{bad}");
        assert_eq!(
            both["0.3"],
            json!(["lookup: ErrorCode::AccessDenied"]),
            "{bad}"
        );
        let answer = dialled(&app, "SDK", "rebound.test", port).await;
        assert!(answer["error"].is_string(), "{bad}: {answer}");
        for by in WAYS {
            let answer = dialled(&app, by, bad, port).await;
            assert!(answer["error"].is_string(), "{bad} by {by}: {answer}");
        }
    }
    assert_eq!(dials.load(SeqCst), 0);

    // The name of this machine leads nowhere else.
    names.lead(&[("localhost", "192.0.2.1")]);
    let by_all = found(&app, "localhost").await;
    assert_eq!(by_all["0.2"], json!(["lookup: access-denied"]));
    assert_eq!(by_all["0.3"], json!(["127.0.0.1", "::1"]));
    names.lead(&[("localhost", "127.0.0.1")]);
    for by in WAYS {
        let answer = dialled(&app, by, "localhost", port).await;
        assert_eq!(answer, json!({ "told": "hello\n" }), "by {by}");
    }
    assert_eq!(dials.load(SeqCst), WAYS.len());
}
