//! A record of Tornado's answers, and ours held against it. Knows no app.

use std::io::Read;

use serde::Deserialize;
use serde_json::Value;

use crate::harness::App;

/// What was sent over one connection, and what came back. A byte is the character of its number.
#[derive(Deserialize)]
struct Recorded {
    sent: Vec<String>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Sends what the records say was sent, and wants the recorded answers.
pub async fn compare(app: App, records: &[&str]) {
    let server = app.serve().await;
    let read = |record: &&str| -> Vec<Recorded> { serde_json::from_str(record).expect("a record") };
    let recorded: Vec<Recorded> = records.iter().flat_map(read).collect();
    assert!(!recorded.is_empty(), "the records are empty");
    let mut differences = Vec::new();
    for tornado in &recorded {
        let sent = tornado.sent.concat();
        let mut client = server.connect().await;
        client
            .send(sent.chars().map(byte).collect::<Vec<u8>>())
            .await;
        let received: String = client.rest().await.into_iter().map(char::from).collect();
        let theirs: Vec<Shown> = tornado.answers.iter().map(Answer::shown).collect();
        let mut ours: Vec<Shown> = answers(&tornado.sent, &received)
            .iter()
            .map(Answer::shown)
            .collect();
        for (ours, theirs) in ours.iter_mut().zip(&theirs) {
            if theirs.is_bare() {
                ours.strip();
            }
        }
        if ours != theirs {
            differences.push(format!("{sent}\nTornado: {theirs:?}\nours:    {ours:?}"));
        }
    }
    let (count, all) = (differences.len(), recorded.len());
    assert_eq!(count, 0, "of {all}:\n\n{}", differences.join("\n\n"));
}

/// The answers in what was received, one for each request as long as there are some.
fn answers(sent: &[String], mut received: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for request in sent {
        if received.is_empty() {
            break;
        }
        let (head, rest) = received.split_once("\r\n\r\n").unwrap_or((received, ""));
        let (first, lines) = head.split_once("\r\n").unwrap_or((head, ""));
        let (_, status) = first.split_once(' ').unwrap_or(("", first));
        let lines = lines.split("\r\n").filter_map(|line| line.split_once(": "));
        let headers: Vec<(String, String)> = lines
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let is_bodiless =
            request.starts_with("HEAD ") || status.starts_with("204") || status.starts_with("304");
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = match length {
            _ if is_bodiless => 0,
            Some((_, length)) => length.parse().expect("a length"),
            None => rest.chars().count(),
        };
        let end = rest
            .char_indices()
            .nth(length)
            .map_or(rest.len(), |(end, _)| end);
        let (body, after) = rest.split_at(end);
        received = after;
        answers.push(Answer {
            status: status.to_owned(),
            headers,
            body: body.to_owned(),
        });
    }
    answers
}

/// What both servers show alike.
#[derive(Debug, PartialEq)]
struct Shown {
    status: String,
    headers: Vec<(String, String)>,
    body: Result<Value, String>,
}

impl Answer {
    fn shown(&self) -> Shown {
        // Python says `I'm a Teapot`, RFC 2324 says it in lower case. The other one is that of RFC 2616.
        let rfc = |text: &str| {
            let text = text.replace("m a Teapot", "m a teapot");
            text.replace("Requested Range Not", "Range Not")
        };
        let status = rfc(&self.status);
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| match name.as_str() {
            "date" | "server" => false,
            // Tornado doesn't say what there is in place of a method that is not there.
            "allow" => !status.starts_with("405"),
            _ => true,
        });
        for (name, value) in &mut headers {
            match name.as_str() {
                "connection" => value.make_ascii_lowercase(),
                // It counts from now.
                "expires" => value.clear(),
                "set-cookie" => *value = without_moment(value),
                _ => {}
            }
        }
        headers.sort();
        let has = |name: &str, start: &str| {
            let mut headers = self.headers.iter();
            headers.any(|(other, value)| other == name && value.starts_with(start))
        };
        let body = match has("content-encoding", "gzip") {
            true => {
                headers.retain(|(name, _)| name != "content-length");
                gunzip(&self.body)
            }
            false => self.body.clone(),
        };
        let body = match has("content-type", "application/json") && !body.is_empty() {
            // Python writes it with spaces.
            true => {
                headers.retain(|(name, _)| name != "content-length" && name != "etag");
                serde_json::from_str(&rfc(&body)).map_err(|error| format!("{error}: {body}"))
            }
            false => Err(rfc(&body)),
        };
        Shown {
            status,
            headers,
            body,
        }
    }
}

impl Shown {
    /// Whether it is what Tornado says to a malformed request: a status line, and no more.
    fn is_bare(&self) -> bool {
        self.headers.is_empty()
    }

    fn strip(&mut self) {
        self.headers = Vec::new();
        self.body = Err(String::new());
    }
}

/// A cookie that is cleared ends at a moment in the past, whichever: the record has none.
fn without_moment(cookie: &str) -> String {
    match cookie.split_once("expires=") {
        Some((before, after)) if before.contains("=\"\"; ") => {
            let (_, rest) = after.split_at(after.find(';').unwrap_or(after.len()));
            format!("{before}expires={rest}")
        }
        _ => cookie.to_owned(),
    }
}

/// The record has such a body as it was before.
fn gunzip(body: &str) -> String {
    let body: Vec<u8> = body.chars().map(byte).collect();
    let mut plain = Vec::new();
    match flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain) {
        Ok(_) => plain.into_iter().map(char::from).collect(),
        Err(_) => body.into_iter().map(char::from).collect(),
    }
}

fn byte(char: char) -> u8 {
    u8::try_from(char).expect("a character below 256")
}
