//! What a guest's fault looks like as text: the trap and the guest's stack. The names in a stack are the guest's own, so
//! each is cut, and read within bounds. Invisible characters are escaped where they are shown. Decides nothing.

use std::fmt::{self, Write as _};

use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

use crate::base::error::cut;

/// The longest mangled name that is read. A longer one is shown as it is, and cut.
const MAX_MANGLED: usize = 1024;

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 160;

/// How many frames are shown.
const MAX_FRAMES: usize = 50;

/// How many functions are shown that are inlined in one.
const MAX_INLINED: usize = 10;

/// The longest message of an error, in characters.
const MAX_MESSAGE: usize = 2000;

/// What ended a call, and where the guest was. Before that come the last words of the guest, if it had any.
pub fn text(error: &wasmtime::Error, words: Option<&str>) -> String {
    let words = words.map(panic_message);
    let said = words
        .as_ref()
        .map_or(String::new(), |words| format!("{words}\n"));
    match error.downcast_ref::<WasmBacktrace>() {
        Some(stack) => {
            let trap = cut(&error.root_cause().to_string(), MAX_MESSAGE);
            // A panic's own functions say nothing of its cause.
            let first = match words.is_some_and(|words| words.contains("panicked at ")) {
                true => first_of_cause(stack),
                false => 0,
            };
            format!("{said}{trap}\n{}", frames_from(stack, first))
        }
        None => format!("{said}{}", message(error)),
    }
}

/// The words of a panic without those that are of no use here.
fn panic_message(words: &str) -> String {
    let lines = words
        .lines()
        .map(|line| match line.split_once(" panicked at ") {
            Some((thread, place)) if thread.starts_with("thread ") => {
                format!("panicked at {place}")
            }
            _ => line.to_owned(),
        });
    let lines: Vec<String> = lines
        .filter(|line| !line.starts_with("note: run with `RUST_BACKTRACE="))
        .collect();
    cut(lines.join("\n").trim(), MAX_MESSAGE)
}

/// The first frame behind those of Rust's own panics.
fn first_of_cause(stack: &WasmBacktrace) -> usize {
    let of_panics = |name: &str| {
        let name = name.trim_start_matches('<');
        let is_of = |prefix: &&str| name.starts_with(*prefix);
        name == "abort"
            || ["core::", "std::", "alloc::", "__rustc::", "rust_"]
                .iter()
                .any(is_of)
    };
    let frames = stack.frames().iter();
    let first = frames
        .take_while(|frame| of_panics(&function(frame)))
        .count();
    // All of them is none: then nothing is known of the cause.
    if first < stack.frames().len() {
        first
    } else {
        0
    }
}

/// The same in one line, without the stack.
pub fn message(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<WasmBacktrace>() {
        Some(_) => cut(&error.root_cause().to_string(), MAX_MESSAGE),
        None => cut(&format!("{error:#}"), MAX_MESSAGE),
    }
}

/// A guest's stack, the innermost function first, one in each line.
pub fn frames(stack: &WasmBacktrace) -> String {
    frames_from(stack, 0)
}

fn frames_from(stack: &WasmBacktrace, first: usize) -> String {
    let mut text = String::new();
    let frames = stack.frames().iter().enumerate().skip(first);
    for (number, frame) in frames.take(MAX_FRAMES) {
        let separator = if number > first { "\n" } else { "" };
        let _ = write!(text, "{separator}  {number:>3}: ");
        if let Some(offset) = frame.module_offset() {
            let _ = write!(text, "{offset:#8x} - ");
        }
        let module = frame.module().name().unwrap_or("<unknown>");
        let _ = write!(text, "{}!{}", cut(module, MAX_NAME), function(frame));
        for place in frame.symbols().iter().filter_map(place).take(MAX_INLINED) {
            let _ = write!(text, "\n         {place}");
        }
    }
    let more = stack.frames().len().saturating_sub(first + MAX_FRAMES);
    if more > 0 {
        let _ = write!(text, "\n  … {more} more");
    }
    text
}

/// Where a function stands, or one that is inlined in it, as the debugging information has it. `None`: in the standard
/// library, or in a package of the registry, where nobody looks for a fault first.
fn place(symbol: &FrameSymbol) -> Option<String> {
    let file = symbol.file()?;
    if file.starts_with("/rustc/") || file.contains("/registry/src/") {
        return None;
    }
    let mut text = format!("at {}", cut(file, MAX_NAME));
    for number in [symbol.line(), symbol.column()].into_iter().flatten() {
        let _ = write!(text, ":{number}");
    }
    Some(text)
}

fn function(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => readable(name),
        None => format!("<wasm function {}>", frame.func_index()),
    }
}

/// A function's name as its source has it, if it is one of Rust.
fn readable(name: &str) -> String {
    let mangled = Some(name).filter(|name| name.len() <= MAX_MANGLED);
    let Some(demangled) = mangled.and_then(|name| rustc_demangle::try_demangle(name).ok()) else {
        return cut(name, MAX_NAME);
    };
    let mut short = Short::default();
    // What is too long ends it. Names can be made so that they grow without bound.
    let _ = write!(short, "{demangled:#}");
    cut(&short.text, MAX_NAME)
}

/// Takes no more than a name may have.
#[derive(Default)]
struct Short {
    text: String,
}

impl fmt::Write for Short {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.text.push_str(part);
        match self.text.len() > MAX_NAME * 4 {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn names_of_rust_are_readable() {
        assert_eq!(
            readable("_ZN5hello5Hello3get17h0123456789abcdefE"),
            "hello::Hello::get"
        );
        assert_eq!(readable("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(readable("main"), "main");
    }

    #[test]
    fn no_name_takes_much_time_or_room() {
        // Each reference doubles what the one before it says.
        let mut growing = "_RMC0".to_owned();
        growing.push_str("TTTTuuE");
        for at in 0..40 {
            let _ = write!(growing, "B{at}_B{at}_");
        }
        growing.push('E');
        let nested = format!("_RMC0{}u{}", "T".repeat(400), "E".repeat(400));
        // As C++ does it, which is not read.
        let cpp = format!("_Z1aIiE{}", "S_IS_S_E".repeat(100_000));
        let began = Instant::now();
        for name in [&growing, &nested, &cpp] {
            assert!(readable(name).chars().count() <= MAX_NAME + 1, "{name}");
        }
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
