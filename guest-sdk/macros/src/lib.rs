//! The macros of `waterspout-sdk`. They only connect: what they note goes into a trait, and the SDK does the work.

#![warn(missing_docs)]

mod export;
mod handler;
mod jobs;

use proc_macro::TokenStream;

/// Notes the functions that an `impl RequestHandler` has, and the routes that the handler declares for itself.
///
/// Routes are for apps whose configuration does not name the component. The first argument is the pattern, anchored at
/// both ends, in the syntax of the [`regex`](https://docs.rs/regex) crate. Without routes, such an app has the handler
/// of `hello.wasm` at `/hello`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Story;
/// #[handler]
/// #[route("/latest")]
/// #[route("/story/([0-9]+)", name = "story", host = r"example\.com", kwargs = { "db": "main" })]
/// impl RequestHandler for Story {
///     async fn get(&mut self, cx: &Context) -> Result {
///         cx.write("a story")
///     }
/// }
/// ```
///
/// - `name`: for [`reverse_url`](struct.Context.html#method.reverse_url); unique in the app.
/// - `host`: a pattern for the host; absent: any.
/// - `kwargs`: a JSON object for [`initialize`](trait.RequestHandler.html#method.initialize).
///
/// A method may have `#[addslash]` or `#[removeslash]` before it, Tornado's
/// [decorators](https://www.tornadoweb.org/en/stable/web.html#tornado.web.addslash): `GET` and `HEAD` of a path without
/// a slash at its end, or with one, are redirected to the other for good (301), with their query; any other method is
/// answered with 404. The route has to take both: `/stories/?`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Stories;
/// #[handler]
/// #[route("/stories/?")]
/// impl RequestHandler for Stories {
///     #[removeslash]
///     async fn get(&mut self, cx: &Context) -> Result {
///         cx.write("all stories")
///     }
/// }
/// ```
///
/// With `#[stream_request_body]` below it, Tornado's
/// [decorator](https://www.tornadoweb.org/en/stable/web.html#tornado.web.stream_request_body), the body goes piece by piece
/// to [`data_received`](trait.RequestHandler.html#method.data_received), before the method is called.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes the component: its handlers in the order of their routes, and what else there is.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Counter;
/// # #[handler] impl RequestHandler for Counter {}
/// # #[derive(Default)] struct Reset;
/// # #[handler] impl RequestHandler for Reset {}
/// async fn load() -> Result {
///     Ok(())
/// }
///
/// async fn save() -> Result {
///     Ok(())
/// }
///
/// export!(Counter, Reset, single, start = load, stop = save);
/// ```
///
/// - `single`: the state of this component must not be split, so there is one instance of it.
/// - `start`: an `async fn() -> Result` that runs once for each instance, before its first request. Its error refuses the
///   component.
/// - `stop`: the same, after the last request of an instance. Its error is logged.
/// - `functions`: what [`run_in_executor`](ioloop/fn.run_in_executor.html) and schedules call by name, each
///   `fn(A) -> Result<R>` or `async fn(A) -> Result<R>`, where `A` and `R` serialize.
/// - `schedules`: when some of them are due: `every("60s", tidy_up)`, `cron("0 3 * * *", report)`, with `name`,
///   `arguments` (JSON), `jitter` and `time_zone` after that where they are wanted. What they mean is said of
///   `[[schedule]]`, the same in the configuration.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Counter;
/// # #[handler] impl RequestHandler for Counter {}
/// async fn tidy_up(keep: u32) -> Result {
///     log::info!("all but {keep} are gone");
///     Ok(())
/// }
///
/// export!(
///     Counter,
///     functions = [tidy_up],
///     schedules = [cron("0 3 * * *", tidy_up, arguments = 100, time_zone = "Europe/Berlin")],
/// );
/// ```
#[proc_macro]
pub fn export(input: TokenStream) -> TokenStream {
    export::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
