//! A server of the Gopher protocol (RFC 1436), the web's older sister: a client sends one line, and gets a menu or a text.
//! `curl gopher://127.0.0.1:7070/` asks for the first menu.

use waterspout_sdk::iostream::IoStream;
use waterspout_sdk::prelude::*;
use waterspout_sdk::tcpserver::TcpHandler;

/// The longest line of a client.
const MAX_SELECTOR: usize = 255;

/// What there is to read: a name, and a text.
const TEXTS: [(&str, &str); 3] = [
    (
        "gopher",
        "A gopher digs tunnels.\r\nIts protocol was there before the web was known.",
    ),
    ("tornado", "A tornado is air that turns.\r\nOver land."),
    (
        "waterspout",
        "A waterspout is a tornado.\r\nOver water, and with fewer houses in its way.",
    ),
];

#[derive(Default)]
struct Gopher;

#[handler]
impl TcpHandler for Gopher {
    async fn handle_stream(&mut self, stream: IoStream, address: &str) -> Result {
        let line = stream
            .read_until_with_max_bytes(b"\r\n", MAX_SELECTOR)
            .await?;
        let line = String::from_utf8(line)?;
        let selector = line.trim_end();
        // The words of a search come behind a tab.
        let (selector, words) = selector.split_once('\t').unwrap_or((selector, ""));
        // Menus say where they lead: back to here, as this client has found it.
        let here = stream.local_address();
        let here = here.rsplit_once(':').unwrap_or(("127.0.0.1", "7070"));
        log::info!("{address} asks for {selector:?}");
        let answer = match selector {
            "" | "/" => first(here),
            "/find" => found(words, here),
            _ => match selector.strip_prefix("/text/").and_then(text) {
                Some(text) => text.to_owned(),
                None => item('3', "There is nothing of this name.", "", here),
            },
        };
        stream
            .write(format!("{}\r\n.\r\n", answer.trim_end()))
            .await?;
        Ok(())
    }
}

fn text(name: &str) -> Option<&'static str> {
    let mut texts = TEXTS.iter();
    texts
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// The first menu.
fn first(here: (&str, &str)) -> String {
    let texts = TEXTS
        .iter()
        .map(|(name, _)| item('0', name, &format!("/text/{name}"), here));
    let title = item('i', "What turns, and what digs", "", here);
    let find = item('7', "Find a word", "/find", here);
    title + &texts.collect::<String>() + &find
}

/// A menu of the texts with these words.
fn found(words: &str, here: (&str, &str)) -> String {
    let texts = TEXTS.iter().filter(|(_, text)| text.contains(words));
    let items: String = texts
        .map(|(name, _)| item('0', name, &format!("/text/{name}"), here))
        .collect();
    match items.is_empty() {
        true => item('i', "No text has these words.", "", here),
        false => items,
    }
}

/// One line of a menu: the type, what is shown, and where it leads (RFC 1436, section 3.8).
fn item(kind: char, shown: &str, selector: &str, (host, port): (&str, &str)) -> String {
    format!("{kind}{shown}\t{selector}\t{host}\t{port}\r\n")
}

export!(tcp = [Gopher]);
