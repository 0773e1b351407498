//! Functions that are called in another instance of the component: their arguments and their names. Runs nothing
//! itself.

use std::any::type_name;
use std::fmt;

use anyhow::{Context as _, anyhow, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::result::Result;
use crate::runtime::bindings::waterspout::background::executor as host;

/// Calls a function in another instance of this component, on a thread that serves no requests, and waits for its
/// result. So a long computation or a blocking call blocks no request. Tornado's
/// [`IOLoop.run_in_executor`](https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.IOLoop.run_in_executor),
/// with a pool of processes.
///
/// The function is one that [`export!`](crate::export!) names under `functions`: `fn` or `async fn`, with one argument
/// that serializes (a tuple or a struct for several) and a [`Result`] of what serializes. It sees the module state of
/// the other instance, not of this one. Neither `cpu_deadline` nor `block_log` is for it, but `executor_deadline` is.
/// A function that `export!` does not name is an error, also where it has the name of one in another module.
///
/// The error is that of the function, or a [`CallError`]: it trapped, took too long, or too many wait. When the request
/// is cancelled, or this future dropped, the other instance is thrown away.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Sum;
/// # #[handler]
/// # impl RequestHandler for Sum {
/// async fn get(&mut self, cx: &Context) -> Result {
///     let sum = run_in_executor(sum, &1_000_000).await?;
///     cx.write(sum.to_string())
/// }
/// # }
///
/// fn sum(up_to: u64) -> Result<u64> {
///     Ok((1..=up_to).sum())
/// }
///
/// export!(Sum, functions = [sum]);
/// ```
pub async fn run_in_executor<M, F: Function<M>>(
    function: F,
    arguments: &F::Arguments,
) -> Result<F::Output> {
    let _ = function;
    let path = type_name::<F>();
    let name = name_of(path);
    ensure!(
        !name.contains(['{', '<']),
        "run_in_executor needs a function that `export!` names, and no closure or generic one"
    );
    let packed =
        packed(path, arguments).with_context(|| format!("writing the arguments of `{name}`"))?;
    let result = host::call(name.to_owned(), packed).await;
    let result = result.map_err(|error| match error {
        // What the function said, as if it had been called here.
        host::CallError::Failed(why) => anyhow!(why),
        error => CallError::from(error).into(),
    })?;
    serde_json::from_slice(&result).with_context(|| format!("reading the result of `{name}`"))
}

/// Why a function in another instance has no result, where that is not its own error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// `export!` does not name it.
    Unknown(String),
    /// As many calls wait as may, or no instance could be had: [`HttpError`](crate::HttpError) 503 may fit.
    Busy(String),
    /// It did not end within `executor_deadline`.
    Timeout(String),
    /// It trapped.
    Trapped(String),
    /// This instance can't call others.
    Unavailable(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unknown(why)
        | Self::Busy(why)
        | Self::Timeout(why)
        | Self::Trapped(why)
        | Self::Unavailable(why)
        | Self::Other(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for CallError {}

impl From<host::CallError> for CallError {
    fn from(error: host::CallError) -> Self {
        match error {
            host::CallError::Unknown(why) => Self::Unknown(why),
            host::CallError::Busy(why) => Self::Busy(why),
            host::CallError::Timeout(why) => Self::Timeout(why),
            host::CallError::Trapped(why) => Self::Trapped(why),
            host::CallError::Unavailable(why) => Self::Unavailable(why),
            host::CallError::Failed(why) | host::CallError::Other(why) => Self::Other(why),
        }
    }
}

/// A function that can be called in another instance: `fn(A) -> Result<R>` or `async fn(A) -> Result<R>`, where `A` and
/// `R` serialize. `Shape` tells the two apart, and is never named.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be called in another instance",
    label = "needs one argument that serializes, and a `Result` of what serializes"
)]
pub trait Function<Shape>: 'static {
    /// What it is given.
    type Arguments: Serialize + DeserializeOwned;
    /// What it gives.
    type Output: Serialize + DeserializeOwned;

    /// Calls it.
    #[doc(hidden)]
    fn call(self, arguments: Self::Arguments) -> impl Future<Output = Result<Self::Output>>;
}

impl<F, A, R> Function<(A, R)> for F
where
    F: FnOnce(A) -> Result<R> + 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    type Arguments = A;
    type Output = R;

    async fn call(self, arguments: A) -> Result<R> {
        self(arguments)
    }
}

impl<F, A, W, R> Function<(A, W, R)> for F
where
    F: FnOnce(A) -> W + 'static,
    W: Future<Output = Result<R>>,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    type Arguments = A;
    type Output = R;

    async fn call(self, arguments: A) -> Result<R> {
        self(arguments).await
    }
}

/// What is sent: the function's whole path, because the host knows only the last part, and the arguments in JSON. JSON
/// does not contain the byte between them.
fn packed(path: &str, arguments: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut packed = path.as_bytes().to_vec();
    packed.push(END_OF_PATH);
    serde_json::to_writer(&mut packed, arguments)?;
    Ok(packed)
}

const END_OF_PATH: u8 = 0;

/// The arguments of a call, if it is for this function. A schedule's have no path.
pub(crate) fn unpacked<F>(packed: &[u8]) -> Result<&[u8]> {
    let Some(end) = packed.iter().position(|byte| *byte == END_OF_PATH) else {
        return Ok(packed);
    };
    let (path, known) = (String::from_utf8_lossy(&packed[..end]), type_name::<F>());
    ensure!(
        path == known,
        "`{path}` can't be called: the `{}` that `export!` names is `{known}`",
        name_of(known)
    );
    Ok(&packed[end + 1..])
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(number: u32) -> Result<u32> {
        Ok(number * 2)
    }

    fn named<M, F: Function<M>>(_: F) -> &'static str {
        name_of(type_name::<F>())
    }

    fn unpack<M, F: Function<M>>(_: F, packed: &[u8]) -> Result<&[u8]> {
        unpacked::<F>(packed)
    }

    #[test]
    fn a_function_is_known_by_the_name_that_export_gives_it() {
        assert_eq!(named(double), stringify!(double));
        assert!(named(|number: u32| double(number)).contains('{'));
    }

    mod other {
        pub fn double(number: u32) -> crate::Result<u32> {
            Ok(number + number)
        }
    }

    #[test]
    fn a_function_of_the_same_name_is_another() {
        let here = concat!(module_path!(), "::double");
        let call = packed(here, &7).unwrap();
        assert_eq!(unpack(double, &call).unwrap(), b"7");
        let error = unpack(other::double, &call).unwrap_err().to_string();
        assert!(
            error.contains(here) && error.contains("tests::other::double"),
            "{error}"
        );
        // A schedule's.
        assert_eq!(unpack(double, b"null").unwrap(), b"null");
    }
}
