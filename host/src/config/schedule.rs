//! `[[schedule]]`: which function of which component is called when. Never checks whether the component or the
//! function exists: that is known only once it is compiled.

use std::time::Duration;

use serde_json::Value as Json;
use toml::de::DeValue;

use crate::base::error::Position;
use crate::base::timetable::{self, Timing};

use super::component::is_component;
use super::section::{Section, table};
use super::value::Value;

/// One `[[schedule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Unique among all schedules.
    pub name: String,
    /// When.
    pub timing: Timing,
    /// The component's file name in `handlers/`.
    pub file: String,
    /// The function, as the component names it.
    pub function: String,
    /// Its arguments.
    pub arguments: Json,
    /// A random delay, up to this long.
    pub jitter: Duration,
    /// The place of the function's name, for later checks.
    pub position: Position,
}

/// Reads all `[[schedule]]` tables.
pub(super) fn read(value: Value<'_, '_>) -> Option<Vec<Schedule>> {
    if let DeValue::Table(_) = value.item() {
        let hint = "write `[[schedule]]`, once for each";
        return value.wrong("`schedule` is an array of tables", Some(hint.to_owned()));
    }
    let mut names = Vec::new();
    value.list(|value| schedule(table(value, "in [[schedule]]")?, &mut names))
}

fn schedule(mut section: Section<'_, '_>, names: &mut Vec<String>) -> Option<Schedule> {
    let name = section.require("name", |value| {
        let name = value.text()?;
        if names.iter().any(|other| other == name) {
            return value.wrong(format!("two schedules are named `{name}`"), None);
        }
        names.push(name.to_owned());
        Some(name.to_owned())
    });
    let zone = section.get("time_zone", |value| {
        let name = value.text()?;
        match timetable::zone(name) {
            Ok(zone) => Some(zone),
            Err(error) => value.wrong(error, zone_hint()),
        }
    });
    let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
    let every = section.get("every", |value| {
        let period = value.duration()?;
        match period.is_zero() {
            true => value.wrong("`every` leaves no time at all", None),
            false => Some(Timing::every(period)),
        }
    });
    let has_every = section.take("every").is_some();
    let timing = match section.take("cron") {
        Some(value) if has_every => value.wrong(
            "`cron` and `every` exclude each other",
            Some("leave one of them out".to_owned()),
        ),
        Some(value) => value
            .text()
            .and_then(|text| match Timing::cron(text, zone) {
                Ok(timing) => Some(timing),
                Err(error) => value.wrong(
                    error,
                    Some("minute, hour, day, month and weekday: `cron = \"0 3 * * *\"`".to_owned()),
                ),
            }),
        None if has_every => every,
        None => section.require("every", |_| None),
    };
    let target = section.require("function", |value| {
        let name = value.text()?;
        match name.split_once('#') {
            Some((file, function)) if is_component(file) && !function.is_empty() => {
                Some((file.to_owned(), function.to_owned(), value.position()))
            }
            _ => value.expected(
                "a component's file name and a function",
                "\"report.wasm#tidy_up\"",
            ),
        }
    });
    let arguments = section.or("arguments", Json::Null, Value::json);
    let jitter = section.or("jitter", Duration::ZERO, Value::duration);
    section.finish();
    let (file, function, position) = target?;
    Some(Schedule {
        name: name?,
        timing: timing?,
        file,
        function,
        arguments,
        jitter,
        position,
    })
}

fn zone_hint() -> Option<String> {
    Some("a name of the IANA database: `time_zone = \"Europe/Berlin\"`".to_owned())
}
