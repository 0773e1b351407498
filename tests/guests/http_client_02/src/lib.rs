//! Fetches by WASI 0.2, as a library would that knows no other. `tests/http_client.rs` sees it.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, IncomingBody, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Fetch;

#[handler]
impl RequestHandler for Fetch {
    async fn get(&mut self, cx: &Context) -> Result {
        let (status, body) = send(&cx.get_query_argument("authority")?)?;
        cx.write(format!("{status} {}", String::from_utf8_lossy(&body)))
    }
}

fn send(authority: &str) -> Result<(u16, Vec<u8>)> {
    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_scheme(Some(&Scheme::Http));
    let set = set.and_then(|()| request.set_authority(Some(authority)));
    let set = set.and_then(|()| request.set_path_with_query(Some("/")));
    ensure!(set.is_ok(), "not an authority");
    let responding = handle(request, None)?;
    responding.subscribe().block();
    let response = responding.get().context("no response")?;
    let response = response.map_err(|()| anyhow!("taken"))??;
    let incoming = response.consume().map_err(|()| anyhow!("consumed"))?;
    let stream = incoming.stream().map_err(|()| anyhow!("streamed"))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(65_536) {
            Ok(piece) => body.extend(piece),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    drop(stream);
    IncomingBody::finish(incoming);
    Ok((response.status(), body))
}

export!(Fetch);
