//! The order of a socket's functions, as a host calls them.

use std::future::pending;
use std::task::Poll;

use super::*;
use crate::runtime::bindings::exports::waterspout::web::handler::Guest as _;
use crate::runtime::bindings::waterspout::sockets::sockets::Message as Sent;
use crate::runtime::bindings::websocket::exports::waterspout::sockets::websocket::{
    Accepted, Compression, Guest as _,
};
use crate::runtime::exports::declared::{Handler, Hooks, Route, SocketFunctions};
use crate::testing::{block_on, poll};
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::handler::RequestHandler;
use crate::web::kwargs::Kwargs;
use crate::websocket::{CompressionOptions, WebSocketHandler};

/// Writes down what happens to it. Its state is the diary.
#[derive(Default)]
struct Diary(Vec<String>);

impl Diary {
    fn note(&mut self, event: impl Into<String>) -> Result {
        self.0.push(event.into());
        Ok(())
    }
}

impl RequestHandler for Diary {
    type User = ();

    fn initialize(&mut self, cx: &Context, kwargs: Kwargs) -> Result {
        self.note("initialize")?;
        if let Some(user) = kwargs.get::<Option<String>>("user")? {
            cx.set_cookie(("user", user))?;
        }
        cx.set_header("X-Diary", "1")
    }
}

impl WebSocketHandler for Diary {
    fn select_subprotocol(&mut self, cx: &Context, subprotocols: &[String]) -> Option<String> {
        if subprotocols.iter().any(|name| name == "none") {
            cx.send_error(HttpError::new(406)).unwrap_err();
        }
        match subprotocols.iter().any(|name| name == "other") {
            true => Some("wrong".to_owned()),
            false => subprotocols.last().cloned(),
        }
    }

    fn get_compression_options(&mut self, _: &Context) -> Option<CompressionOptions> {
        Some(CompressionOptions::default().with_compression_level(3))
    }

    async fn open(&mut self, cx: &Context) -> Result {
        let room: String = cx.path_arg(0)?;
        self.note(format!("open {room} at {}", cx.socket().id()))?;
        assert!(cx.write("lost").is_err());
        assert!(cx.set_header("X-Lost", "1").is_err());
        assert_eq!(cx.get_status(), 101);
        Ok(())
    }

    async fn on_message(&mut self, _: &Context, message: Message) -> Result {
        match message.text() {
            Some("wait") => pending().await,
            Some("fail") => Err(anyhow::anyhow!("no more room").context("writing")),
            _ => self.note(format!("{message:?}")),
        }
    }

    async fn on_close(&mut self, cx: &Context) -> Result {
        self.note(format!(
            "close {:?} {:?}",
            cx.close_code(),
            cx.close_reason()
        ))?;
        Err(anyhow::anyhow!("{}", self.0.join(", ")))
    }

    async fn suspend(&mut self, _: &Context) -> Result<Vec<u8>> {
        Ok(self.0.join(", ").into())
    }

    async fn resume(&mut self, _: &Context, state: Vec<u8>) -> Result {
        self.note(format!("resume ({})", String::from_utf8(state)?))
    }
}

impl Handler for Diary {
    const NAME: &'static str = "Diary";
    const METHODS: &'static [&'static str] = &[];
    const HOOKS: Hooks = Hooks {
        check_trusted_origin: false,
        initialize: true,
        prepare: false,
        write_error: false,
        on_connection_close: false,
        on_finish: false,
        set_default_headers: false,
    };
    const ROUTES: &'static [Route] = &[];
    const WEBSOCKET: Option<SocketFunctions> = Some(SocketFunctions {
        check_origin: false,
        select_subprotocol: true,
        get_compression_options: true,
        open: true,
        on_message: true,
        on_ping: false,
        on_pong: false,
        on_close: true,
        suspend: true,
        resume: true,
    });

    async fn call_method(&mut self, _: &Context, _: u32) -> Result {
        unreachable!("it has no method")
    }

    fn websocket(&mut self) -> &mut impl WebSocketHandler {
        self
    }
}

/// A handler of requests.
#[derive(Default)]
struct Plain;

impl RequestHandler for Plain {
    type User = ();
}

impl Handler for Plain {
    const NAME: &'static str = "Plain";
    const METHODS: &'static [&'static str] = &[];
    const HOOKS: Hooks = Hooks {
        initialize: false,
        ..Diary::HOOKS
    };
    const ROUTES: &'static [Route] = &[];

    async fn call_method(&mut self, _: &Context, _: u32) -> Result {
        unreachable!("it has no method")
    }
}

struct Diaries;

impl Component for Diaries {
    type Handlers = (Plain, (Diary, ()));
    type TcpHandlers = ();

    const SINGLE: bool = false;
    const START: bool = false;
    const STOP: bool = false;

    async fn start() -> Result {
        Ok(())
    }

    async fn stop() -> Result {
        Ok(())
    }
}

type Diarist = Exported<Diaries>;

fn call(request: RequestNumber, last: bool) -> SocketCall {
    SocketCall {
        request,
        handler: 1,
        socket: 70 + request,
        last,
    }
}

