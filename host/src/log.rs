//! The three logs on standard error: `access`, `app` (messages of guests) and `general`, in Tornado's one-line style
//! or as JSON. A full buffer drops lines, and a line says how many. Nothing ever waits for the log.

mod plain;

use std::fmt;
use std::io::{self, Stderr, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{self, AccessFormat, Format, Levels};

pub use plain::plain;
use plain::plain_json;

/// Lines that may wait to be written.
const BUFFERED_LINES: usize = 8192;

/// How much of one text is kept in a line, in bytes.
const MAX_TEXT: usize = 8 * 1024;

/// Starts the logs with these settings. Dropping the result flushes them.
pub fn start(log: &config::Log) -> Logs {
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
    let (wanted, look) = (Arc::<Wanted>::default(), Arc::<Look>::default());
    let logs = Logs {
        wanted: wanted.clone(),
        look: look.clone(),
        _guard: guard,
    };
    logs.follow(log);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .event_format(Lines(look));
    tracing_subscriber::registry()
        .with(Filter(wanted))
        .with(lines)
        .init();
    logs
}

/// The logs of this process, as long as this exists.
pub struct Logs {
    wanted: Arc<Wanted>,
    look: Arc<Look>,
    _guard: WorkerGuard,
}

impl Logs {
    /// Continues with these settings.
    pub fn follow(&self, log: &config::Log) {
        self.look.follow(log);
        self.wanted.follow(&log.level);
        // Each place that logs remembers whether its level is on.
        tracing::callsite::rebuild_interest_cache();
    }
}

/// The lowest severity that is written, for each log, as numbers of `severity`.
#[derive(Default)]
struct Wanted {
    access: AtomicU8,
    app: AtomicU8,
    general: AtomicU8,
}

impl Wanted {
    fn follow(&self, levels: &Levels) {
        for (wanted, level) in [
            (&self.access, levels.access),
            (&self.app, levels.app),
            (&self.general, levels.general),
        ] {
            wanted.store(least(level.unwrap_or_default()), Ordering::Relaxed);
        }
    }

    /// The lowest level of all logs.
    fn most(&self) -> LevelFilter {
        let logs = [&self.access, &self.app, &self.general];
        let least = logs
            .map(|log| log.load(Ordering::Relaxed))
            .into_iter()
            .min();
        match least {
            Some(0 | 1) => LevelFilter::DEBUG,
            Some(2) => LevelFilter::INFO,
            Some(3) => LevelFilter::WARN,
            Some(4) => LevelFilter::ERROR,
            _ => LevelFilter::OFF,
        }
    }

    fn hears(&self, event: &Metadata<'_>) -> bool {
        let severity = severity(*event.level());
        let wanted = |log: &AtomicU8| log.load(Ordering::Relaxed) <= severity;
        match event.target() {
            "access" => wanted(&self.access),
            "app" => wanted(&self.app),
            "general" => wanted(&self.general),
            // Libraries log more than is useful.
            _ => severity >= least(config::Level::Warn) && wanted(&self.general),
        }
    }
}

fn severity(level: Level) -> u8 {
    match level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN => 3,
        Level::ERROR => 4,
    }
}

/// The least `severity` that a level lets through.
fn least(level: config::Level) -> u8 {
    match level {
        config::Level::Debug => 1,
        config::Level::Info => 2,
        config::Level::Warn => 3,
        config::Level::Error => 4,
        config::Level::Off => 5,
    }
}

/// Drops events that no log wants before they are made.
struct Filter(Arc<Wanted>);

impl<S: Subscriber> Layer<S> for Filter {
    fn register_callsite(&self, event: &'static Metadata<'static>) -> Interest {
        match self.0.hears(event) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, event: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.hears(event)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.most())
    }
}

/// The present form of lines. It is read for every line, so what is rarely set costs little.
#[derive(Default)]
struct Look {
    is_json: AtomicBool,
    has_access: AtomicBool,
    has_ids: AtomicBool,
    access: RwLock<Option<AccessFormat>>,
}

impl Look {
    fn follow(&self, log: &config::Log) {
        let access = log.access.as_ref();
        let mut kept = self.access.write().unwrap_or_else(PoisonError::into_inner);
        *kept = access.cloned();
        let names_ids = access.is_some_and(|access| access.names("request_id"));
        self.has_ids.store(names_ids, Ordering::Relaxed);
        self.has_access.store(access.is_some(), Ordering::Relaxed);
        self.is_json
            .store(log.format == Format::Json, Ordering::Relaxed);
    }

