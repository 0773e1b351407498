//! A request is submitted to an instance, and its client waits for the answer until the deadline. Turns every end of
//! that into an `Answer`; words no response.

mod life;
mod socket;
mod stream;

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::time::Instant;

use crate::base::timer::until;
use crate::guest::bindings::{Failure, FailureCause};
use crate::guest::instances::{Lives, Pool, QueueFull};
use crate::guest::resources::{Answer, Cancel, Exchange, Stage};

pub use life::life;
pub use socket::react;
pub use stream::serve;

/// What a pool is opened with.
pub const LIVES: Lives = Lives {
    request: life,
    socket: react,
    streams: serve,
};

/// How often to check whether a handler that waits for its client's body still does.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Submits a request to an instance of the pool and waits for its answer until the deadline.
///
/// Dropped before that, it tells the guest that the client is gone.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn has its arguments in it twice"
)]
pub fn invoke(
    pool: &Pool,
    exchange: &Arc<Exchange>,
    deadline: Option<Instant>,
) -> impl Future<Output = (Answer, Sent)> + Send {
    async move {
        let (answer, sent) = attempt(pool, exchange, deadline).await;
        let has_page = exchange.target.class.hooks.write_error;
        let Answer::Trapped(trap) = &answer else {
            return (answer, sent);
        };
        if !has_page || matches!(exchange.stage, Stage::ErrorPage(_)) {
            return (answer, sent);
        }
        let page = exchange.error_page(Failure {
            status: 500,
            reason: None,
            message: Some(trap.clone()),
            cause: FailureCause::Trap,
        });
        // Rare, so in a box: the future of every request stays small.
        match Box::pin(attempt(pool, &page, deadline)).await {
            (page @ (Answer::Response(_) | Answer::Begun(_)), sent) => (page, sent),
            _ => (answer, sent),
        }
    }
}

/// Belongs to a response. When it is dropped, the last byte was handed over or never will be.
pub struct Sent(Arc<Exchange>);

impl Sent {
    /// The client left before it had the whole response. A handler that continues gets `deadline` from now.
    pub fn client_gone(&self, deadline: Option<Duration>) {
        self.0.cancel(Cancel::ClientGone);
        if !self.0.is_cancelled() {
            self.nobody_waits(deadline);
        }
    }

    /// The client has the whole response, and the handler continues. It gets `deadline` from now.
    pub fn nobody_waits(&self, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            end_at(Instant::now() + deadline, &self.0);
        }
    }
}

/// Cancels a request at its deadline, when nobody waits for it any more.
fn end_at(deadline: Instant, exchange: &Arc<Exchange>) {
    let exchange: Weak<Exchange> = Arc::downgrade(exchange);
    tokio::spawn(async move {
        tokio::time::sleep_until(deadline).await;
        if let Some(exchange) = exchange.upgrade() {
            exchange.cancel(Cancel::Deadline);
        }
    });
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.sent();
    }
}

fn attempt<'a>(
    pool: &'a Pool,
    exchange: &'a Arc<Exchange>,
    deadline: Option<Instant>,
) -> impl Future<Output = (Answer, Sent)> + Send + use<'a> {
    let mut client = Client {
        pool,
        deadline,
        exchange,
        waits: true,
    };
    async move {
        let client = &mut client;
        let answer = match pool.submit(exchange.clone()) {
            Err(QueueFull) => Answer::Busy,
            Ok(()) => match answer_until(deadline, exchange).await {
                Some(answer) => answer,
                None => {
                    exchange.shut();
                    exchange.cancel(Cancel::Deadline);
                    pool.leave(exchange);
                    Answer::Late
                }
            },
        };
        client.waits = false;
        (answer, Sent(exchange.clone()))
    }
}

/// Waits for the answer until the deadline. Time in which the handler waits for its client's body does not count: it
/// has a limit of its own.
fn answer_until(
    deadline: Option<Instant>,
    exchange: &Exchange,
) -> impl Future<Output = Option<Answer>> + Send {
    let Some(deadline) = deadline else {
        return Either::Right(exchange.answered().map(Some));
    };
    Either::Left(async move {
        let mut end = deadline;
        loop {
            if let Some(answer) = until(end, exchange.answered()).await {
                return Some(answer);
            }
            let (waited, waits) = exchange.waited_for_body();
            let now = Instant::now();
            end = deadline + waited;
            if waits {
                end = end.max(now + LOOK_AGAIN);
            } else if end <= now {
                return None;
            }
        }
    })
}

/// A client that waits for the answer. Dropping it before the answer means that the client is gone.
struct Client<'a> {
    pool: &'a Pool,
    deadline: Option<Instant>,
    exchange: &'a Arc<Exchange>,
    waits: bool,
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let exchange = self.exchange;
        if self.waits {
            exchange.shut();
            exchange.cancel(Cancel::ClientGone);
            if exchange.is_cancelled() {
                self.pool.leave(exchange);
            } else if let Some(deadline) = self.deadline {
                // The handler continues without its client, but not without its deadline.
                end_at(deadline, exchange);
            }
        }
    }
}