fn initialize(request: RequestNumber) {
    let call = Call {
        request,
        handler: 1,
        last: false,
    };
    let outcome = Diarist::initialize(call, Some(r#"{"user": "ada"}"#.to_owned()));
    assert!(matches!(outcome, Outcome::Proceed), "{outcome:?}");
}

fn accept(request: RequestNumber, subprotocols: &[&str]) -> Acceptance {
    let subprotocols = subprotocols.iter().map(|name| (*name).to_owned());
    Diarist::accept(call(request, false), subprotocols.collect())
}

fn kitchen() -> Arguments {
    Arguments::Positional(vec![Some("kitchen".to_owned())])
}

fn open(request: RequestNumber) {
    block_on(Diarist::open(call(request, false), kitchen())).unwrap();
}

fn say(request: RequestNumber, text: &str) -> Result<(), String> {
    let message = Sent::Text(text.to_owned());
    block_on(Diarist::on_message(call(request, false), message))
}

/// The diary, which ends.
fn close(request: RequestNumber) -> String {
    let closed = Diarist::on_close(call(request, true), Some(4001), Some("why".to_owned()));
    let diary = block_on(closed).unwrap_err();
    assert_eq!(live(), 0);
    diary
}

fn live() -> usize {
    calls::kept() + cancel::waiting()
}

fn release(request: RequestNumber) {
    block_on(Diarist::release(request));
}

#[test]
fn only_what_is_written_is_named() {
    let classes = <Diarist as wit_websocket::Guest>::describe();
    let [class] = &classes[..] else {
        panic!("{classes:?}")
    };
    assert_eq!(class.handler, 1);
    assert_eq!(
        class.functions,
        [
            "accept",
            "open",
            "on-message",
            "on-close",
            "suspend",
            "resume"
        ]
    );
}

#[test]
fn one_object_from_the_handshake_to_the_close() {
    initialize(1);
    assert!(matches!(accept(1, &[]), Acceptance::Accepted(_)));
    open(1);
    say(1, "hello").unwrap();
    let bytes = Sent::Binary(vec![7]);
    block_on(Diarist::on_message(call(1, false), bytes)).unwrap();
    assert_eq!(live(), 1);
    assert_eq!(
        close(1),
        r#"initialize, open kitchen at 71, Text("hello"), Binary([7]), close Some(4001) Some("why")"#
    );
}

#[test]
fn a_handshake_is_answered_with_what_was_set() {
    initialize(1);
    let Acceptance::Accepted(accepted) = accept(1, &["chat", "superchat"]) else {
        panic!("it is refused")
    };
    let Accepted {
        subprotocol,
        compression,
        headers,
    } = accepted;
    assert_eq!(subprotocol.as_deref(), Some("superchat"));
    assert!(matches!(compression, Some(Compression { level: Some(3) })));
    let names: Vec<_> = headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["x-diary", "set-cookie"]);
    assert!(headers[1].1.starts_with(b"user=ada"));
    release(1);
}

#[test]
fn a_subprotocol_that_was_not_offered_is_a_500() {
    initialize(1);
    let Acceptance::Refused(Outcome::Failed(failure)) = accept(1, &["other"]) else {
        panic!("it is not refused")
    };
    assert_eq!(failure.status, 500);
    let message = failure.message.unwrap();
    assert!(
        message.contains(r#""wrong", which was not offered"#),
        "{message}"
    );
    assert_eq!(live(), 1);
    release(1);
    assert_eq!(live(), 0);
}

#[test]
fn a_handshake_that_is_answered_otherwise_is_refused() {
    initialize(1);
    let refused = accept(1, &["none"]);
    let Acceptance::Refused(Outcome::Finished(page)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(page.status, 406);
    release(1);
}

#[test]
fn an_error_of_an_event_is_a_text_and_the_object_stays() {
    initialize(1);
    open(1);
    assert_eq!(say(1, "fail").unwrap_err(), "writing: no more room");
    assert_eq!(live(), 1);
    let no_argument = Diarist::open(call(1, false), Arguments::None);
    let error = block_on(no_argument).unwrap_err();
    assert!(error.contains("no group 0"), "{error}");
    close(1);
}

#[test]
fn a_cancelled_event_ends_and_its_object_stays() {
    initialize(1);
    open(1);
    let message = Sent::Text("wait".to_owned());
    let mut under_way = Box::pin(Diarist::on_message(call(1, false), message));
    assert!(poll(under_way.as_mut()).is_pending());
    Diarist::cancel(2);
    assert!(poll(under_way.as_mut()).is_pending());
    Diarist::cancel(1);
    let Poll::Ready(cancelled) = poll(under_way.as_mut()) else {
        panic!("it waits")
    };
    assert_eq!(cancelled.unwrap_err(), "cancelled");
    drop(under_way);
    assert_eq!(live(), 1);
    say(1, "on").unwrap();
    assert!(close(1).contains(r#"kitchen at 71, Text("on"), close"#));
}

#[test]
fn events_of_two_sockets_interleave() {
    open(1);
    open(2);
    let message = Sent::Text("wait".to_owned());
    let mut waits = Box::pin(Diarist::on_message(call(1, false), message));
    assert!(poll(waits.as_mut()).is_pending());
    say(2, "meanwhile").unwrap();
    Diarist::cancel(1);
    assert!(poll(waits.as_mut()).is_ready());
    drop(waits);
    release(1);
    assert!(close(2).contains("meanwhile"));
}

#[test]
fn a_socket_moves_with_its_state() {
    initialize(1);
    open(1);
    let state = block_on(Diarist::suspend(call(1, true))).unwrap();
    assert_eq!(live(), 0);
    initialize(2);
    let again = SocketCall {
        socket: 71,
        ..call(2, false)
    };
    block_on(Diarist::resume(again, kitchen(), state)).unwrap();
    assert!(close(2).starts_with("initialize, resume (initialize, open kitchen at 71), close"));
}

#[test]
#[should_panic(expected = "does not declare")]
fn a_handler_of_requests_has_no_events() {
    let call = SocketCall {
        handler: 0,
        ..call(1, false)
    };
    let _ = block_on(Diarist::open(call, Arguments::None));
}
