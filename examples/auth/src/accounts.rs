//! The accounts: names, and what their passwords are known by. No password is kept.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use waterspout_sdk::kv::{self, Swapped};
use waterspout_sdk::prelude::*;

/// What somebody typed.
pub struct Given {
    pub name: String,
    pub password: String,
}

/// Makes an account, where there is none of that name yet.
pub async fn add(given: &Given) -> Result<Swapped> {
    let hash = run_in_executor(hash, &given.password).await?;
    Ok(kv::open("accounts")?.swap(&given.name, None, hash).await?)
}

/// Whether there is such an account.
pub async fn are_right(given: &Given) -> Result<bool> {
    if given.name.is_empty() {
        return Ok(false);
    }
    let hash = kv::open("accounts")?.get(&given.name).await?;
    let hash = hash.map(String::from_utf8).transpose()?;
    run_in_executor(verify, &(given.password.clone(), hash)).await
}

/// Argon2id with a random salt. It takes much time and 19 MB, on purpose: so it runs in the executor.
pub fn hash(password: String) -> Result<String> {
    Ok(Argon2::default()
        .hash_password(password.as_bytes())?
        .to_string())
}

/// Whether the password has this hash. Without a hash it takes as long, so that nobody learns which names there are.
pub fn verify((password, hash): (String, Option<String>)) -> Result<bool> {
    let Some(hash) = hash else {
        return self::hash(password).map(|_| false);
    };
    let verified =
        Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(&hash)?);
    Ok(verified.is_ok())
}
