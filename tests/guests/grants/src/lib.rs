//! Answers with its environment and with what became of reading `?read=PATH` and writing `?write=PATH`. Tests of
//! `wasi` see that it has what it was granted, and nothing else.

use std::collections::BTreeMap;

use serde_json::json;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Grants;

#[handler]
impl RequestHandler for Grants {
    async fn get(&mut self, cx: &Context) -> Result {
        let read = cx.get_query_argument_or("read", "")?;
        let write = cx.get_query_argument_or("write", "")?;
        cx.write_json(&json!({
            "env": std::env::vars().collect::<BTreeMap<_, _>>(),
            "read": std::fs::read_to_string(read).ok(),
            "written": !write.is_empty() && std::fs::write(write, "written by the guest").is_ok(),
            "connected": std::net::TcpStream::connect("127.0.0.1:1").map_err(|error| error.kind().to_string()).err(),
        }))
    }
}

export!(Grants);
