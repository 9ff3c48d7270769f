//! What platform administrators decide about accounts.

use pentad_kernel::Actor;
use pentad_store::{Tx, affected, with_reader, with_tx};
use serde_json::Value;

use crate::users::UserRow;
use crate::verification::SET_VERIFIED;
use crate::{Identity, PlanName, Result, User};

/// Which users are wanted, and which page of them.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// Part of the address, in any case.
    pub search: Option<String>,
    /// The name of a plan, or `admin` for platform administrators.
    pub tier: Option<String>,
    /// How many to leave out.
    pub offset: i64,
    /// How many at most.
    pub limit: i64,
}

/// Users of a page.
#[derive(Clone, Debug)]
pub struct UserPage {
    /// The users with the plans of their own organisations, the newest first.
    pub users: Vec<(User, PlanName)>,
    /// How many there are on all pages.
    pub total: i64,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    user: UserRow,
    plan: String,
}

macro_rules! wanted {
    ($what:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $what,
            // Both engines know REPLACE, which changes what contains the text.
            " FROM users JOIN organisations ON organisations.id = home_organisation_id
             WHERE (CAST($1 AS TEXT) IS NULL OR REPLACE(email, $1, '') <> email)
               AND (CAST($2 AS TEXT) IS NULL OR CASE WHEN is_admin THEN 'admin' ELSE plan END = $2) ",
            $rest
        )
    };
}

const COUNT: &str = wanted!("COUNT(*)", "");
const LIST: &str = wanted!(
    "users.id, email, display_name, password_hash, is_admin, is_active, email_verified, home_organisation_id,
     users.created_at, plan",
    "ORDER BY users.created_at DESC, users.id LIMIT $3 OFFSET $4"
);
const DEACTIVATE: &str = "UPDATE users SET is_active = FALSE WHERE id = $1";
/// Not service keys, which are an organisation's: they rest while their maker's account is closed.
const DELETE_KEYS: &str = "
    UPDATE api_keys SET deleted_at = $2
    WHERE user_id = $1 AND family <> 'service' AND deleted_at IS NULL AND revoked_at IS NULL";

impl Identity {
    /// The users that the query wants.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users(&self, query: &UserQuery) -> Result<UserPage> {
        let search = query.search.as_deref().map(|search| search.trim().to_lowercase());
        let search = search.filter(|search| !search.is_empty());
        let total: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(COUNT)
            .bind(&search)
            .bind(&query.tier)
            .fetch_one(conn)
            .await)?;
        let rows: Vec<ListedRow> = with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(&search)
            .bind(&query.tier)
            .bind(query.limit)
            .bind(query.offset)
            .fetch_all(conn)
            .await)?;
        let users = rows.into_iter().map(|row| {
            let plan = PlanName::parse(&row.plan).unwrap_or(PlanName::Free);
            (row.user.into(), plan)
        });
        Ok(UserPage {
            users: users.collect(),
            total,
        })
    }

    /// Takes the user's address for proven on an administrator's word.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vouch_for(&self, actor: &Actor, user: &User) -> Result<()> {
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(SET_VERIFIED)
            .bind(user.id.as_str())
            .bind(true)
            .execute(conn)
            .await
            .map(affected))?;
        self.note(tx, actor, user, "verify_email").await
    }

    /// Closes the account: the user's keys are gone and no other credential works; what the user has stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deactivate(&self, actor: &Actor, user: &User) -> Result<()> {
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(DEACTIVATE)
            .bind(user.id.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(tx, |conn| sqlx::query(DELETE_KEYS)
            .bind(user.id.as_str())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        self.note(tx, actor, user, "deactivate_user").await
    }

    async fn note(&self, mut tx: Tx, actor: &Actor, user: &User, action: &'static str) -> Result<()> {
        self.audit(&mut tx, actor, action, user.id.as_str(), &Value::Null)
            .await?;
        self.commit_credentials(tx).await
    }
}
