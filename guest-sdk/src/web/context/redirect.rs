//! Redirects, and the two kinds of path that differ by a slash at the end.

use anyhow::ensure;
use http::Method;
use http::header::LOCATION;

use crate::result::Result;
use crate::web::context::Context;
use crate::web::error::HttpError;

impl Context {
    /// Finishes the response with a redirect to `url`, absolute or relative, with status 302: for now.
    ///
    /// An error after [`finish`](Self::finish).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// // So that a reload of the page does not send the form again.
    /// cx.redirect("/guestbook")
    /// # }
    /// ```
    pub fn redirect(&self, url: &str) -> Result {
        self.redirect_with_status(url, 302)
    }

    /// As [`redirect`](Self::redirect), with status 301: clients may keep it for ever.
    pub fn redirect_permanent(&self, url: &str) -> Result {
        self.redirect_with_status(url, 301)
    }

    /// As [`redirect`](Self::redirect), with a status from 300 to 399.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// cx.redirect_with_status("/orders/7", 303)
    /// # }
    /// ```
    pub fn redirect_with_status(&self, url: &str, status: u16) -> Result {
        ensure!(!self.is_finished(), "Cannot redirect() after finish()");
        self.response.borrow().refuse_late("redirect")?;
        ensure!(
            (300..=399).contains(&status),
            "Cannot redirect with status {status}"
        );
        self.set_status(status);
        self.set_header(LOCATION, url.as_bytes())?;
        self.finish()
    }
}

/// Whether the request was answered, because its path has no slash at its end: what `#[addslash]` does.
pub fn add_slash(cx: &Context) -> Result<bool> {
    match cx.request.path() {
        path if path.ends_with('/') => Ok(false),
        path => to_path(cx, &format!("{path}/")),
    }
}

/// Whether the request was answered, because its path has a slash at its end: what `#[removeslash]` does.
pub fn remove_slash(cx: &Context) -> Result<bool> {
    let path = cx.request.path();
    match path.trim_end_matches('/') {
        shorter if shorter == path => Ok(false),
        // There is no path without the slash of `/`.
        "" if has_no_body(cx) => Ok(false),
        shorter => to_path(cx, shorter),
    }
}

/// Redirects for good, with the query as it was, where no body is lost by it.
fn to_path(cx: &Context, path: &str) -> Result<bool> {
    ensure!(has_no_body(cx), HttpError::new(404));
    // Two slashes would begin the name of another host.
    let path = format!("/{}", path.trim_start_matches('/'));
    match cx.request.query() {
        "" => cx.redirect_permanent(&path)?,
        query => cx.redirect_permanent(&format!("{path}?{query}"))?,
    }
    Ok(true)
}

fn has_no_body(cx: &Context) -> bool {
    matches!(*cx.request.method(), Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_finish_and_are_302_unless_told_otherwise() {
        let redirected = |redirect: fn(&Context) -> Result| {
            let cx = Context::of_test(1);
            redirect(&cx).unwrap();
            assert!(cx.redirect("/").is_err(), "it is finished");
            let response = cx.response.borrow_mut().take();
            let location = response
                .headers
                .into_iter()
                .find(|(name, _)| name == "location");
            (response.status, location.map(|(_, value)| value))
        };
        let next = || Some(b"/next".to_vec());
        assert_eq!(redirected(|cx| cx.redirect("/next")), (302, next()));
        assert_eq!(
            redirected(|cx| cx.redirect_permanent("/next")),
            (301, next())
        );
        assert_eq!(
            redirected(|cx| cx.redirect_with_status("/next", 303)),
            (303, next())
        );
        assert!(Context::of_test(1).redirect_with_status("/", 200).is_err());
    }
}
