//! The order of a request's functions, as a host calls them.

use std::future::pending;
use std::task::Poll;

use super::*;
use crate::runtime::bindings::exports::waterspout::web::handler::Guest as _;
use crate::runtime::exports::calls::{run, run_at_once};
use crate::runtime::exports::declared::{Handler, Hooks, Route};
use crate::testing::{block_on, poll};
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::failure::Failure;
use crate::web::handler::RequestHandler;
use crate::web::kwargs::Kwargs;

/// Writes down what happens to it, in its response.
#[derive(Default)]
struct Diary(Vec<&'static str>);

impl Handler for Diary {
    const NAME: &'static str = "Diary";
    const METHODS: &'static [&'static str] = &["GET", "POST", "PUT", "DELETE"];
    const HOOKS: Hooks = Hooks {
        check_trusted_origin: false,
        initialize: true,
        prepare: true,
        write_error: true,
        on_connection_close: true,
        on_finish: true,
        set_default_headers: false,
    };
    const ROUTES: &'static [Route] = &[];

    async fn call_method(&mut self, cx: &Context, at: u32) -> Result {
        match at {
            0 => self.get(cx).await,
            1 => self.post(cx).await,
            2 => self.put(cx).await,
            _ => self.delete(cx).await,
        }
    }
}

impl RequestHandler for Diary {
    type User = ();

    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.0.push("initialize");
        kwargs.get("db")
    }

    async fn prepare(&mut self, cx: &Context) -> Result {
        self.0.push("prepare");
        if cx.path_args().is_empty() {
            Ok(())
        } else {
            cx.redirect("/")
        }
    }

    async fn get(&mut self, cx: &Context) -> Result {
        self.0.push("get");
        cx.write(self.0.join(" "))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Lost", "1")?;
        Err(HttpError::new(418).with_reason("Teapot").into())
    }

    async fn put(&mut self, _: &Context) -> Result {
        self.0.push("put");
        pending().await
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        cx.write("done")?;
        cx.finish()?;
        cx.write("more")
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        let error = failure.error().map(ToString::to_string);
        cx.write(format!(
            "{} {} {error:?}",
            cx.get_status(),
            failure.reason()
        ))
    }
}

fn call(request: RequestNumber, last: bool) -> Call {
    Call {
        request,
        handler: 0,
        last,
    }
}

fn none() -> Arguments {
    Arguments::None
}

