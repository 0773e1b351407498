//! A rough form of what a pattern takes, one byte at a time: enough to tell most patterns apart. It takes every text
//! that the pattern takes, and may take more.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// How many shapes one pattern may have. Alternatives that would make more become `Many`.
const MAX_SHAPES: usize = 16;

/// How many pieces a counted repetition may become. Longer ones become `Many`.
const MAX_REPEATED: usize = 64;

/// How many pieces the shapes of one pattern may have together, if it has more than one.
const MAX_PIECES: usize = 4096;

/// Pieces, one after another. A text has the shape if it consists of them.
pub(super) type Shape = Vec<Piece>;

/// A part of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This byte.
    Byte(u8),
    /// One byte of these.
    One(Box<Bytes>),
    /// Any number of these bytes, also none.
    Many(Box<Bytes>),
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub(super) const ALL: Bytes = Bytes([u64::MAX; 4]);
    const NONE: Bytes = Bytes([0; 4]);
    const NOT_ASCII: Bytes = Bytes([0, 0, u64::MAX, u64::MAX]);

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn join(&mut self, other: &Bytes) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            *mine |= others;
        }
    }
}

/// A text that the expression takes whole has one of these shapes.
pub(super) fn shapes(expression: &Hir) -> Vec<Shape> {
    let all = branches(expression);
    let pieces: usize = all.iter().map(Vec::len).sum();
    match all.len() {
        2.. if pieces > MAX_PIECES => vec![anything_of(expression)],
        _ => all,
    }
}

fn branches(expression: &Hir) -> Vec<Shape> {
    match expression.kind() {
        // What a look-around refuses is left to the expression itself.
        HirKind::Empty | HirKind::Look(_) => vec![Shape::new()],
        HirKind::Literal(text) => vec![text.0.iter().copied().map(Piece::Byte).collect()],
        HirKind::Class(class) => vec![one_of(class)],
        HirKind::Capture(capture) => branches(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(parts) => parts.iter().fold(vec![Shape::new()], |beginnings, part| {
            followed(beginnings, branches(part), part)
        }),
        HirKind::Alternation(parts) => {
            let all: Vec<Shape> = parts.iter().flat_map(branches).collect();
            if all.len() > MAX_SHAPES {
                return vec![anything_of(expression)];
            }
            all
        }
    }
}

fn one_of(class: &Class) -> Shape {
    let bytes = bytes_of_class(class);
    let mut shape = vec![Piece::One(Box::new(bytes))];
    if bytes.contains(0x80) {
        push(&mut shape, Piece::Many(Box::new(Bytes::NOT_ASCII)));
    }
    shape
}

fn repeated(repetition: &Repetition) -> Vec<Shape> {
    let sub = &repetition.sub;
    let once = branches(sub);
    if (repetition.min, repetition.max) == (0, Some(1)) {
        return match once.len() {
            MAX_SHAPES.. => vec![anything_of(sub)],
            _ => once.into_iter().chain([Shape::new()]).collect(),
        };
    }
    let length = once.iter().map(Vec::len).max().unwrap_or(0);
    let times = match repetition.min {
        0 => 0,
        min if length.saturating_mul(min as usize) <= MAX_REPEATED => min,
        _ => 1,
    };
    let mut all = vec![Shape::new()];
    for _ in 0..times {
        all = followed(all, once.clone(), sub);
    }
    if repetition.max != Some(times) {
        all = followed(all, vec![anything_of(sub)], sub);
    }
    all
}

/// Joins each beginning with each ending: the shapes of `expression`.
fn followed(mut beginnings: Vec<Shape>, mut endings: Vec<Shape>, expression: &Hir) -> Vec<Shape> {
    if beginnings.len() * endings.len() > MAX_SHAPES {
        endings = vec![anything_of(expression)];
    }
    // The most frequent case by far, and a long pattern would have many parts to copy.
    if let [ending] = &endings[..] {
        for beginning in &mut beginnings {
            ending
                .iter()
                .for_each(|piece| push(beginning, piece.clone()));
        }
        return beginnings;
    }
    let mut all = Vec::with_capacity(beginnings.len() * endings.len());
    for beginning in beginnings {
        for ending in &endings {
            let mut shape = beginning.clone();
            for piece in ending {
                push(&mut shape, piece.clone());
            }
            all.push(shape);
        }
    }
    all
}

/// `Many` never stands beside `Many`: the tree relies on that.
fn push(shape: &mut Shape, piece: Piece) {
    match (shape.last_mut(), piece) {
        (Some(Piece::Many(before)), Piece::Many(bytes)) => before.join(&bytes),
        (_, piece) => shape.push(piece),
    }
}

/// Any number of the bytes that a text of this expression is made of.
fn anything_of(expression: &Hir) -> Shape {
    vec![Piece::Many(Box::new(bytes_of(expression)))]
}

fn bytes_of(expression: &Hir) -> Bytes {
    let mut bytes = Bytes::NONE;
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(text) => text.0.iter().for_each(|&byte| bytes.insert(byte)),
        HirKind::Class(class) => bytes = bytes_of_class(class),
        HirKind::Capture(capture) => bytes = bytes_of(&capture.sub),
        HirKind::Repetition(repetition) => bytes = bytes_of(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| bytes.join(&bytes_of(part)));
        }
    }
    bytes
}

/// All characters that aren't ASCII are one here. `.` takes a line break, which no request's path has.
fn bytes_of_class(class: &Class) -> Bytes {
    let mut bytes = Bytes::NONE;
    let mut insert = |start: u32, end: u32| {
        (start..=end.min(0x7f)).for_each(|byte| bytes.insert(byte as u8));
        if end > 0x7f {
            bytes.join(&Bytes::NOT_ASCII);
        }
    };
    match class {
        Class::Unicode(class) => {
            for range in class.iter() {
                insert(range.start().into(), range.end().into());
            }
        }
        Class::Bytes(class) => {
            for range in class.iter() {
                insert(range.start().into(), range.end().into());
            }
        }
    }
    let mut with_line_break = bytes;
    with_line_break.insert(b'\n');
    if with_line_break == Bytes::ALL {
        return Bytes::ALL;
    }
    bytes
}
