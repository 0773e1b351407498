//! `generation`: files, folders and the configuration are replaced by the tools that people replace them with, which
//! take away what is there before they bring what comes. Clients that keep asking notice nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{App, Load, Running, example, versioned};

/// Clients that ask without a pause.
const CLIENTS: usize = 4;

/// Each puts what lies in `$NEXT` in the place of what is in `$APP`, and may leave what it likes in `$ASIDE`.
const TOOLS: &[(&str, &str)] = &[
    (
        "rm -r && cp -r of the app",
        "rm -r $APP && cp -r $NEXT $APP",
    ),
    ("mv of the app", "mv $APP $ASIDE/app && mv $NEXT $APP"),
    (
        "rm && cp",
        "for file in $FILES; do rm $APP/$file && cp $NEXT/$file $APP/$file; done",
    ),
    (
        "install",
        "for file in $FILES; do install -m644 $NEXT/$file $APP/$file; done",
    ),
    (
        "cp -b",
        "for file in $FILES; do cp -b $NEXT/$file $APP/$file; done",
    ),
    (
        "cp --remove-destination",
        "for file in $FILES; do cp --remove-destination $NEXT/$file $APP/$file; done",
    ),
    (
        "mv across file systems",
        "for file in $FILES; do mv $FAR/$file $APP/$file; done",
    ),
    (
        "tar xf",
        "tar -C $NEXT -cf $ASIDE/next.tar $FILES && tar -C $APP -xf $ASIDE/next.tar",
    ),
    (
        "a tar pipe",
        "tar -C $NEXT -cf - $FILES | tar -C $APP -xf -",
    ),
    ("rsync", "rsync -aI $NEXT/ $APP/"),
    (
        "git checkout",
        "export GIT_DIR=$APP/.git GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
         git init -q $APP
         cd $APP && git --work-tree=. add $FILES && git commit -q -m now --allow-empty
         tree=$(cd $NEXT && export GIT_INDEX_FILE=$ASIDE/index && git --work-tree=. add $FILES && git write-tree)
         git --work-tree=. checkout -q $(git commit-tree -p HEAD -m next $tree)",
    ),
    (
        "mv of the folder",
        "mv $APP/handlers $ASIDE/handlers && mv $NEXT/handlers $APP/handlers",
    ),
    (
        "rm -r && cp -r of the folder",
        "rm -r $APP/handlers && cp -r $NEXT/handlers $APP/handlers",
    ),
];

/// How often each tool has its turn: twice, or as often as `WATERSPOUT_SWAPS` says.
fn rounds() -> usize {
    let said = std::env::var("WATERSPOUT_SWAPS").ok();
    said.map_or(2, |said| said.parse().expect("a number of swaps"))
}

/// The folders of a test, beside each other.
struct Site {
    beside: tempfile::TempDir,
    /// On another file system, if there is one at hand.
    far: Option<tempfile::TempDir>,
}

impl Site {
    fn new() -> Self {
        use std::os::unix::fs::MetadataExt;
        let beside = tempfile::tempdir().expect("a folder");
        let device = |path: &Path| path.metadata().map(|folder| folder.dev()).ok();
        let far = tempfile::tempdir_in("/dev/shm").ok();
        let far = far.filter(|far| device(far.path()) != device(beside.path()));
        Self { beside, far }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.beside.path().join(name)
    }

    /// Writes an app of this version.
    fn write(&self, folder: &Path, number: usize, bytes: &[u8]) {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder.join("handlers")).expect("handlers/");
        std::fs::write(folder.join("handlers/version.wasm"), bytes).expect("a component");
        std::fs::write(folder.join("waterspout.toml"), config(number)).expect("a configuration");
    }

    /// Whether this system has a tool.
    fn has(&self, name: &str) -> bool {
        let is_there = |tool: &str| {
            let mut shell = Command::new("sh");
            let found = shell.arg("-c").arg(format!("command -v {tool}")).output();
            found.expect("a shell").status.success()
        };
        match name {
            "rsync" | "git checkout" => is_there(name.split(' ').next().unwrap_or(name)),
            "mv across file systems" => self.far.is_some(),
            _ => true,
        }
    }

    /// Has a tool do its work.
    fn run(&self, name: &str, script: &str) {
        let aside = self.path("aside");
        let _ = std::fs::remove_dir_all(&aside);
        std::fs::create_dir(&aside).expect("a folder");
        let far = self.far.as_ref().map_or(Path::new(""), |far| far.path());
        let ran = Command::new("sh")
            .args(["-ec", script])
            .env("APP", self.path("app"))
            .env("NEXT", self.path("next"))
            .env("ASIDE", &aside)
            .env("FAR", far)
            .env("FILES", "handlers/version.wasm waterspout.toml")
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{name}: {said}");
    }
}

