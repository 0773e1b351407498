//! Keeps values and queues in Redis, by the crate `redis` as it is published. That dials with the standard library's sockets,
//! and blocks. `tests/driver.rs` has the server.

use std::cell::RefCell;

use redis::{Client, Commands, Connection, ConnectionLike, RedisResult};
use waterspout_sdk::prelude::*;

thread_local! {
    /// The instance's connection, from one request to the next. It is exclusive, so one is enough.
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// Sends a command to the server at this URL.
fn ask<T>(server: &str, command: impl FnOnce(&mut Connection) -> RedisResult<T>) -> Result<T> {
    CONNECTION.with_borrow_mut(|kept| {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Client::open(server)?.get_connection()?,
        };
        let answer = command(&mut connection);
        // One that broke is not kept: the next request opens another.
        *kept = Some(connection).filter(ConnectionLike::is_open);
        Ok(answer?)
    })
}

/// `/value/KEY`: writes it, reads it, counts it up.
#[derive(Default)]
struct Value {
    server: String,
}

#[handler]
impl RequestHandler for Value {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.server = kwargs.get("server")?;
        Ok(())
    }

    async fn put(&mut self, cx: &Context) -> Result {
        let key: String = cx.path_arg(0)?;
        let value = cx.request().body().await?;
        ask(&self.server, |redis| redis.set::<_, _, ()>(key, value))?;
        cx.set_status(204);
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let key: String = cx.path_arg(0)?;
        let value: Option<Vec<u8>> = ask(&self.server, |redis| redis.get(key))?;
        cx.write(value.ok_or_else(|| HttpError::new(404))?)
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let key: String = cx.path_arg(0)?;
        let count: u64 = ask(&self.server, |redis| redis.incr(key, 1))?;
        cx.write(count.to_string())
    }
}

/// `/queue/KEY`: puts into it, and waits in the driver until there is something to take.
#[derive(Default)]
struct Queue {
    server: String,
}

#[handler]
impl RequestHandler for Queue {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.server = kwargs.get("server")?;
        Ok(())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let key: String = cx.path_arg(0)?;
        let item = cx.request().body().await?;
        let length: u64 = ask(&self.server, |redis| redis.rpush(key, item))?;
        cx.write(length.to_string())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let key: String = cx.path_arg(0)?;
        let (_, item): (String, Vec<u8>) = ask(&self.server, |redis| redis.blpop(key, 0.0))?;
        cx.write(item)
    }
}

export!(Value, Queue);
