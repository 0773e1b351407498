//! What the command line overrides in a configuration, with options of its own and with `--set`.

use std::path::Path;

use crate::base::error::{Faults, Origin};

use super::{Config, CookieSecret, Format, Levels, Listen, Override, Secret, SecretSource};

/// What the command line says in place of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In place of `[server] listen`, unless empty.
    pub listen: Vec<Listen>,
    /// In place of `[server] admin`.
    pub admin: Option<Listen>,
    /// In place of `[log] format`.
    pub log_format: Option<Format>,
    /// In place of `[log] level`, for the logs that it names.
    pub log_level: Levels,
    /// Switches `[settings] debug` on, unless a `--set` has another value for it.
    pub debug: bool,
    /// In place of a `[settings] cookie_secret` that is missing.
    pub cookie_secret: Option<Secret>,
    /// The values of `--set` and of the environment. The last one counts.
    pub said: Vec<Override>,
}

impl Overrides {
    /// Reads an app's configuration, and applies the overrides.
    pub fn load(&self, app: &Path) -> Result<Config, Faults> {
        self.of(Config::text(app)?.as_deref(), app)
    }

    /// The same for the text of its file.
    pub fn of(&self, text: Option<&str>, app: &Path) -> Result<Config, Faults> {
        let mut config = Config::of(text, app, &self.said)?;
        self.apply(&mut config);
        let server = &mut config.server;
        let tcp = config.tcp.iter_mut().flat_map(|tcp| &mut tcp.listen);
        for listen in server.listen.iter_mut().chain(&mut server.admin).chain(tcp) {
            listen.count_from(app);
        }
        Ok(config)
    }

    /// Applies the overrides to a configuration that was read with those in `said`.
    fn apply(&self, config: &mut Config) {
        let option = |name: &str| Origin::CommandLine(name.to_owned());
        if !self.listen.is_empty() {
            config.server.listen.clone_from(&self.listen);
            config.server.listen_at = config.said_by(option("--listen"));
        }
        if self.admin.is_some() {
            config.server.admin.clone_from(&self.admin);
            config.server.admin_at = config.said_by(option("--admin"));
        }
        config.log.format = self.log_format.unwrap_or(config.log.format);
        config.log.level = self.log_level.or(config.log.level);
        let told = self.said.iter().any(Override::tells_debug);
        config.settings.debug |= self.debug && !told;
        if config.settings.cookie_secret.is_none() {
            let own = self.cookie_secret.clone();
            config.settings.cookie_secret =
                own.map(|own| CookieSecret::One(SecretSource::Text(own)));
        }
    }
}
