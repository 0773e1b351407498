//! Messages between the components of an app, by topic. The host decides where they go, and how many may wait.
//!
//! A topic is a name; it exists as soon as it is used. A subscriber gets each message that is published from then on,
//! in any instance, component or generation of the app. Messages are not kept: a later subscriber misses them.
//!
//! ```
//! # use waterspout_sdk::prelude::*;
//! # use waterspout_sdk::pubsub;
//! # async fn get(cx: &Context) -> Result {
//! let mut news = pubsub::subscribe("news").await?;
//! pubsub::publish("news", "it rains").await?;
//! cx.write(news.next().await.text()?) // it rains
//! # }
//! ```
//!
//! What one publisher sends to one topic arrives in that order. A subscriber that is slower than its publishers loses
//! the oldest messages, and is told how many: [`Message::dropped`].

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use anyhow::Context as _;
use futures_util::Stream;
use serde::{Serialize, de::DeserializeOwned};

use crate::result::Result;
use crate::runtime::bindings::waterspout::pubsub::pubsub as host;
use crate::runtime::kept::{Kept, Wait};

/// How many messages [`subscribe`] holds back.
pub const CAPACITY: u32 = 100;

/// Why nothing was published, or no subscription made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A topic's name has 1 to 256 bytes; this one has another number.
    TopicLength(u32),
    /// The message is longer than this number of bytes, the most that it may have.
    TooLarge(u32),
    /// A subscription holds back at least 1 message and at most this number.
    Capacity(u32),
    /// The instance has this number of subscriptions, and may have no more.
    TooMany(u32),
    /// The message service can't be reached: [`HttpError`](crate::HttpError) 503 may fit.
    Unavailable(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopicLength(length) => {
                write!(f, "a topic's name has 1 to 256 bytes, not {length}")
            }
            Self::TooLarge(most) => write!(f, "a message has {most} bytes at most"),
            Self::Capacity(most) => write!(f, "a subscription holds back 1 to {most} messages"),
            Self::TooMany(most) => write!(f, "an instance has {most} subscriptions at most"),
            Self::Unavailable(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::TopicLength(length) => Self::TopicLength(length),
            host::Error::TooLarge(most) => Self::TooLarge(most),
            host::Error::Capacity(most) => Self::Capacity(most),
            host::Error::TooMany(most) => Self::TooMany(most),
            host::Error::Unavailable(why) => Self::Unavailable(why),
            host::Error::Other(why) => Self::Other(why),
        }
    }
}

/// Gives a message to all subscriptions of the topic, and returns their number on this server. Does not wait until
/// they read it.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use waterspout_sdk::pubsub;
/// # async fn get(cx: &Context) -> Result {
/// let readers = pubsub::publish("news", "it rains").await?;
/// cx.write(format!("{readers} will know"))
/// # }
/// ```
pub async fn publish(topic: impl Into<String>, message: impl Into<Vec<u8>>) -> Result<u32, Error> {
    let published = host::publish(topic.into(), message.into()).await;
    published.map_err(Error::from)
}

/// Publishes a value as JSON. An error also where it has no JSON.
pub async fn publish_json(topic: impl Into<String>, message: &impl Serialize) -> Result<u32> {
    let json = serde_json::to_vec(message).context("a message as JSON")?;
    Ok(publish(topic, json).await?)
}

/// Subscribes to a topic, with room for [`CAPACITY`] messages.
pub async fn subscribe(topic: impl Into<String>) -> Result<Subscription, Error> {
    subscribe_with(topic, CAPACITY).await
}

/// Subscribes to a topic, with room for `capacity` messages, 1 to 1,024, while the subscriber does something else.
pub async fn subscribe_with(
    topic: impl Into<String>,
    capacity: u32,
) -> Result<Subscription, Error> {
    let subscription = host::subscribe(topic.into(), capacity).await?;
    Ok(Subscription {
        wait: Kept::default(),
        subscription: Rc::new(subscription),
        dropped: 0,
    })
}

/// A message that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    data: Vec<u8>,
    dropped: u64,
}

impl Message {
    /// Its bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Its bytes, to be kept.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Its text. An error where it is no UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.data).context("a message as text")
    }

    /// The value whose JSON it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.data).context("a message as JSON")
    }

    /// How many messages were dropped between the last one and this.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The messages of a topic, from when it was made: a [`Stream`] without end. It ends when it is dropped.
///
/// A handler that is cancelled drops what it holds, its subscriptions too. One that is kept in a `thread_local!` lasts
/// as long as the instance.
pub struct Subscription {
    wait: Kept,
    subscription: Rc<host::Subscription>,
    dropped: u64,
}

impl Subscription {
    /// The next message, once there is one. Nothing is lost where this future is dropped before it is ready.
    pub async fn next(&mut self) -> Message {
        poll_fn(|task| self.poll(task)).await
    }

    /// How many messages were dropped in all, as far as the messages that were read have told.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Message> {
        let subscription = &self.subscription;
        let begin = || -> Wait {
            let subscription = subscription.clone();
            Box::pin(async move { subscription.ready().await })
        };
        let taken = self.wait.poll_taken(task, begin, || subscription.take());
        let host::Message { data, dropped } = ready!(taken);
        self.dropped += dropped;
        Poll::Ready(Message { data, dropped })
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll(task).map(Some)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Subscription");
        shown
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}
