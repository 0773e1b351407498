//! Passes the output of Cargo and the compiler on to standard error, up to a limit. Does not understand it.

use std::io::{Read, Write};

/// How much is shown of one kind of output in one build, in bytes.
const MAX_SHOWN: usize = 256 << 10;

/// The longest line that is drawn again and again, such as a progress bar. The number of these has no limit.
const MAX_REDRAWN: usize = 512;

/// One kind of output, and how much more of it may be shown.
pub struct Flood {
    what: &'static str,
    left: usize,
    /// How many bytes were left out.
    dropped: usize,
}

impl Flood {
    pub fn of(what: &'static str) -> Self {
        Self {
            what,
            left: MAX_SHOWN,
            dropped: 0,
        }
    }

    /// As much of a text as may be shown.
    pub fn pass<'t>(&mut self, text: &'t str) -> &'t str {
        let shown = &text[..text.floor_char_boundary(self.left)];
        self.count(text.len(), shown.len());
        shown
    }

    /// As much of these bytes as may be shown.
    fn pass_bytes<'t>(&mut self, bytes: &'t [u8]) -> &'t [u8] {
        let shown = &bytes[..bytes.len().min(self.left)];
        self.count(bytes.len(), shown.len());
        shown
    }

    fn count(&mut self, all: usize, shown: usize) {
        self.left -= shown;
        if shown < all {
            self.left = 0;
            self.dropped += all - shown;
        }
    }

    /// A line that says what was left out, where anything was.
    pub fn cut(&self) -> Option<String> {
        let (what, kb) = (self.what, self.dropped.div_ceil(1024));
        (self.dropped > 0).then(|| format!("   Left out: {kb} KB more of {what}"))
    }
}

/// Copies Cargo's output to where it is shown. Returns it, without lines that were drawn over: of these `redrawn` hears,
/// and says whether they are shown.
pub fn pass_on(
    mut words: impl Read,
    mut shown: impl Write,
    mut redrawn: impl FnMut(&[u8]) -> bool,
) -> String {
    let mut flood = Flood::of("what Cargo says");
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    // The beginning of a line whose end is not there yet.
    let mut begun = Vec::new();
    loop {
        let length = words.read(&mut chunk).unwrap_or_default();
        let mut now = Vec::new();
        for piece in chunk[..length].split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            begun.extend_from_slice(piece);
            let is_whole = begun.ends_with(b"\n") || begun.ends_with(b"\r");
            if !is_whole && begun.len() <= MAX_REDRAWN {
                continue;
            }
            let line = std::mem::take(&mut begun);
            if line.len() <= MAX_REDRAWN && line.ends_with(b"\r") {
                if redrawn(&line) {
                    now.extend_from_slice(&line);
                }
            } else {
                let line = flood.pass_bytes(&line);
                now.extend_from_slice(line);
                kept.extend_from_slice(line);
            }
        }
        if length == 0 {
            let line = flood.pass_bytes(&begun);
            now.extend_from_slice(line);
            kept.extend_from_slice(line);
        }
        let _ = shown.write_all(&now);
        if length == 0 {
            break;
        }
    }
    if let Some(cut) = flood.cut() {
        let _ = writeln!(shown, "\n{cut}");
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_says_so() {
        let mut flood = Flood::of("warnings");
        let text = "ü".repeat(MAX_SHOWN / 2 - 1);
        assert_eq!(flood.pass(&text), text);
        assert_eq!(flood.cut(), None);
        assert_eq!(flood.pass("aüx"), "a");
        assert_eq!(flood.pass("b"), "");
        let cut = flood.cut().unwrap();
        assert_eq!(cut, "   Left out: 1 KB more of warnings");
    }

    #[test]
    fn a_bar_of_progress_has_no_end() {
        let bar = "Building [==> ] 7/9\r".repeat(100_000);
        let said = format!("{bar}error: no\n{}", "x".repeat(2 * MAX_SHOWN));
        let mut shown = Vec::new();
        let kept = pass_on(said.as_bytes(), &mut shown, |_| true);
        assert!(shown.len() > bar.len());
        assert!(kept.contains("error: no\nxxx"));
        assert_eq!(kept.len(), MAX_SHOWN);
    }

    #[test]
    fn a_bar_of_progress_is_heard_and_need_not_be_shown() {
        let mut shown = Vec::new();
        let mut bars = Vec::new();
        // It ends in another piece than it began in.
        let said = b"one\nBuilding 1/2\r".chain(&b"two\nBuil"[..]);
        let kept = pass_on(said.chain(&b"ding 2/2\rend"[..]), &mut shown, |bar| {
            bars.push(String::from_utf8_lossy(bar).into_owned());
            false
        });
        assert_eq!((&*kept, &*shown), ("one\ntwo\nend", &b"one\ntwo\nend"[..]));
        assert_eq!(bars, ["Building 1/2\r", "Building 2/2\r"]);
    }
}
