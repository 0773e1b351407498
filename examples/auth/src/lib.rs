//! Users: an account with a password, a login by a signed cookie, a page for those who are logged in, and forms that no
//! other site can send.

mod accounts;

use waterspout_sdk::cookie::{Cookie, SameSite};
use waterspout_sdk::escape::xhtml_escape;
use waterspout_sdk::kv::Swapped;
use waterspout_sdk::prelude::*;

use accounts::Given;

/// What all handlers have in common: who it is.
#[derive(Default)]
struct Base;

#[handler]
impl RequestHandler for Base {
    async fn get_current_user(&mut self, cx: &Context) -> Result<Option<String>> {
        let name = cx.get_signed_cookie("user")?;
        Ok(name.and_then(|name| String::from_utf8(name).ok()))
    }
}

/// A page for its user alone. Anybody else is sent to log in, and comes back.
#[derive(Default)]
struct Account {
    base: Base,
}

#[handler(base = Base)]
#[route("/auth")]
impl RequestHandler for Account {
    #[authenticated]
    async fn get(&mut self, cx: &Context) -> Result {
        let user = self.current_user(cx).await?.context("it is logged in")?;
        page(
            cx,
            &format!(
                r#"<p id="user">You are <strong>{}</strong>.</p>
<form action="/auth/logout" method="post">{}<button>Log out</button></form>"#,
                xhtml_escape(&user),
                cx.xsrf_form_html()?,
            ),
        )
    }
}

/// Both forms: an account is made, or its user comes back.
#[derive(Default)]
struct Login {
    base: Base,
}

#[handler(base = Base)]
#[route("/auth/(login|register)")]
impl RequestHandler for Login {
    async fn get(&mut self, cx: &Context) -> Result {
        form(cx, "").await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let given = Given {
            name: cx.get_body_argument("name").await?,
            password: cx.get_body_argument("password").await?,
        };
        let problem = match cx.path_arg::<String>(0)?.as_str() {
            "register" if given.name.is_empty() || given.password.len() < 8 => {
                Some("A name, and a password of 8 letters or more.")
            }
            "register" => match accounts::add(&given).await? {
                Swapped::Done(_) => None,
                Swapped::Differs(_) => Some("This name is taken."),
            },
            _ if accounts::are_right(&given).await? => None,
            _ => Some("Name or password is wrong."),
        };
        if let Some(problem) = problem {
            cx.set_status(403);
            return form(cx, problem).await;
        }
        // Scripts can't read it, and pages of other sites don't send it.
        let user = Cookie::build(("user", given.name))
            .http_only(true)
            .same_site(SameSite::Lax);
        cx.set_signed_cookie(user)?;
        cx.redirect(&cx.get_next_url("/auth").await?)
    }
}

#[derive(Default)]
struct Logout;

#[handler]
#[route("/auth/logout")]
impl RequestHandler for Logout {
    async fn post(&mut self, cx: &Context) -> Result {
        cx.clear_cookie("user")?;
        cx.redirect("/auth")
    }
}

/// The page with the form that the path names. `next` goes with it, so that the login leads back.
async fn form(cx: &Context, problem: &str) -> Result {
    let next = xhtml_escape(&cx.get_next_url("/auth").await?);
    let field = cx.xsrf_form_html()?;
    let (action, button, other) = match cx.path_arg::<String>(0)?.as_str() {
        "register" => (
            "register",
            "Register",
            r#"<a href="/auth/login">Log in</a>"#,
        ),
        _ => (
            "login",
            "Log in",
            r#"<a href="/auth/register">Make an account</a>"#,
        ),
    };
    page(
        cx,
        &format!(
            r#"<form action="/auth/{action}" method="post">{field}<input type="hidden" name="next" value="{next}">
<p><label>Name <input name="name" autocomplete="username" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p id="problem" role="status">{problem}</p>
<button>{button}</button></form>
<p>{other}</p>"#
        ),
    )
}

fn page(cx: &Context, body: &str) -> Result {
    cx.write(include_str!("page.html").replace("@BODY@", body))
}

export!(
    Account,
    Login,
    Logout,
    functions = [accounts::hash, accounts::verify]
);
