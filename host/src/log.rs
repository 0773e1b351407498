//! The three logs on standard error: `access`, `app` (what guests say) and `general`, in Tornado's one-line style or
//! as JSON. A full buffer drops lines, and says how many; it never makes anybody wait.

use std::fmt;
use std::io::{self, Stderr, Write};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that may wait to be written.
const BUFFERED_LINES: usize = 8192;

/// What is kept of one text in a line, in bytes.
const MAX_TEXT: usize = 8 * 1024;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `[I 260101 12:00:00 access] 200 GET / (127.0.0.1) 0.52ms`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the logs. They are flushed when the guard is dropped.
pub fn start(format: Format, level: LevelFilter) -> WorkerGuard {
    let dropped = Arc::new(OnceLock::new());
    let output = Output {
        stderr: io::stderr(),
        dropped: dropped.clone(),
        told: 0,
    };
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(BUFFERED_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(output);
    let _ = dropped.set(writer.error_counter());
    let ours = Targets::new()
        .with_target("access", level)
        .with_target("app", level)
        .with_target("general", level)
        .with_default(LevelFilter::WARN.min(level));
    let registry = tracing_subscriber::registry().with(ours);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Text => registry.with(layer.event_format(OneLine)).init(),
        Format::Json => registry.with(layer.event_format(Json)).init(),
    }
    guard
}

/// Standard error, at the end of the buffer.
struct Output {
    stderr: Stderr,
    /// Lines that found no room.
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many of them the log has told of.
    told: usize,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stderr.write(bytes)
    }

    /// Is called whenever the buffer is empty, so that there is room for a line of our own.
    fn flush(&mut self) -> io::Result<()> {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        let news = dropped - self.told;
        if news > 0 {
            self.told = dropped;
            tracing::warn!(target: "general", "the log was too slow: {news} lines before this one are lost");
        }
        self.stderr.flush()
    }
}

/// Tornado's `LogFormatter`, without its colours: `[%(levelname)1.1s %(asctime)s %(module)s] %(message)s`.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => 'E',
            Level::WARN => 'W',
            Level::INFO => 'I',
            Level::DEBUG | Level::TRACE => 'D',
        };
        let now = jiff::Zoned::now().strftime("%y%m%d %H:%M:%S");
        let mut said = Said::default();
        event.record(&mut said);
        write!(writer, "[{level} {now} {}", metadata.target())?;
        if !said.component.is_empty() {
            write!(writer, " {}", said.component)?;
        }
        write!(writer, "] {}", said.message)?;
        for (name, value) in &said.rest {
            write!(writer, " {name}={value}")?;
        }
        writeln!(writer)
    }
}

/// What an event carries. Line breaks are shown as indented lines, so that a guest can't forge a line.
#[derive(Default)]
struct Said {
    component: String,
    message: String,
    rest: Vec<(&'static str, String)>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = clean(&cut(format!("{value:?}")));
        match field.name() {
            "component" => self.component = text,
            "message" => self.message = text,
            name => self.rest.push((name, text)),
        }
    }
}

/// One object a line: `timestamp`, `level`, `fields` with the `message`, and `target`, which names the log.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = json!({
            "timestamp": format!("{:.6}", jiff::Timestamp::now()),
            "level": event.metadata().level().as_str(),
            "fields": fields.0,
            "target": event.metadata().target(),
        });
        writeln!(writer, "{line}")
    }
}

/// What an event carries. JSON escapes what could do harm.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, cut(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, cut(format!("{value:?}")));
    }
}

/// A guest or a client may have made a text as long as it likes.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// Control bytes can do harm in a terminal, and a bare line break could pass for a line of ours.
fn clean(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => clean.push_str("\n    "),
            '\t' => clean.push(c),
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_message_can_not_pass_for_a_line_or_reach_the_terminal() {
        assert_eq!(clean("a\n[I forged]"), "a\n    [I forged]");
        assert_eq!(clean("\x1b[2J\r"), "\\u{1b}[2J\\r");
    }
}