    /// The line of the access log where it is not Tornado's.
    fn access(&self, fields: impl FnOnce() -> Map<String, Value>) -> Option<String> {
        if !self.has_access.load(Ordering::Relaxed) {
            return None;
        }
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner);
        let fields = fields();
        let field = |name| match fields.get(name) {
            None => "-".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(ms)) if name == "ms" => {
                format!("{:.2}", ms.as_f64().unwrap_or_default())
            }
            Some(other) => other.to_string(),
        };
        Some(access.as_ref()?.fill(field))
    }
}

/// Standard error, at the end of the buffer.
struct Output {
    stderr: Stderr,
    /// Lines for which there was no room.
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many of them the log has reported.
    told: usize,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stderr.write(bytes)
    }

    /// Called whenever the buffer is empty, so that there is room for a line about dropped ones.
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

/// One line for each event.
struct Lines(Arc<Look>);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.0.is_json.load(Ordering::Relaxed) {
            true => json(writer, event, &self.0),
            false => text(writer, event, &self.0),
        }
    }
}

/// Tornado's `LogFormatter`, without its colours: `[%(levelname)1.1s %(asctime)s %(module)s] %(message)s`.
fn text(mut writer: Writer<'_>, event: &Event<'_>, look: &Look) -> fmt::Result {
    let metadata = event.metadata();
    let level = match *metadata.level() {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        Level::INFO => 'I',
        Level::DEBUG | Level::TRACE => 'D',
    };
    let now = jiff::Zoned::now().strftime("%y%m%d %H:%M:%S");
    let mut said = Said {
        look,
        is_custom: look.has_access.load(Ordering::Relaxed) && metadata.target() == "access",
        component: String::new(),
        message: String::new(),
        rest: Vec::new(),
    };
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

/// The parts of an event, made plain.
struct Said<'a> {
    look: &'a Look,
    /// Whether it is a line of the access log with a form of its own.
    is_custom: bool,
    component: String,
    message: String,
    rest: Vec<(&'static str, String)>,
}

impl Visit for Said<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = || plain(&cut(format!("{value:?}"))).into_owned();
        match field.name() {
            "message" if self.is_custom => {
                let line = self.look.access(|| access_fields(value));
                self.message = line.map_or_else(text, |line| plain(&cut(line)).into_owned());
            }
            "message" => self.message = text(),
            "component" => self.component = text(),
            // Without ids in the access log, they would lead nowhere.
            "request_id" if !self.look.has_ids.load(Ordering::Relaxed) => {}
            name => self.rest.push((name, text())),
        }
    }
}

/// The fields of a line of the access log, from its other form.
fn access_fields(line: &dyn fmt::Debug) -> Map<String, Value> {
    let mut fields: Map<String, Value> =
        serde_json::from_str(&format!("{line:#?}")).unwrap_or_default();
    for value in fields.values_mut() {
        if let Value::String(text) = value {
            *text = cut(std::mem::take(text));
        }
    }
    fields
}

/// One object a line: `time`, `level`, `log`, and the event's fields: its `message`, and more.
fn json(mut writer: Writer<'_>, event: &Event<'_>, look: &Look) -> fmt::Result {
    let metadata = event.metadata();
    let mut fields = Fields {
        look,
        is_access: metadata.target() == "access",
        line: Map::new(),
    };
    let level = metadata.level().as_str().to_ascii_lowercase();
    fields.insert("time", format!("{:.6}", jiff::Timestamp::now()));
    fields.insert("level", level);
    fields.insert("log", metadata.target());
    event.record(&mut fields);
    let line = Value::Object(fields.line).to_string();
    writeln!(writer, "{}", plain_json(&line))
}

/// The fields of an event.
struct Fields<'a> {
    look: &'a Look,
    is_access: bool,
    line: Map<String, Value>,
}

impl Fields<'_> {
    fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.line.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field.name(), cut(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.is_access {
            let fields = access_fields(value);
            let line = self.look.access(|| fields.clone());
            let message = line.unwrap_or_else(|| format!("{value:?}"));
            self.insert(field.name(), cut(message));
            self.line.extend(fields);
        } else {
            self.insert(field.name(), cut(format!("{value:?}")));
        }
    }
}

/// Cuts a text, because guests and clients can make texts of any length.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}
