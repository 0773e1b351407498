//! The arguments of the query and of a form, as a handler asks for them by name.

use crate::result::Result;
use crate::web::arguments::{ArgumentName, missing};
use crate::web::context::Context;

/// Arguments of the query and of a form. Values are decoded as UTF-8 ([`HttpError`](crate::HttpError) 400 where they
/// are not), control characters become spaces, spaces around are stripped; with [`Unstripped`](crate::web::Unstripped)
/// around the name they stay. The raw values: [`Request::query_arguments`](crate::web::Request::query_arguments) and
/// [`body_arguments`](crate::web::Request::body_arguments).
///
/// Those of the body wait for it, and fail as [`Request::body`](crate::web::Request::body) does.
impl Context {
    /// The value of an argument of the query or the body: the last one, where the body comes after the query.
    ///
    /// [`HttpError`](crate::HttpError) 400 `Missing argument NAME` where there is none.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// let message = cx.get_argument("message").await?;
    /// cx.write(format!("You wrote {message}"))
    /// # }
    /// ```
    pub async fn get_argument(&self, name: impl ArgumentName) -> Result<String> {
        self.argument(name)
            .await?
            .ok_or_else(|| missing(name.name()))
    }

    /// As [`get_argument`](Self::get_argument), with a default in place of the error.
    pub async fn get_argument_or(&self, name: impl ArgumentName, default: &str) -> Result<String> {
        Ok(self
            .argument(name)
            .await?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// All values of an argument: those of the query, then those of the body.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let tags = cx.get_arguments("tag").await?; // ?tag=a&tag=b
    /// cx.write(tags.join(", "))
    /// # }
    /// ```
    pub async fn get_arguments(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        let mut values = self.get_query_arguments(name)?;
        values.append(&mut self.get_body_arguments(name).await?);
        Ok(values)
    }

    /// The last value of an argument of the query.
    ///
    /// [`HttpError`](crate::HttpError) 400 `Missing argument NAME` where there is none.
    pub fn get_query_argument(&self, name: impl ArgumentName) -> Result<String> {
        self.request
            .query_arguments()
            .last(name)?
            .ok_or_else(|| missing(name.name()))
    }

    /// As [`get_query_argument`](Self::get_query_argument), with a default in place of the error.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let page: u32 = cx.get_query_argument_or("page", "1")?.parse().map_err(|_| HttpError::new(400))?;
    /// cx.write(format!("page {page}"))
    /// # }
    /// ```
    pub fn get_query_argument_or(&self, name: impl ArgumentName, default: &str) -> Result<String> {
        Ok(self
            .request
            .query_arguments()
            .last(name)?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// All values of an argument of the query.
    pub fn get_query_arguments(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        self.request.query_arguments().texts(name)
    }

    /// The last value of an argument of the body.
    ///
    /// [`HttpError`](crate::HttpError) 400 `Missing argument NAME` where there is none.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// let message = cx.get_body_argument("message").await?;
    /// cx.write(format!("You wrote {message}"))
    /// # }
    /// ```
    pub async fn get_body_argument(&self, name: impl ArgumentName) -> Result<String> {
        self.request
            .body_arguments()
            .await?
            .last(name)?
            .ok_or_else(|| missing(name.name()))
    }

    /// As [`get_body_argument`](Self::get_body_argument), with a default in place of the error.
    pub async fn get_body_argument_or(
        &self,
        name: impl ArgumentName,
        default: &str,
    ) -> Result<String> {
        Ok(self
            .request
            .body_arguments()
            .await?
            .last(name)?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// All values of an argument of the body.
    pub async fn get_body_arguments(&self, name: impl ArgumentName) -> Result<Vec<String>> {
        self.request.body_arguments().await?.texts(name)
    }

    async fn argument(&self, name: impl ArgumentName) -> Result<Option<String>> {
        Ok(self.get_arguments(name).await?.pop())
    }
}
