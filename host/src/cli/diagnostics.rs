//! How a command reports faults: first the plain line, then the place in the file. Coloured on a terminal, unless
//! `NO_COLOR` is set. Never for the log, which is plain.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use annotate_snippets::renderer::Style;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::app::generation::{Refusal, handlers_folder};
use crate::base::error::{Fault, Faults};
use crate::config;
use crate::log::plain;

/// Writes to standard error why a command failed.
pub fn error(error: &anyhow::Error) {
    if let Some(faults) = error.downcast_ref::<Faults>() {
        show(faults, &Level::ERROR, "");
    } else if let Some(refusal) = error.downcast_ref::<Refusal>() {
        show(refusal.faults.iter().flatten(), &Level::ERROR, "");
        for (file, reason) in &refusal.components {
            let file = handlers_folder(Path::new("")).join(file);
            show([&Fault::in_file(&file, reason)], &Level::ERROR, "");
        }
    } else {
        eprintln!("{}", plain(&format!("{error:#}")));
    }
}

/// Writes warnings to standard error.
pub fn warn(faults: &Faults) {
    show(faults, &Level::WARNING, "warning: ");
}

fn show<'f>(faults: impl IntoIterator<Item = &'f Fault>, level: &Level<'_>, word: &str) {
    let mut texts = HashMap::new();
    for fault in faults {
        // The present text: what was read is gone, and the file rarely changes in between.
        let text = texts
            .entry(&fault.file)
            .or_insert_with(|| fs::read_to_string(&fault.file).unwrap_or_default());
        let line = config::line_to_show(text, fault.line);
        anstream::eprintln!("{}", drawn(fault, line, level, word));
    }
}

fn drawn(fault: &Fault, line: Option<&str>, level: &Level<'_>, word: &str) -> String {
    // Some of them contain text of guests.
    let (place, message) = (plain(&fault.place()).into_owned(), plain(&fault.message));
    let Some(line) = line else {
        let bold = Style::new().bold();
        let hint = fault.hint.iter();
        let hint = hint.map(|hint| format!("\n  hint: {}", plain(hint)));
        let hint: String = hint.collect();
        return format!("{bold}{place}{bold:#}: {word}{message}{hint}");
    };
    let begin = byte_of(line, fault.column - 1);
    let end = begin + byte_of(&line[begin..], fault.length.max(1));
    let caret = AnnotationKind::Primary.span(begin..end);
    let title = format!("{place}: {word}{message}");
    let shown: Group<'_> = level.clone().no_name().primary_title(title).element(
        Snippet::source(line)
            .line_start(fault.line)
            .annotation(caret),
    );
    let hint = fault.hint.as_deref().map(plain);
    let hint = hint.map(|hint| Level::HELP.with_name("hint").message(hint));
    Renderer::styled().render(&[shown.elements(hint)])
}

/// Where the character with this number begins. Past the last one, it is the end.
fn byte_of(text: &str, character: usize) -> usize {
    let found = text.char_indices().nth(character);
    found.map_or(text.len(), |(byte, _)| byte)
}
