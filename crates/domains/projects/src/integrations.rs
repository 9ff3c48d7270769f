//! A person's settings for GitHub and GitLab.

use pentad_kernel::{Actor, secret};
use pentad_store::{affected, with_reader, with_writer};

use crate::{Error, Projects, Result, checked_optional};

/// What comments on pull requests say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct GithubSettings {
    /// Whether they are written at all.
    pub auto_comment: bool,
    /// Whether they show how far a session can be trusted.
    pub include_trust_score: bool,
    /// Whether they link to sessions.
    pub include_session_links: bool,
}

impl Default for GithubSettings {
    fn default() -> Self {
        Self {
            auto_comment: true,
            include_trust_score: true,
            include_session_links: true,
        }
    }
}

/// Settings to change; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct GithubChange {
    /// See [`GithubSettings::auto_comment`].
    pub auto_comment: Option<bool>,
    /// See [`GithubSettings::include_trust_score`].
    pub include_trust_score: Option<bool>,
    /// See [`GithubSettings::include_session_links`].
    pub include_session_links: Option<bool>,
}

/// A person's GitLab, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitlabSettings {
    /// Where it is.
    pub instance_url: String,
    /// Whether an access token was given.
    pub has_token: bool,
    /// Whether there is a secret for webhooks.
    pub has_webhook_secret: bool,
    /// The secret, in the answer to the call that made it.
    pub new_webhook_secret: Option<String>,
}

/// What to keep of a person's GitLab.
#[derive(Clone, Debug)]
pub struct GitlabChange {
    /// Where it is: an `https` address without path.
    pub instance_url: String,
    /// An access token.
    pub access_token: String,
    /// A secret for webhooks; `None` for a new one.
    pub webhook_secret: Option<String>,
}

const GITLAB: &str = "https://gitlab.com";

const GITHUB_OF: &str = "
    SELECT auto_comment, include_trust_score, include_session_links FROM github_settings WHERE user_id = $1";
const SET_GITHUB: &str = "
    INSERT INTO github_settings (user_id, auto_comment, include_trust_score, include_session_links)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (user_id) DO UPDATE SET auto_comment = excluded.auto_comment,
        include_trust_score = excluded.include_trust_score,
        include_session_links = excluded.include_session_links";
const GITLAB_OF: &str = "SELECT instance_url, webhook_secret_hash FROM gitlab_settings WHERE user_id = $1";
const SET_GITLAB: &str = "
    INSERT INTO gitlab_settings (user_id, instance_url, access_token_hash, webhook_secret_hash)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (user_id) DO UPDATE SET instance_url = excluded.instance_url,
        access_token_hash = excluded.access_token_hash, webhook_secret_hash = excluded.webhook_secret_hash";
const DELETE_GITLAB: &str = "DELETE FROM gitlab_settings WHERE user_id = $1";

impl Projects {
    /// What comments on the actor's pull requests say.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn github_settings(&self, actor: &Actor) -> Result<GithubSettings> {
        let settings: Option<GithubSettings> = with_reader!(self.db, |conn| sqlx::query_as(GITHUB_OF)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        Ok(settings.unwrap_or_default())
    }

    /// Changes what comments on the actor's pull requests say.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_github_settings(
        &self,
        actor: &Actor,
        change: GithubChange,
    ) -> Result<GithubSettings> {
        let known = self.github_settings(actor).await?;
        let next = GithubSettings {
            auto_comment: change.auto_comment.unwrap_or(known.auto_comment),
            include_trust_score: change.include_trust_score.unwrap_or(known.include_trust_score),
            include_session_links: change
                .include_session_links
                .unwrap_or(known.include_session_links),
        };
        with_writer!(self.db, |conn| sqlx::query(SET_GITHUB)
            .bind(actor.user.as_str())
            .bind(next.auto_comment)
            .bind(next.include_trust_score)
            .bind(next.include_session_links)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(next)
    }

    /// The actor's GitLab.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gitlab_settings(&self, actor: &Actor) -> Result<GitlabSettings> {
        let row: Option<(String, Option<String>)> = with_reader!(self.db, |conn| sqlx::query_as(GITLAB_OF)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        Ok(GitlabSettings {
            has_token: row.is_some(),
            has_webhook_secret: row.as_ref().is_some_and(|(_, secret)| secret.is_some()),
            instance_url: row.map_or_else(|| GITLAB.to_owned(), |(url, _)| url),
            new_webhook_secret: None,
        })
    }

    /// Keeps where the actor's GitLab is, and digests of its token and of the webhook secret.
    ///
    /// # Errors
    /// [`Error::GitlabUrl`], [`Error::Field`].
    pub async fn change_gitlab_settings(
        &self,
        actor: &Actor,
        change: GitlabChange,
    ) -> Result<GitlabSettings> {
        let instance_url = checked_instance(&change.instance_url)?;
        checked_optional("access_token", Some(&change.access_token), 500)?;
        checked_optional("webhook_secret", change.webhook_secret.as_deref(), 500)?;
        if change.access_token.trim().is_empty() {
            return Err(Error::field("access_token", "must not be empty"));
        }
        let given = change.webhook_secret.filter(|secret| !secret.is_empty());
        let made = given.is_none().then(|| secret::random_url_safe(32));
        let webhook_secret = made.clone().or(given).unwrap_or_default();
        with_writer!(self.db, |conn| sqlx::query(SET_GITLAB)
            .bind(actor.user.as_str())
            .bind(&instance_url)
            .bind(secret::sha256_hex(&change.access_token))
            .bind(secret::sha256_hex(&webhook_secret))
            .execute(conn)
            .await
            .map(affected))?;
        Ok(GitlabSettings {
            instance_url,
            has_token: true,
            has_webhook_secret: true,
            new_webhook_secret: made,
        })
    }

    /// Forgets the actor's GitLab.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_gitlab(&self, actor: &Actor) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(DELETE_GITLAB)
            .bind(actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}

fn checked_instance(url: &str) -> Result<String> {
    let url = url.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").unwrap_or_default();
    let fits = !host.is_empty()
        && host.len() <= 255
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    if fits {
        Ok(url.to_owned())
    } else {
        Err(Error::GitlabUrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_an_https_address_without_path_or_user() {
        assert_eq!(
            checked_instance("https://gitlab.example/").unwrap(),
            "https://gitlab.example"
        );
        for wrong in [
            "",
            "http://gitlab.example",
            "https://",
            "https://user@host",
            "https://host/path",
            "ftp://x",
        ] {
            assert!(checked_instance(wrong).is_err(), "{wrong}");
        }
    }
}
