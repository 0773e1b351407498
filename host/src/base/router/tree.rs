//! One automaton for many patterns: the tree of their shapes, in which equal beginnings are one path. Knows only the
//! shapes of patterns, and not which find is the first.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::pattern::PatternError;
use super::shape::{Bytes, Piece, Shape};

/// How many nodes all patterns of a table may have together.
const MAX_NODES: usize = 2 << 20;

/// A tree that grows. Each of its roots is a table of its own.
#[derive(Debug, Default)]
pub(super) struct Builder {
    steps: BTreeMap<(u32, Step), u32>,
    ends: Vec<(u32, usize)>,
    sets: Vec<Bytes>,
    set_of: HashMap<Bytes, u32>,
    nodes: u32,
}

/// A complete tree.
///
/// A text follows all branches that it fits concurrently, byte by byte. They are few however many patterns there are:
/// only patterns that begin with different shapes, and both fit, make a difference. Nothing is cached, so no cache can
/// be overloaded. Only the tree is shared between threads.
#[derive(Debug)]
pub(super) struct Tree {
    /// One more than there are nodes, so that a node's steps and ends go up to the next one's.
    nodes: Vec<Node>,
    steps: Vec<(Step, u32)>,
    ends: Vec<usize>,
    sets: Vec<Bytes>,
}

#[derive(Debug)]
struct Node {
    first_step: u32,
    first_end: u32,
    /// The set of bytes that lead from a node to itself.
    repeat: Option<u32>,
}

/// A step from a node to the next. `Many` takes no byte, and comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Byte(u8),
    One(u32),
    Many(u32),
}

impl Builder {
    /// A new node. It is a root as long as no step leads to it.
    pub(super) fn node(&mut self) -> Result<u32, PatternError> {
        if self.nodes as usize == MAX_NODES {
            return Err(PatternError {
                message: format!("all patterns together have more than {MAX_NODES} parts"),
                hint: Some(
                    "write fewer routes, with shorter patterns and fewer alternatives".to_owned(),
                ),
                offset: None,
            });
        }
        self.nodes += 1;
        Ok(self.nodes - 1)
    }

    /// Adds shapes from this root on. Texts of these shapes find `end`.
    pub(super) fn insert(
        &mut self,
        root: u32,
        shapes: &[Shape],
        end: usize,
    ) -> Result<(), PatternError> {
        for shape in shapes {
            let mut node = root;
            for piece in shape {
                let step = self.step(piece);
                node = match self.steps.get(&(node, step)) {
                    Some(&child) => child,
                    None => {
                        let child = self.node()?;
                        self.steps.insert((node, step), child);
                        child
                    }
                };
            }
            self.ends.push((node, end));
        }
        Ok(())
    }

    pub(super) fn build(mut self) -> Tree {
        self.ends.sort_unstable();
        self.ends.dedup();
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes as usize + 1);
        let (mut steps, mut ends) = (self.steps.iter().peekable(), self.ends.iter().peekable());
        let (mut first_step, mut first_end) = (0, 0);
        for node in 0..=self.nodes {
            nodes.push(Node {
                first_step,
                first_end,
                repeat: None,
            });
            while steps.next_if(|((from, _), _)| *from == node).is_some() {
                first_step += 1;
            }
            while ends.next_if(|(at, _)| *at == node).is_some() {
                first_end += 1;
            }
        }
        for ((_, step), child) in &self.steps {
            if let Step::Many(set) = step {
                nodes[*child as usize].repeat = Some(*set);
            }
        }
        Tree {
            nodes,
            steps: self
                .steps
                .into_iter()
                .map(|((_, step), child)| (step, child))
                .collect(),
            ends: self.ends.into_iter().map(|(_, end)| end).collect(),
            sets: self.sets,
        }
    }

    fn step(&mut self, piece: &Piece) -> Step {
        let mut index = |bytes: &Bytes| {
            *self.set_of.entry(*bytes).or_insert_with(|| {
                self.sets.push(*bytes);
                self.sets.len() as u32 - 1
            })
        };
        match piece {
            Piece::Byte(byte) => Step::Byte(*byte),
            Piece::One(bytes) => Step::One(index(bytes)),
            Piece::Many(bytes) => Step::Many(index(bytes)),
        }
    }
}

