//! Tests of the framing: what it lets pass, however the bytes are split.

use super::*;

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The result for these bytes: how many passed, how many heads were complete, and what was wrong.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    passed: usize,
    heads: u64,
    breach: Option<Breach>,
    to_come: u64,
}

fn follow<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Verdict {
    let mut framing = Framing::new(1024);
    let mut passed = 0;
    for piece in pieces {
        passed += framing.read(piece);
        if framing.breach().is_some() {
            break;
        }
    }
    Verdict {
        passed,
        heads: framing.heads(),
        breach: framing.breach(),
        to_come: framing.to_come(),
    }
}

/// The result for `text`. It is the same however the text is split, except that a refused head is held back earlier
/// when more of it comes together.
fn verdict(text: &str) -> Verdict {
    let bytes = text.as_bytes();
    let whole = follow([bytes]);
    let same = |split: Verdict| {
        let told = (split.heads, split.breach, split.to_come);
        assert_eq!(told, (whole.heads, whole.breach, whole.to_come), "{text:?}");
        if whole.breach.is_none_or(|breach| breach == Breach::Body) {
            assert_eq!(split.passed, whole.passed, "{text:?}");
        }
    };
    same(follow(bytes.chunks(1)));
    for at in 0..bytes.len() {
        let (first, second) = bytes.split_at(at);
        same(follow([first, second]));
    }
    for size in [2, 3, 5, 7, 11] {
        same(follow(bytes.chunks(size)));
    }
    whole
}

#[test]
fn messages_follow_each_other() {
    for (text, heads) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        ("\r\n\n\r\nGET / HTTP/1.1\nHost: a\n\n".to_owned(), 1),
        (
            format!("{POST}Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n"),
            2,
        ),
        (
            format!("{POST}content-length:  3 \r\nContent-Length: 3\r\n\r\n\n\n\n\r\n"),
            1,
        ),
        (format!("{CHUNKED}0\r\n\r\n{CHUNKED}0\r\n\r\n"), 2),
        (
            format!("{CHUNKED}A\r\n0123456789\r\n000\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
            2,
        ),
        (
            format!("{CHUNKED}1;a;b=c ; d = \"e;\\\"\r\t\"\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n"),
            1,
        ),
        (
            format!("{POST}Transfer-Encoding:\t Chunked \r\n\r\n0\r\n\r\n"),
            1,
        ),
        (format!("{POST}Contents: 3\r\nTransfer: b\r\n\r\n"), 1),
    ] {
        // A carriage return is no text.
        let text = text.replace("\r\t", "\t");
        let verdict = verdict(&text);
        assert_eq!((verdict.breach, verdict.heads), (None, heads), "{text:?}");
        assert_eq!(
            (verdict.passed, verdict.to_come),
            (text.len(), 0),
            "{text:?}"
        );
    }
}

#[test]
fn what_is_to_come_is_known() {
    for (text, to_come) in [
        ("GET / HTTP/1.1\r\n".to_owned(), 0),
        (format!("{POST}Content-Length: 5\r\n\r\nab"), 3),
        (CHUNKED.to_owned(), u64::MAX),
        (format!("{CHUNKED}5\r\nabcde\r\n0\r\n"), u64::MAX),
    ] {
        assert_eq!(verdict(&text).to_come, to_come, "{text:?}");
    }
}

