//! Puts a control character where it is told to. A test of `outputs` sees that none is ever sent.

use raw::{Arguments, Call, Failure, Guest, HandlerClass, Outcome, Response};

struct Control;

raw::export!(Control with_types_in raw);

impl Guest for Control {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("Control")
    }

    /// `/control/reason/7`
    async fn get(_: Call, arguments: Arguments) -> Outcome {
        let Arguments::Positional(values) = arguments else {
            unreachable!()
        };
        let [Some(place), Some(byte)] = &values[..] else {
            unreachable!()
        };
        let text = format!("a{}b", char::from(byte.parse::<u8>().unwrap()));
        let mut response = Response {
            status: 200,
            reason: None,
            headers: Vec::new(),
            body: b"control".to_vec(),
        };
        match place.as_str() {
            "reason" => response.reason = Some(text),
            "name" => response.headers.push((text, b"1".to_vec())),
            "failure" => {
                return Outcome::Failed(Failure {
                    status: 400,
                    reason: Some(text),
                    message: None,
                    cause: raw::FailureCause::HttpError,
                });
            }
            header => response
                .headers
                .push((header.to_owned(), text.into_bytes())),
        }
        Outcome::Finished(response)
    }

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}
