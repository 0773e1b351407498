//! Does with a stream what its lines say; keeps it, or speaks TLS after a while. `tests/tcp_server.rs` sees it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use waterspout_sdk::iostream::{IoStream, StreamError};
use waterspout_sdk::prelude::*;
use waterspout_sdk::tcpserver::TcpHandler;

/// How many streams this instance has been told of, and has now.
struct Counts {
    all: Cell<u32>,
    now: Cell<u32>,
}

thread_local! {
    static COUNTS: Counts = const { Counts { all: Cell::new(0), now: Cell::new(0) } };
    /// Streams that outlive their handlers.
    static KEPT: RefCell<Vec<IoStream>> = const { RefCell::new(Vec::new()) };
}

/// Counts a stream as long as it exists.
struct Counted;

impl Counted {
    fn begin() -> Self {
        COUNTS.with(|counts| {
            counts.all.set(counts.all.get() + 1);
            counts.now.set(counts.now.get() + 1);
        });
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNTS.with(|counts| counts.now.set(counts.now.get() - 1));
    }
}

/// How many streams there are, and how many there were.
#[derive(Default)]
struct Now;

#[handler]
#[route("/now")]
impl RequestHandler for Now {
    async fn get(&mut self, cx: &Context) -> Result {
        let (now, all) = COUNTS.with(|counts| (counts.now.get(), counts.all.get()));
        cx.write(format!("{now} of {all}"))
    }
}

/// Writes to the streams that are kept.
#[derive(Default)]
struct Tell;

#[handler]
#[route("/tell/(.*)")]
impl RequestHandler for Tell {
    async fn get(&mut self, cx: &Context) -> Result {
        let kept = KEPT.with_borrow(Clone::clone);
        let word: String = cx.path_arg(0)?;
        for stream in &kept {
            stream.write(format!("{word}\n")).await?;
        }
        cx.write(kept.len().to_string())
    }
}

/// Does what the lines of its stream say, and answers each with a line.
#[derive(Default)]
struct Lines {
    greeting: String,
}

#[handler]
impl TcpHandler for Lines {
    fn initialize(&mut self, kwargs: Kwargs) -> Result {
        let greeting: Option<String> = kwargs.get("greeting")?;
        self.greeting = greeting.unwrap_or_default();
        Ok(())
    }

    async fn handle_stream(&mut self, stream: IoStream, address: &str) -> Result {
        let _counted = Counted::begin();
        loop {
            let line = stream.read_until(b"\n").await?;
            let line = String::from_utf8(line)?;
            let (word, with) = line
                .trim_end()
                .split_once(' ')
                .unwrap_or((line.trim_end(), ""));
            match word {
                "greeting" => stream.write(format!("{}\n", self.greeting)).await?,
                "address" => {
                    stream
                        .write(format!("{address} {}\n", stream.remote_address()))
                        .await?
                }
                "fail" => Err::<(), _>(anyhow!("told to fail"))?,
                "panic" => panic!("told to panic"),
                "spin" => spin(),
                "bye" => {
                    stream.write("bye\n").await?;
                    return Ok(());
                }
                "keep" => {
                    KEPT.with_borrow_mut(|kept| kept.push(stream));
                    return Ok(());
                }
                // Keeps it and goes on for a moment, without reading.
                "lend" => {
                    KEPT.with_borrow_mut(|kept| kept.push(stream.clone()));
                    stream.write("lent\n").await?;
                    sleep(Duration::from_millis(with.parse()?)).await;
                    return Ok(());
                }
                // Says what the streams that are kept say.
                "hear" => {
                    stream.write("hears\n").await?;
                    let kept = KEPT.with_borrow(Clone::clone);
                    for other in &kept {
                        stream.write(other.read_until(b"\n").await?).await?;
                    }
                }
                "sleep" => {
                    sleep(Duration::from_millis(with.parse()?)).await;
                    stream.write("slept\n").await?;
                }
                "forever" => {
                    stream.write("waits\n").await?;
                    std::future::pending().await
                }
                // Reads no more, and writes until it is cut.
                "tick" => loop {
                    stream.write("tick\n").await?;
                    sleep(Duration::from_millis(10)).await;
                },
                "within" => {
                    let read = stream.read_until_with_max_bytes(b"\n", with.parse()?).await;
                    log::info!("within: {}", told(read));
                }
                "buffer" => {
                    stream.set_max_buffer_size(with.parse()?);
                    log::info!("buffer: {}", told(stream.read_until(b"\n").await));
                }
                // As many bytes as it is told, and then the end.
                "much" => {
                    stream.write("x".repeat(with.parse()?)).await?;
                    return Ok(());
                }
                "all" => {
                    let rest = stream.read_until_close().await?;
                    stream.write(format!("{}\n", rest.len())).await?;
                }
                "closed" => {
                    stream.write("waits\n").await?;
                    stream.closed().await;
                    log::info!("the other side is gone");
                }
                _ => stream.write(format!("You sent: {line}")).await?,
            }
        }
    }
}

fn told(read: Result<Vec<u8>, StreamError>) -> String {
    match read {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(error) => error.to_string(),
    }
}

fn spin() {
    let mut number = 0_u64;
    while std::hint::black_box(number) < u64::MAX {
        number += 1;
    }
}

/// Speaks TLS once it is asked to, as a mail server does.
#[derive(Default)]
struct StartTls;

#[handler]
impl TcpHandler for StartTls {
    async fn handle_stream(&mut self, stream: IoStream, _: &str) -> Result {
        loop {
            let line = stream.read_until(b"\n").await?;
            if line == b"STARTTLS\n" {
                stream.write("220 ready\n").await?;
                match stream.start_tls_as_server().await {
                    Ok(()) => {}
                    Err(StreamError::Invalid(why)) => stream.write(format!("{why}\n")).await?,
                    Err(error) => return Err(error.into()),
                }
            } else {
                stream.write(line).await?;
            }
        }
    }
}

export!(Now, Tell, tcp = [Lines, StartTls]);