fn body(outcome: Outcome) -> String {
    match outcome {
        Outcome::Finished(response) => String::from_utf8(response.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn live() -> usize {
    calls::kept() + cancel::waiting()
}

struct Diaries;

impl Component for Diaries {
    type Handlers = (Diary, ());
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

fn cancel(request: RequestNumber) {
    Exported::<Diaries>::cancel(request);
}

fn release(request: RequestNumber) {
    block_on(Exported::<Diaries>::release(request));
}

#[test]
fn one_object_from_the_first_call_to_the_last() {
    let db = Edge::Initialize(Some(r#"{"db": null}"#.into()));
    assert!(matches!(
        run_at_once::<Diary>(call(1, false), db),
        Outcome::Proceed
    ));
    assert!(matches!(
        block_on(run::<Diary>(call(1, false), Hook::Prepare(none()))),
        Outcome::Proceed
    ));
    assert_eq!(live(), 1);
    assert_eq!(
        body(block_on(run::<Diary>(
            call(1, true),
            Hook::Method(Which::Named("GET"), none())
        ))),
        "initialize prepare get"
    );
    assert_eq!(live(), 0);
    assert_eq!(
        body(block_on(run::<Diary>(
            call(2, true),
            Hook::Method(Which::Named("GET"), none())
        ))),
        "get"
    );
}

#[test]
fn prepare_can_finish_and_release_frees() {
    let some = Arguments::Positional(vec![Some("x".into())]);
    assert!(matches!(
        block_on(run::<Diary>(call(1, false), Hook::Prepare(some))),
        Outcome::Finished(_)
    ));
    assert_eq!(live(), 1);
    release(1);
    assert_eq!(live(), 0);
}

#[test]
fn a_failed_object_waits_for_write_error() {
    let Outcome::Failed(failure) = block_on(run::<Diary>(
        call(1, true),
        Hook::Method(Which::Named("POST"), none()),
    )) else {
        panic!()
    };
    assert_eq!((failure.status, live()), (418, 1));
    let Outcome::Finished(page) = block_on(run::<Diary>(call(1, true), Hook::WriteError(failure)))
    else {
        panic!()
    };
    assert_eq!(
        (page.status, page.reason.as_deref(), page.headers.len()),
        (418, Some("Teapot"), 1)
    );
    assert_eq!(page.body, br#"418 Teapot Some("HTTP 418: Teapot")"#);
    assert_eq!(live(), 0);
}

#[test]
fn kwargs_that_do_not_fit_are_a_500() {
    let db = Edge::Initialize(Some(r#"{"db": 1}"#.into()));
    let outcome = run_at_once::<Diary>(call(1, false), db);
    assert!(matches!(
        outcome,
        Outcome::Failed(types::Failure { status: 500, .. })
    ));
    release(1);
}

#[test]
fn an_error_after_finish_does_not_change_the_response() {
    assert_eq!(
        body(block_on(run::<Diary>(
            call(1, true),
            Hook::Method(Which::Named("DELETE"), none())
        ))),
        "done"
    );
    assert_eq!(live(), 0);
}

#[test]
fn an_idle_or_unknown_request_is_not_cancelled() {
    let kept = block_on(run::<Diary>(call(1, false), Hook::Prepare(none())));
    assert!(matches!(kept, Outcome::Proceed));
    cancel(1);
    cancel(2);
    assert_eq!(
        body(block_on(run::<Diary>(
            call(1, true),
            Hook::Method(Which::Named("GET"), none())
        ))),
        "prepare get"
    );
}

#[test]
fn a_cancelled_call_ends_and_its_object_stays() {
    let mut under_way = Box::pin(run::<Diary>(
        call(1, true),
        Hook::Method(Which::Named("PUT"), none()),
    ));
    assert!(poll(under_way.as_mut()).is_pending());
    cancel(2);
    assert!(poll(under_way.as_mut()).is_pending());
    cancel(1);
    assert!(matches!(
        poll(under_way.as_mut()),
        Poll::Ready(Outcome::Cancelled)
    ));
    assert_eq!(live(), 1);
    assert_eq!(
        body(block_on(run::<Diary>(
            call(1, true),
            Hook::Method(Which::Named("GET"), none())
        ))),
        "put get"
    );
    assert_eq!(live(), 0);
}

#[test]
fn one_call_does_what_three_would() {
    let kwargs = |text: &str| Some(text.to_owned());
    let execute = |request, kwargs, method, arguments| {
        let hook = Hook::Execute(kwargs, method, arguments);
        block_on(run::<Diary>(call(request, true), hook))
    };
    assert_eq!(
        body(execute(1, kwargs(r#"{"db": null}"#), Some(0), none())),
        "initialize prepare get"
    );
    // `prepare` redirects, and the method is not called.
    let one = Arguments::Positional(vec![Some("1".to_owned())]);
    let Outcome::Finished(response) = execute(2, kwargs(r#"{"db": null}"#), Some(0), one) else {
        panic!("it has finished");
    };
    assert_eq!(response.status, 302);
    // `initialize` fails, and nothing follows.
    let failed = execute(3, kwargs(r#"{"db": 1}"#), Some(0), none());
    assert!(matches!(failed, Outcome::Failed(_)), "{failed:?}");
    release(3);
    // No method is meant, and `prepare` has not finished.
    let proceeds = execute(4, kwargs(r#"{"db": null}"#), None, none());
    assert!(matches!(proceeds, Outcome::Proceed), "{proceeds:?}");
    assert_eq!(live(), 0);
}
