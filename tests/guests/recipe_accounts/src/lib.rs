//! Accounts: passwords are kept as hashes, and a session is a random id in a cookie. `docs/recipes.md` shows it.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use waterspout_sdk::cookie::{Cookie, SameSite};
use waterspout_sdk::kv::{self, Swapped};
use waterspout_sdk::prelude::*;

const SESSION: Duration = Duration::from_secs(24 * 3600);

/// Bytes that nobody can guess, as text.
fn random_id() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Argon2id with a random salt. It takes much time and 19 MB, on purpose: so it runs in the executor.
fn hash(password: String) -> Result<String> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())?
        .to_string())
}

/// Whether the password has this hash. Without a hash it takes as long, so that nobody learns which names there are.
fn verify((password, hash): (String, Option<String>)) -> Result<bool> {
    let Some(hash) = hash else {
        return self::hash(password).map(|_| false);
    };
    let verified =
        Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(&hash)?);
    Ok(verified.is_ok())
}

#[derive(Default)]
struct Register;

#[handler]
#[route("/register")]
impl RequestHandler for Register {
    async fn post(&mut self, cx: &Context) -> Result {
        let name = cx.get_body_argument("name").await?;
        let password = cx.get_body_argument("password").await?;
        let hash = run_in_executor(hash, &password).await?;
        // Only if there is no such user yet.
        match kv::open("users")?.swap(&name, None, hash).await? {
            Swapped::Done(_) => cx.write("welcome"),
            Swapped::Differs(_) => bail!(HttpError::new(409).with_message("this name is taken")),
        }
    }
}

#[derive(Default)]
struct Login;

#[handler]
#[route("/login")]
impl RequestHandler for Login {
    async fn post(&mut self, cx: &Context) -> Result {
        let name = cx.get_body_argument("name").await?;
        let password = cx.get_body_argument("password").await?;
        let hash = kv::open("users")?.get(&name).await?;
        let hash = hash.map(String::from_utf8).transpose()?;
        let is_right = run_in_executor(verify, &(password, hash)).await?;
        ensure!(is_right, HttpError::new(403));
        let id = random_id()?;
        kv::open("sessions")?
            .set_with_ttl(&id, name, SESSION)
            .await?;
        let cookie = Cookie::build(("session", id)).http_only(true).secure(true);
        cx.set_cookie(cookie.same_site(SameSite::Lax))
    }
}

#[derive(Default)]
struct Me {
    user: String,
}

#[handler]
#[route("/me")]
impl RequestHandler for Me {
    async fn prepare(&mut self, cx: &Context) -> Result {
        let id = cx.get_cookie("session").unwrap_or_default();
        ensure!(!id.is_empty(), HttpError::new(403));
        let user = kv::open("sessions")?.get(id).await?;
        self.user = String::from_utf8(user.ok_or_else(|| HttpError::new(403))?)?;
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(&*self.user)
    }
}

export!(Register, Login, Me, functions = [hash, verify]);