/// Other bytes for each number, and another generation.
fn config(number: usize) -> String {
    format!(
        "[server]\nlisten = ['127.0.0.1:0']\nadmin = '127.0.0.1:0'\n[settings]\napp = {{ number = {number} }}\n"
    )
}

/// Nobody may have noticed anything, whatever was done.
async fn assert_unnoticed(server: &Running, load: Load, name: &str) {
    load.more(20).await;
    let tally = load.end().await;
    println!("{name}: {} answers", tally.answered);
    tally.assert_flawless();
    let log = server.log.text();
    assert_eq!(
        log.matches("serving on").count(),
        1,
        "the port was left:\n{log}"
    );
    assert!(!log.contains("refused"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_replaces_files_and_folders_loses_and_mixes_nothing() {
    let (rounds, site) = (rounds(), Site::new());
    let versions: Vec<String> = (0..=rounds * TOOLS.len())
        .map(|number| format!("r{number}"))
        .collect();
    let mut number = 0;
    site.write(&site.path("app"), number, &versioned(&versions[0]));
    let server = App::at(&site.path("app")).serve_where_it_says().await;
    let known: Vec<&str> = versions.iter().map(String::as_str).collect();
    let load = Load::start(server.address, "/version", CLIENTS, &known);
    for (name, script) in TOOLS {
        let before = load.answered();
        if !site.has(name) {
            println!("{name}: not on this system");
            continue;
        }
        for _ in 0..rounds {
            let bytes = versioned(&versions[number + 1]);
            site.write(&site.path("next"), number + 1, &bytes);
            if let Some(far) = &site.far {
                site.write(far.path(), number + 1, &bytes);
            }
            load.turns.begin();
            site.run(name, script);
            number += 1;
            server.until_serving("version.wasm", &bytes).await;
            load.turns.named();
        }
        println!("{name}: {} answers", load.answered() - before);
    }
    assert_unnoticed(&server, load, "all").await;
}

/// What is not in the cache takes long to compile. The old version serves until that is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_away_serves_until_what_comes_is_compiled() {
    for (name, script) in TOOLS
        .iter()
        .filter(|(name, _)| ["rm && cp", "mv of the folder"].contains(name))
    {
        let (site, cache) = (Site::new(), tempfile::tempdir().expect("a folder"));
        site.write(&site.path("app"), 0, &example("hello"));
        std::fs::write(
            site.path("app/waterspout.toml"),
            config(0) + "[[route]]\npattern = '/version'\nhandler = 'version.wasm'\n",
        )
        .expect("a configuration");
        let server = App::at(&site.path("app"))
            .cache(cache.path())
            .serve_where_it_says()
            .await;
        let load = Load::start(
            server.address,
            "/version",
            CLIENTS,
            &["Hello, world", "cold"],
        );
        let bytes = versioned("cold");
        site.write(&site.path("next"), 1, &bytes);
        load.turns.begin();
        site.run(name, script);
        server.until_serving("version.wasm", &bytes).await;
        load.turns.named();
        assert_unnoticed(&server, load, name).await;
    }
}

/// A link to a release in the app's place, turned to the next, is taken up with all that is below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_behind_a_link_is_turned_to_the_next_release() {
    let (rounds, site) = (rounds(), Site::new());
    let versions: Vec<String> = (0..=2 * rounds)
        .map(|number| format!("l{number}"))
        .collect();
    let known: Vec<&str> = versions.iter().map(String::as_str).collect();
    let current = site.path("current");
    let turn = |number: usize, bytes: &[u8]| {
        let release = site.path(&format!("release-{number}"));
        site.write(&release, number, bytes);
        let turned = Command::new("ln")
            .arg("-sfn")
            .args([&release, &current])
            .status();
        assert!(turned.expect("ln").success());
    };
    turn(0, &versioned(known[0]));
    let server = App::at(&current).serve_where_it_says().await;
    let load = Load::start(server.address, "/version", CLIENTS, &known);
    for (number, version) in known.iter().enumerate().skip(1) {
        let bytes = versioned(version);
        load.turns.begin();
        match number % 2 {
            1 => turn(number, &bytes),
            // What is in its place is watched like the first.
            _ => std::fs::write(current.join("handlers/version.wasm"), &bytes).expect("an edit"),
        }
        server.until_serving("version.wasm", &bytes).await;
        load.turns.named();
    }
    assert_unnoticed(&server, load, "ln -sfn").await;
}
