//! Topics that sockets are subscribed to: what is published is framed once, and put into the queue of each.

use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::lock;
use crate::base::websocket::Published;
use crate::services::pubsub::{Listener, Listening, Topics};

/// The channels of all topics with sockets.
pub struct Channels {
    topics: Arc<Topics<Bytes>>,
    by_topic: Mutex<FxHashMap<Arc<str>, Arc<Channel>>>,
}

/// The sockets of one topic.
struct Channel {
    topic: Arc<str>,
    members: Members,
    /// As long as there are members.
    listening: Mutex<Option<Listening<Bytes>>>,
}

#[derive(Default)]
struct Members(Mutex<FxHashMap<u64, Member>>);

struct Member {
    ear: Weak<dyn Ear>,
    /// Whether it gets binary messages only.
    binary: bool,
}

/// A socket, as a channel sees it.
pub(super) trait Ear: Send + Sync {
    /// Takes a message, which is binary where it has to be.
    fn hear(&self, message: &Arc<Published>, binary: bool) -> Heard;

    /// Writes what it has heard, while the task of its connection rests.
    fn write(&self);
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It takes none.
    No,
    Yes,
    /// It is to be written.
    ToBeWritten,
}

/// A socket's place in a channel, which ends when it is dropped.
pub(super) struct Subscription {
    channels: Arc<Channels>,
    channel: Arc<Channel>,
    id: u64,
}

impl Channels {
    pub(super) fn new(topics: &Arc<Topics<Bytes>>) -> Arc<Self> {
        Arc::new(Self {
            topics: topics.clone(),
            by_topic: Mutex::default(),
        })
    }

    pub(super) fn join(
        self: &Arc<Self>,
        topic: &str,
        id: u64,
        ear: Weak<dyn Ear>,
        binary: bool,
    ) -> Subscription {
        let mut by_topic = lock(&self.by_topic);
        let channel = match by_topic.get(topic) {
            Some(channel) => channel.clone(),
            None => {
                let topic: Arc<str> = topic.into();
                let channel = Arc::new(Channel {
                    topic: topic.clone(),
                    members: Members::default(),
                    listening: Mutex::default(),
                });
                by_topic.insert(topic, channel.clone());
                let listener: Weak<dyn Listener<Bytes>> = Arc::downgrade(&channel) as _;
                *lock(&channel.listening) = Some(self.topics.listen(&channel.topic, listener));
                channel
            }
        };
        lock(&channel.members.0).insert(id, Member { ear, binary });
        Subscription {
            channels: self.clone(),
            channel,
            id,
        }
    }

    fn leave(&self, channel: &Arc<Channel>, id: u64) {
        let mut by_topic = lock(&self.by_topic);
        let mut members = lock(&channel.members.0);
        members.remove(&id);
        if members.is_empty() {
            by_topic.remove(&channel.topic);
            drop(members);
            drop(by_topic);
            let listening = lock(&channel.listening).take();
            drop(listening);
        }
    }
}

impl Listener<Bytes> for Channel {
    fn hear(&self, message: &Bytes) -> u32 {
        let members = lock(&self.members.0);
        if members.is_empty() {
            return 0;
        }
        let published = Arc::new(Published::new(message.clone()));
        let (mut count, mut to_be_written) = (0, Vec::new());
        for member in members.values() {
            let Some(ear) = member.ear.upgrade() else {
                continue;
            };
            let heard = ear.hear(&published, member.binary);
            count += u32::from(heard != Heard::No);
            if heard == Heard::ToBeWritten {
                to_be_written.push(ear);
            }
        }
        drop(members);
        write_all(to_be_written);
        count
    }
}

/// Has all of them write, some at a time. A task of their own for each would cost more than what is written.
fn write_all(ears: Vec<Arc<dyn Ear>>) {
    /// How many write before others have their turns.
    const IN_A_ROW: usize = 32;
    if ears.is_empty() {
        return;
    }
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(async move {
                for ears in ears.chunks(IN_A_ROW) {
                    ears.iter().for_each(|ear| ear.write());
                    yield_now().await;
                }
            });
        }
        Err(_) => ears.iter().for_each(|ear| ear.write()),
    }
}

impl Subscription {
    pub(super) fn topic(&self) -> &str {
        &self.channel.topic
    }

    pub(super) fn set_binary(&self, id: u64, binary: bool) {
        if let Some(member) = lock(&self.channel.members.0).get_mut(&id) {
            member.binary = binary;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.channels.leave(&self.channel, self.id);
    }
}
