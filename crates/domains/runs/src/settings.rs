//! What an organisation wants recorded, and for how long.

use pentad_kernel::{Actor, OrganisationId};
use pentad_store::{affected, with_reader, with_writer};

use crate::{Error, Result, Runs};

/// The settings of an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether calls of models are recorded with their whole input and output.
    pub modelio_enabled: bool,
    /// Whether what looks like a secret is replaced in log text.
    pub log_scrub: bool,
    /// For how many days runs are kept after their last record; `None` for ever.
    pub retention_days: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            modelio_enabled: false,
            log_scrub: true,
            retention_days: None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct SettingsRow {
    modelio_enabled: bool,
    log_scrub: bool,
    retention_days: Option<i64>,
}

const SELECT: &str =
    "SELECT modelio_enabled, log_scrub, retention_days FROM run_settings WHERE organisation_id = $1";
const UPSERT: &str = "
    INSERT INTO run_settings (organisation_id, modelio_enabled, log_scrub, retention_days) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organisation_id) DO UPDATE SET modelio_enabled = excluded.modelio_enabled,
        log_scrub = excluded.log_scrub, retention_days = excluded.retention_days";

impl Runs {
    /// The settings of the actor's organisation. Where no other gateway can change them, what is remembered is
    /// told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settings(&self, actor: &Actor) -> Result<Settings> {
        self.settings_of(&actor.organisation).await
    }

    pub(crate) async fn settings_of(&self, organisation: &OrganisationId) -> Result<Settings> {
        if let Some(known) = self.settings.get(organisation).filter(|_| !self.db.is_shared()) {
            return Ok(known);
        }
        let row: Option<SettingsRow> = with_reader!(self.db, |conn| sqlx::query_as(SELECT)
            .bind(organisation.as_str())
            .fetch_optional(conn)
            .await)?;
        let settings = row.map_or_else(Settings::default, |row| Settings {
            modelio_enabled: row.modelio_enabled,
            log_scrub: row.log_scrub,
            retention_days: row.retention_days.and_then(|days| u32::try_from(days).ok()),
        });
        self.settings.insert(organisation.clone(), settings);
        Ok(settings)
    }

    /// Changes the settings of the actor's organisation.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a retention of no days.
    pub async fn set_settings(&self, actor: &Actor, settings: Settings) -> Result<()> {
        if settings.retention_days == Some(0) {
            return Err(Error::invalid(
                &["body", "retention_days"],
                "greater_than_equal",
                "expected at least 1, or null to keep runs for ever",
            ));
        }
        with_writer!(self.db, |conn| sqlx::query(UPSERT)
            .bind(actor.organisation.as_str())
            .bind(settings.modelio_enabled)
            .bind(settings.log_scrub)
            .bind(settings.retention_days.map(i64::from))
            .execute(conn)
            .await
            .map(affected))?;
        self.settings.insert(actor.organisation.clone(), settings);
        Ok(())
    }
}
