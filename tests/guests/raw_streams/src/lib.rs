//! Uses `response` as nobody should. Tests of that see what it is told, and that nothing else suffers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use raw::waterspout::web::response::{self, FlushError, ResponseHead};
use raw::{Arguments, Call, Guest, HandlerClass, Outcome, RequestNumber, Response};

struct RawStreams;

raw::export!(RawStreams with_types_in raw);

impl Guest for RawStreams {
    async fn describe() -> Vec<HandlerClass> {
        let mut handlers = raw::only_get("RawStreams");
        handlers[0].functions.push("on-finish".to_owned());
        handlers
    }

    /// `/raw_streams/twice/0`
    async fn get(call: Call, arguments: Arguments) -> Outcome {
        let Arguments::Positional(values) = arguments else {
            unreachable!()
        };
        let [Some(what), Some(number)] = &values[..] else {
            unreachable!()
        };
        let request = call.request;
        let number: u8 = number.parse().unwrap();
        let text = format!("a{}b", char::from(number));
        match what.as_str() {
            "twice" => {
                begin(request, head()).await.unwrap();
                tell(begin(request, head()).await)
            }
            "headless" => tell(response::flush(request, None, b"x".to_vec()).await),
            "large" => {
                let piece = vec![b'x'; (1 << 20) + 1];
                tell(response::flush(request, Some(head()), piece).await)
            }
            "another" => tell(begin(request + 1_000, head()).await),
            "early-trailers" => tell(response::set_trailers(request, &[])),
            "nothing" => {
                begin(request, head()).await.unwrap();
                loop {
                    response::flush(request, None, Vec::new()).await.unwrap();
                }
            }
            "both" => both(request).await,
            "cancelled" => Outcome::Cancelled,
            // More than is sent in one go.
            "whole" => raw::ok(vec![b'x'; usize::from(number) << 20]),
            "failed" => {
                begin(request, head()).await.unwrap();
                Outcome::Cancelled
            }
            "huge-end" => {
                begin(request, head()).await.unwrap();
                raw::ok(vec![b'x'; 3 << 20])
            }
            "reason" => {
                let reason = Some(text);
                tell(begin(request, ResponseHead { reason, ..head() }).await)
            }
            "status" => {
                let status = u16::from(number);
                tell(begin(request, ResponseHead { status, ..head() }).await)
            }
            "name" => tell(begin(request, with(&text, b"1")).await),
            "trailer-name" => trailers(request, &text, b"1").await,
            "trailer-value" => trailers(request, "x-a", text.as_bytes()).await,
            name => tell(begin(request, with(name, text.as_bytes())).await),
        }
    }

    async fn on_finish(call: Call) {
        let late = begin(call.request, head()).await;
        println!("after the end: {}", told(late));
    }

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close cancel release }
}

fn head() -> ResponseHead {
    ResponseHead {
        status: 200,
        reason: None,
        headers: Vec::new(),
    }
}

fn with(name: &str, value: &[u8]) -> ResponseHead {
    ResponseHead {
        headers: vec![(name.to_owned(), value.to_vec())],
        ..head()
    }
}

async fn begin(request: RequestNumber, head: ResponseHead) -> Result<(), FlushError> {
    response::flush(request, Some(head), b"begun ".to_vec()).await
}

fn told(result: Result<(), FlushError>) -> String {
    match result {
        Ok(()) => "fine".to_owned(),
        Err(FlushError::Gone) => "gone".to_owned(),
        Err(FlushError::Invalid(why) | FlushError::Other(why)) => why,
    }
}

/// The whole response, or its last piece.
fn tell(result: Result<(), FlushError>) -> Outcome {
    Outcome::Finished(Response {
        status: 400,
        reason: None,
        headers: Vec::new(),
        body: told(result).into_bytes(),
    })
}

async fn trailers(request: RequestNumber, name: &str, value: &[u8]) -> Outcome {
    begin(request, with("trailer", b"x-a, set-cookie"))
        .await
        .unwrap();
    tell(response::set_trailers(
        request,
        &[(name.to_owned(), value.to_vec())],
    ))
}

/// Pieces until one waits for its place, and then another beside it.
async fn both(request: RequestNumber) -> Outcome {
    begin(request, head()).await.unwrap();
    let piece = || vec![b'x'; 1 << 20];
    loop {
        let mut first = pin!(response::flush(request, None, piece()));
        if poll_once(first.as_mut()).await.is_ready() {
            continue;
        }
        let second = pin!(response::flush(request, None, piece()));
        let Poll::Ready(refused) = poll_once(second).await else {
            unreachable!("two wait");
        };
        println!("beside it: {}", told(refused));
        return match first.await {
            Ok(()) => raw::ok("the end"),
            Err(_) => Outcome::Cancelled,
        };
    }
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|task| Poll::Ready(future.as_mut().poll(task))).await
}