impl Tree {
    /// What texts of the shape of `text` find, from this root on, in order.
    pub(super) fn find(&self, root: u32, text: &str) -> Cow<'_, [usize]> {
        let mut rest = text.as_bytes();
        let Some(fork) = self.follow(root, &mut rest) else {
            return Cow::Borrowed(&[]);
        };
        if rest.is_empty() && self.free_steps(fork).next().is_none() {
            return Cow::Borrowed(self.ends(fork));
        }
        let (mut live, mut found) = (Vec::new(), Vec::new());
        self.enter(fork, &mut live, &mut found);
        while let Some((&byte, after)) = rest.split_first()
            && !live.is_empty()
        {
            rest = after;
            let before = live.len();
            for index in 0..before {
                for node in self.ways(live[index], byte) {
                    self.enter(node, &mut live, &mut found);
                }
            }
            live.drain(..before);
            if let [node] = live[..] {
                live.clear();
                if let Some(fork) = self.follow(node, &mut rest) {
                    self.enter(fork, &mut live, &mut found);
                }
            } else {
                // A node that repeats may have been entered again.
                live.sort_unstable();
                live.dedup();
            }
        }
        if let ([node], []) = (&live[..], &found[..]) {
            return Cow::Borrowed(self.ends(*node));
        }
        for node in live {
            found.extend_from_slice(self.ends(node));
        }
        found.sort_unstable();
        found.dedup();
        Cow::Owned(found)
    }

    /// Follows the only way from a node, and takes its bytes off `text`. `None` if it ends there.
    fn follow(&self, mut node: u32, text: &mut &[u8]) -> Option<u32> {
        loop {
            if let &[(Step::Many(_), child)] = self.steps(node)
                && self.ends(node).is_empty()
            {
                node = child;
            }
            if self.takes_all(node) {
                *text = &[];
            }
            let Some((&byte, rest)) = text.split_first() else {
                return Some(node);
            };
            if self.free_steps(node).next().is_some() {
                return Some(node);
            }
            let (mut ways, mut way) = (0, node);
            self.ways(node, byte).for_each(|next| {
                ways += 1;
                way = next;
            });
            match ways {
                0 => return None,
                1 => (node, *text) = (way, rest),
                _ => return Some(node),
            }
        }
    }

    /// Enters a node, and those that are reached from there without a byte.
    fn enter(&self, node: u32, live: &mut Vec<u32>, found: &mut Vec<usize>) {
        if self.takes_all(node) {
            // Every text ends here, so it need not be followed.
            found.extend_from_slice(self.ends(node));
        } else {
            live.push(node);
        }
        for child in self.free_steps(node) {
            self.enter(child, live, found);
        }
    }

    /// The nodes to which this byte leads from this one.
    fn ways(&self, node: u32, byte: u8) -> impl Iterator<Item = u32> {
        let repeat = self.nodes[node as usize].repeat;
        let again = repeat.filter(|&set| self.sets[set as usize].contains(byte));
        let steps = self.steps(node).iter().filter(move |(step, _)| match step {
            Step::Byte(expected) => *expected == byte,
            Step::One(set) => self.sets[*set as usize].contains(byte),
            Step::Many(_) => false,
        });
        again
            .map(|_| node)
            .into_iter()
            .chain(steps.map(|&(_, child)| child))
    }

    /// The nodes that are reached from this one without a byte.
    fn free_steps(&self, node: u32) -> impl Iterator<Item = u32> {
        let steps = self.steps(node).iter().rev();
        steps
            .take_while(|(step, _)| matches!(step, Step::Many(_)))
            .map(|&(_, child)| child)
    }

    /// Whether every text that gets here ends here.
    fn takes_all(&self, node: u32) -> bool {
        let repeat = self.nodes[node as usize].repeat;
        repeat.is_some_and(|set| self.sets[set as usize] == Bytes::ALL)
            && self.steps(node).is_empty()
    }

    fn steps(&self, node: u32) -> &[(Step, u32)] {
        let (this, next) = (&self.nodes[node as usize], &self.nodes[node as usize + 1]);
        &self.steps[this.first_step as usize..next.first_step as usize]
    }

    fn ends(&self, node: u32) -> &[usize] {
        let (this, next) = (&self.nodes[node as usize], &self.nodes[node as usize + 1]);
        &self.ends[this.first_end as usize..next.first_end as usize]
    }
}
