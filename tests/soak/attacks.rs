//! What hostile components, clients and files do, each for as long as it is told to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::compiler::hard;
use crate::harness::{Running, guest};

/// The configuration of the app: default limits, and what an attack needs in order to begin.
pub const CONFIG: &str = "
[log]
level = 'access=off,app=off'

[component.'hoard.wasm']
allow = { read = ['data'] }
";

pub struct Attack {
    pub name: &'static str,
    way: Way,
}

enum Way {
    /// As many clients send this request again and again.
    Ask(usize, &'static str),
    /// As many clients send it, and are gone before its answer.
    Leave(usize, &'static str),
    /// As many clients send it, and read nothing for a second.
    Unread(usize, &'static str),
    /// A component is dropped in and removed again.
    Drop(fn() -> Vec<u8>),
    /// A component is dropped in together with a variable that says how it describes itself.
    Boast(&'static str),
    /// What is no file, or an endless one.
    NoFile,
}

const fn ask(name: &'static str, clients: usize, path: &'static str) -> Attack {
    Attack {
        name,
        way: Way::Ask(clients, path),
    }
}

pub const ATTACKS: &[Attack] = &[
    ask("fields", 4, "/hoard?what=fields"),
    ask("requests", 4, "/hoard?what=requests"),
    ask("trailers", 4, "/hoard?what=trailers"),
    ask("headers", 4, "/hoard?what=headers"),
    ask("message", 4, "/hoard?what=message"),
    ask("publish", 4, "/hoard?what=publish"),
    ask("buckets", 4, "/hoard?what=buckets"),
    ask("random", 4, "/hoard?what=random"),
    ask("files", 4, "/hoard?what=files"),
    ask("names", 4, "/trap?in=get"),
    ask("spins", 4, "/spin"),
    ask("memory", 4, "/grow"),
    ask("recursion", 4, "/recurse"),
    ask("executor", 102, "/call?what=spin"),
    Attack {
        name: "leave",
        way: Way::Leave(32, "/slow?ms=600000"),
    },
    Attack {
        name: "unread",
        way: Way::Unread(32, "/hoard?what=large"),
    },
    Attack {
        name: "loops",
        way: Way::Drop(|| hard(1, 60_000)),
    },
    Attack {
        name: "functions",
        way: Way::Drop(|| hard(20, 60_000)),
    },
    Attack {
        name: "patterns",
        way: Way::Boast("patterns"),
    },
    Attack {
        name: "schedules",
        way: Way::Boast("schedules"),
    },
    Attack {
        name: "no file",
        way: Way::NoFile,
    },
];

/// An attack under way.
pub struct Assault {
    tasks: JoinSet<()>,
    is_over: Arc<AtomicBool>,
    times: Arc<AtomicUsize>,
}

impl Assault {
    pub fn begin(attack: &'static Attack, server: &Running) -> Self {
        Self::begin_with_rests(attack, server, Duration::ZERO)
    }

    /// Rests after each time.
    pub fn begin_with_rests(attack: &'static Attack, server: &Running, rest: Duration) -> Self {
        let assault = Self {
            tasks: JoinSet::new(),
            is_over: Arc::default(),
            times: Arc::default(),
        };
        let clients = match attack.way {
            Way::Ask(clients, _) | Way::Leave(clients, _) | Way::Unread(clients, _) => clients,
            _ => 1,
        };
        let (address, app) = (server.address, server.app.path().to_owned());
        let Self {
            mut tasks,
            is_over,
            times,
        } = assault;
        for _ in 0..clients {
            let (app, is_over, times) = (app.clone(), is_over.clone(), times.clone());
            tasks.spawn(async move {
                while !is_over.load(SeqCst) {
                    // What becomes of an attacker is not of interest.
                    let _ = once(&attack.way, address, &app, &is_over).await;
                    times.fetch_add(1, SeqCst);
                    tokio::time::sleep(rest).await;
                }
            });
        }
        Self {
            tasks,
            is_over,
            times,
        }
    }

    /// Ends it, and returns how often it was tried.
    pub async fn end(mut self) -> usize {
        self.is_over.store(true, SeqCst);
        let end = tokio::time::timeout(Duration::from_secs(2), async {
            while self.tasks.join_next().await.is_some() {}
        });
        let _ = end.await;
        self.times.load(SeqCst)
    }
}

async fn once(
    way: &Way,
    address: SocketAddr,
    app: &Path,
    is_over: &AtomicBool,
) -> std::io::Result<()> {
    match way {
        Way::Ask(_, path) => {
            let mut stream = send(address, path).await?;
            let mut bytes = [0; 65_536];
            while stream.read(&mut bytes).await? > 0 {}
            Ok(())
        }
        Way::Leave(_, path) => send(address, path).await.map(drop),
        Way::Unread(_, path) => {
            let stream = send(address, path).await?;
            pause(Duration::from_secs(1), is_over).await;
            drop(stream);
            Ok(())
        }
        Way::Drop(component) => {
            let place = app.join("handlers/hard.wasm");
            std::fs::write(app.join("hard.new"), component())?;
            std::fs::rename(app.join("hard.new"), &place)?;
            pause(Duration::from_secs(5), is_over).await;
            std::fs::remove_file(&place)?;
            pause(Duration::from_secs(1), is_over).await;
            Ok(())
        }
        Way::Boast(what) => {
            let place = app.join("handlers/boasts.wasm");
            let table = format!("\n[component.'boasts.wasm']\nenv = {{ WHAT = '{what}' }}\n");
            std::fs::write(app.join("boasts.new"), guest("boasts"))?;
            std::fs::rename(app.join("boasts.new"), &place)?;
            write_config(app, &format!("{CONFIG}{table}"))?;
            pause(Duration::from_secs(3), is_over).await;
            write_config(app, CONFIG)?;
            std::fs::remove_file(&place)?;
            pause(Duration::from_secs(1), is_over).await;
            Ok(())
        }
        Way::NoFile => {
            let [pipe, sparse, endless] =
                ["pipe", "sparse", "endless"].map(|name| app.join(format!("handlers/{name}.wasm")));
            let made = std::process::Command::new("mkfifo").arg(&pipe).status()?;
            assert!(made.success());
            std::fs::File::create(&sparse)?.set_len(1 << 40)?;
            std::os::unix::fs::symlink("/dev/zero", &endless)?;
            pause(Duration::from_secs(3), is_over).await;
            for path in [pipe, sparse, endless] {
                std::fs::remove_file(path)?;
            }
            pause(Duration::from_secs(1), is_over).await;
            Ok(())
        }
    }
}

async fn send(address: SocketAddr, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

fn write_config(app: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(app.join("toml.new"), text)?;
    std::fs::rename(app.join("toml.new"), app.join("waterspout.toml"))
}

async fn pause(lasts: Duration, is_over: &AtomicBool) {
    let end = tokio::time::Instant::now() + lasts;
    while tokio::time::Instant::now() < end && !is_over.load(SeqCst) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The component with names of functions that double what they say with every few letters, where they are read as those
/// of Rust. Each is as long as the one in its place.
pub fn with_grown_names(mut bytes: Vec<u8>) -> Vec<u8> {
    // A name's end is its hash; what follows it may look like a part of it.
    let name = regex::bytes::Regex::new(r"_ZN[\w.$]+?17h[0-9a-f]{16}E").expect("a pattern");
    let places: Vec<_> = name.find_iter(&bytes).map(|found| found.range()).collect();
    assert!(!places.is_empty(), "no names of functions");
    for place in places {
        let grown = grown(place.len());
        bytes[place].copy_from_slice(grown.as_bytes());
    }
    bytes
}

/// A name in the mangling v0 of Rust, of exactly this length.
fn grown(length: usize) -> String {
    // A tuple of pairs: each is of the one before it twice. A reference is to a place behind `_R`.
    let mut name = "_RMC0TTuuE".to_owned();
    let mut before = 4;
    loop {
        let here = name.len() - 2;
        let next = format!("TB{}_B{}_E", base_62(before), base_62(before));
        if name.len() + next.len() >= length {
            break;
        }
        name += &next;
        before = here;
    }
    // The rest is of types that say nothing.
    while name.len() + 1 < length {
        name.push('u');
    }
    name.push('E');
    assert_eq!(name.len(), length, "too short for a name that grows");
    name
}

/// A number of that mangling, without its end: nothing for 0, else one less.
fn base_62(number: usize) -> String {
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let Some(mut rest) = number.checked_sub(1) else {
        return String::new();
    };
    let mut text = Vec::new();
    loop {
        text.push(DIGITS[rest % 62]);
        rest /= 62;
        if rest == 0 {
            break;
        }
    }
    text.reverse();
    String::from_utf8(text).expect("digits")
}