#[test]
fn a_head_that_frames_its_body_badly_is_held_back() {
    for (fields, breach) in [
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            Breach::LengthAndCoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            Breach::LengthAndCoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length:",
            Breach::LengthAndCoding,
        ),
        ("Content-Length: 3\r\nContent-Length: 4", Breach::TwoLengths),
        ("Content-Length: +3", Breach::BadLength),
        ("Content-Length: 3, 3", Breach::BadLength),
        ("Content-Length: 0x3", Breach::BadLength),
        ("Content-Length: 1 0", Breach::BadLength),
        ("Content-Length:", Breach::BadLength),
        ("Content-Length: 18446744073709551616", Breach::LongLength),
        (
            "Content-Length: 99999999999999999999999",
            Breach::LongLength,
        ),
        ("Transfer-Encoding: gzip", Breach::BadCoding),
        ("Transfer-Encoding: chunked, chunked", Breach::BadCoding),
        ("Transfer-Encoding: gzip, chunked", Breach::BadCoding),
        ("Transfer-Encoding: , chunked", Breach::BadCoding),
        ("Transfer-Encoding: identity", Breach::BadCoding),
        ("Transfer-Encoding: xchunked", Breach::BadCoding),
        ("Transfer-Encoding:", Breach::BadCoding),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            Breach::BadCoding,
        ),
    ] {
        let verdict = verdict(&format!("{POST}{fields}\r\n\r\n0\r\n\r\n"));
        assert_eq!(
            (verdict.breach, verdict.heads),
            (Some(breach), 0),
            "{fields}"
        );
        assert!(verdict.passed < POST.len() + fields.len(), "{fields}");
    }
    let long = format!("{POST}Content-Length: {}3\r\n\r\n", " ".repeat(MAX_FIELD));
    assert_eq!(verdict(&long).breach, Some(Breach::BadLength));
}

#[test]
fn a_request_line_has_bounds() {
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1024));
    assert_eq!(verdict(&long).breach, Some(Breach::LongLine));
    assert_eq!(
        verdict("GET /a#b HTTP/1.1\r\n").breach,
        Some(Breach::Fragment)
    );
    assert_eq!(verdict("GET / HTTP/1.1\r\nA: #\r\n\r\n").breach, None);
}

#[test]
fn a_chunk_that_breaks_the_rules_ends_all() {
    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for (sound, broken) in [
        ("", "\r\n"),
        ("", " 1\r\nx\r\n"),
        ("", "\t1\r\nx\r\n"),
        ("", "-1\r\n"),
        ("", "+1\r\n"),
        ("", "g\r\n"),
        ("", ";a\r\n"),
        ("0", "x1\r\n"),
        ("1", "_0\r\n"),
        ("1 ", "\r\nx\r\n"),
        ("1\t", "\r\nx\r\n"),
        ("1", "\nx\r\n"),
        ("1\r", "x"),
        ("1111111111111111", "1\r\n"),
        ("1;", "\r\nx\r\n"),
        ("1;a;", "\r\nx\r\n"),
        ("1;a=", "\r\nx\r\n"),
        ("1;a ", "\r\nx\r\n"),
        ("1;", "=b\r\nx\r\n"),
        ("1;", "@\r\nx\r\n"),
        ("1;a", "\0\r\nx\r\n"),
        ("1;a=b", "\0\r\nx\r\n"),
        ("1;a=\"b", "\0\"\r\nx\r\n"),
        ("1;a=\"b", "\r\nx\r\n"),
        ("1;a=\"b\"", "c\r\nx\r\n"),
        ("1;a", "\nx\r\n"),
        ("1;a\r", "\rx\r\n"),
        ("1\r\nx", "y"),
        ("1\r\nx", "\n"),
        ("1\r\nx\r", "1\r\n"),
        ("0", "\n\r\n"),
        ("0\r\n", "\n"),
        ("0\r\nA: b", "\n\r\n"),
        ("0\r\nA: b\r\n", "\n"),
        ("0\r\n", " A: b\r\n\r\n"),
        ("0\r\nA", " : b\r\n\r\n"),
        ("0\r\nA", "\r\n\r\n"),
        ("0\r\n", ": b\r\n\r\n"),
        ("0\r\nA: ", "\0\r\n\r\n"),
        ("0\r\nA: b\r", "c\r\n\r\n"),
        ("0\r\n\r", "0"),
    ] {
        let verdict = verdict(&format!("{CHUNKED}{sound}{broken}{HIDDEN}"));
        let body = format!("{sound}|{broken}");
        assert_eq!(
            (verdict.breach, verdict.heads),
            (Some(Breach::Body), 1),
            "{body:?}"
        );
        assert_eq!(verdict.passed, CHUNKED.len() + sound.len(), "{body:?}");
    }
}
