//! Turns away whom the settings don't name, before any method runs.

use serde::Deserialize;
use waterspout_sdk::prelude::*;

/// `[settings] app`
#[derive(Deserialize)]
struct Settings {
    allowed: Vec<String>,
}

#[derive(Default)]
struct Staff;

#[handler]
impl RequestHandler for Staff {
    async fn prepare(&mut self, cx: &Context) -> Result {
        let settings: Settings = cx.settings()?;
        let client = cx.request().remote_ip();
        if !settings.allowed.iter().any(|ip| ip == client) {
            bail!(HttpError::new(403).with_message(format!("{client} is not allowed")));
        }
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("staff only")
    }
}

export!(Staff);
