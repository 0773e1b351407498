//! What fuzzing calls: functions that take bytes as they may come from a client, and must neither panic nor break their
//! promises. Only for fuzzing and for tests, which replay what was found (`tests/fuzz/corpus`).

use bytes::Bytes;
use futures_util::FutureExt;

use crate::escape::{url_escape, url_unescape_bytes};
use crate::web::arguments::Arguments;
use crate::web::{cookies, multipart};

/// A name, and what it calls.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("arguments", arguments),
    ("cookies", cookies),
    ("multipart", multipart),
];

/// A query, or a form that is encoded like one. What is decoded can be encoded again.
pub fn arguments(data: &[u8]) {
    let arguments = Arguments::parse(data);
    let encoded: Vec<String> = arguments
        .iter()
        .map(|(name, value)| format!("{}={}", url_escape(name, true), url_escape(value, true)))
        .collect();
    assert_eq!(Arguments::parse(encoded.join("&").as_bytes()), arguments);
    let _ = Arguments::parse_form(data);
    for plus in [true, false] {
        assert_eq!(url_unescape_bytes(url_escape(data, plus), plus), data);
    }
}

/// The value of `Cookie`.
pub fn cookies(data: &[u8]) {
    for cookie in cookies::parse(data) {
        let _ = cookies::line(&cookie);
    }
}

/// A content type in the first line, and a body behind it. No file has a name that leads to another folder.
pub fn multipart(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let content_type = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let body = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    let form = multipart::parse(&content_type, body).now_or_never();
    let Ok(form) = form.expect("all of the body is there") else {
        return;
    };
    for (_, file) in form.files.iter() {
        if let Some(name) = file.base_name() {
            assert!(!name.contains(['/', '\\', '\0']) && name != ".." && !name.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_fuzzing_has_found_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        for (name, target) in TARGETS {
            let files = std::fs::read_dir(corpus.join(name)).expect("a corpus");
            let mut count = 0;
            for file in files {
                let file = file.expect("a file").path();
                println!("{}", file.display());
                target(&std::fs::read(file).expect("its bytes"));
                count += 1;
            }
            assert!(count > 0, "{name} has no corpus");
        }
    }
}
