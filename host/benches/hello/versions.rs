//! Versions of one component, which differ in a few bytes of their answer, and how to wait for them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// A component, and where its answer can be changed.
pub struct Versions {
    component: Vec<u8>,
    place: usize,
    width: usize,
}

impl Versions {
    /// `marker` must be part of the component's answer. Another text of its length takes its place.
    pub fn new(component: &Path, marker: &str) -> anyhow::Result<Self> {
        let bytes = std::fs::read(component)?;
        let places: Vec<usize> = bytes
            .windows(marker.len())
            .enumerate()
            .filter_map(|(at, window)| (window == marker.as_bytes()).then_some(at))
            .collect();
        ensure!(
            places.len() == 1,
            "{} has {marker:?} {} times",
            component.display(),
            places.len()
        );
        Ok(Self {
            component: bytes,
            place: places[0],
            width: marker.len(),
        })
    }

    /// The answer of one version.
    pub fn text(&self, version: usize) -> String {
        format!("{version:->width$}", width = self.width)
    }

    /// One version's bytes.
    pub fn component(&self, version: usize) -> Vec<u8> {
        let mut bytes = self.component.clone();
        bytes[self.place..][..self.width].copy_from_slice(self.text(version).as_bytes());
        bytes
    }

    /// The size of each in bytes.
    pub fn size(&self) -> usize {
        self.component.len()
    }
}

/// Sends requests, a few times per millisecond, until the answer has this text. Returns the time.
pub fn until_answer_has(text: &str, address: SocketAddr, path: &str) -> anyhow::Result<Instant> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let answer = get(address, path)?;
        let now = Instant::now();
        ensure!(answer.starts_with("HTTP/1.1 200"), "wrong: {answer:?}");
        if answer.contains(text) {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    None.context("the new version does not answer")
}

/// One answer, on its own connection.
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
