//! Patterns that consist of texts and runs of characters, as most do. They are read once from left to right, in a few
//! hundred bytes where a compiled expression has many thousands. Other patterns have no straight form.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Repetition};

/// A pattern that can be read in only one way, step by step.
#[derive(Clone, Debug)]
pub(super) struct Straight(Box<[Step]>);

#[derive(Clone, Debug)]
struct Step {
    what: What,
    is_group: bool,
}

#[derive(Clone, Debug)]
enum What {
    Text(Box<str>),
    Run {
        set: Set,
        least: u32,
        most: Option<u32>,
    },
}

/// A set of characters.
#[derive(Clone, Debug)]
struct Set {
    ascii: u128,
    others: Box<[(char, char)]>,
}

impl Straight {
    /// The straight form of an expression with these parts, for whole texts. `None` where it has none.
    pub(super) fn of(parts: &[Hir]) -> Option<Straight> {
        let steps: Box<[Step]> = parts.iter().map(Step::of).collect::<Option<_>>()?;
        let is_clear = |pair: &[Step]| pair[0].ends_before(&pair[1]);
        steps.windows(2).all(is_clear).then_some(Straight(steps))
    }

    /// Whether it takes the whole of `text`. Adds the texts of its groups to `groups`.
    pub(super) fn take<'t>(&self, text: &'t str, groups: &mut Vec<&'t str>) -> bool {
        let mut rest = text;
        for step in &self.0 {
            let Some(taken) = step.take(rest) else {
                return false;
            };
            let (taken, after) = rest.split_at(taken);
            if step.is_group {
                groups.push(taken);
            }
            rest = after;
        }
        rest.is_empty()
    }
}

impl Step {
    fn of(expression: &Hir) -> Option<Step> {
        let (is_group, expression) = match expression.kind() {
            HirKind::Capture(capture) => (true, &*capture.sub),
            _ => (false, expression),
        };
        let what = match expression.kind() {
            HirKind::Literal(text) => What::Text(std::str::from_utf8(&text.0).ok()?.into()),
            HirKind::Class(_) => run(expression, 1, Some(1))?,
            HirKind::Repetition(Repetition { min, max, sub, .. }) => run(sub, *min, *max)?,
            _ => return None,
        };
        Some(Step { what, is_group })
    }

    /// Whether the end of this step is known without a look at what follows: it takes a known number of characters, or
    /// the next one begins with characters that this one doesn't take.
    fn ends_before(&self, next: &Step) -> bool {
        let What::Run { set, least, most } = &self.what else {
            return true;
        };
        let is_parted = match &next.what {
            What::Text(text) => text.chars().next().is_some_and(|first| !set.has(first)),
            What::Run {
                set: next, least, ..
            } => *least > 0 && !set.meets(next),
        };
        is_parted || *most == Some(*least)
    }

    /// How many bytes it takes from the beginning of `rest`.
    fn take(&self, rest: &str) -> Option<usize> {
        match &self.what {
            What::Text(text) => rest.starts_with(&**text).then_some(text.len()),
            What::Run { set, least, most } => {
                let most = most.map_or(usize::MAX, |most| most as usize);
                let mut count = 0;
                let end = rest.char_indices().find_map(|(at, character)| {
                    let goes_on = count < most && set.has(character);
                    count += usize::from(goes_on);
                    (!goes_on).then_some(at)
                });
                (count >= *least as usize).then_some(end.unwrap_or(rest.len()))
            }
        }
    }
}

impl Set {
    fn of(class: &ClassUnicode) -> Set {
        let mut ascii = 0;
        let mut others = Vec::new();
        for range in class.iter() {
            let (start, end) = (range.start(), range.end());
            (start..=end.min('\x7f')).for_each(|one| ascii |= 1 << u32::from(one));
            if !end.is_ascii() {
                others.push((start.max('\u{80}'), end));
            }
        }
        Set {
            ascii,
            others: others.into(),
        }
    }

    fn has(&self, character: char) -> bool {
        if character.is_ascii() {
            return self.ascii >> u32::from(character) & 1 == 1;
        }
        let end = self.others.partition_point(|(_, end)| *end < character);
        self.others
            .get(end)
            .is_some_and(|(start, _)| *start <= character)
    }

    fn meets(&self, other: &Set) -> bool {
        let meets = |(start, end): &(char, char)| {
            let mut mine = self.others.iter();
            mine.any(|(first, last)| first <= end && start <= last)
        };
        self.ascii & other.ascii != 0 || other.others.iter().any(meets)
    }
}

/// A run of this number of the characters that `one` takes.
fn run(one: &Hir, least: u32, most: Option<u32>) -> Option<What> {
    let set = match one.kind() {
        HirKind::Class(Class::Unicode(class)) => Set::of(class),
        _ => return None,
    };
    Some(What::Run { set, least, most })
}
