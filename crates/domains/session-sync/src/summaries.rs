//! The summary of a session: its facts, with what its row says.

use pentad_identity::{Caller, Feature};
use pentad_kernel::Timestamp;
use pentad_store::{affected, with_reader, with_writer};

use crate::message::Message;
use crate::summary::Gatherer;
use crate::{Error, Facts, Narrative, Result, Session, SessionSync, require_feature};

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The session.
    pub session: Session,
    /// What its messages say.
    pub facts: Facts,
    /// What a language model told of it, if one was asked since the last push.
    pub narrative: Option<Narrative>,
    /// When the facts were found out.
    pub generated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    summary: String,
    summarised_at: i64,
    narrative: Option<String>,
}

const SUMMARY: &str = "SELECT summary, summarised_at, narrative FROM sync_contents WHERE session_id = $1";
const PUT: &str = "
    UPDATE sync_contents SET summary = $3, summarised_at = $4 WHERE session_id = $1 AND archive_object = $2";

impl SessionSync {
    /// The session with this identifier, for operations that take no alias.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn session_by_id(&self, caller: &Caller, id: &str) -> Result<Session> {
        let session = self.any_session(id).await?;
        session
            .filter(|session| session.user == caller.actor.user && session.deleted_at.is_none())
            .ok_or(Error::SessionNotFound)
    }

    /// What happened in the session, as it was found out when it was pushed.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::NoMessages`].
    pub async fn summary(&self, caller: &Caller, id: &str) -> Result<Summary> {
        let session = self.session_by_id(caller, id).await?;
        self.summary_of(session).await
    }

    pub(crate) async fn summary_of(&self, session: Session) -> Result<Summary> {
        let row: Option<SummaryRow> = with_reader!(self.db, |conn| sqlx::query_as(SUMMARY)
            .bind(&session.id)
            .fetch_optional(conn)
            .await)?;
        let row = row.ok_or(Error::SessionNotFound)?;
        let facts: Facts = serde_json::from_str(&row.summary).unwrap_or_default();
        if facts.message_count == 0 {
            return Err(Error::NoMessages);
        }
        Ok(Summary {
            session,
            facts,
            narrative: row.narrative.and_then(|text| serde_json::from_str(&text).ok()),
            generated_at: Timestamp::from_micros(row.summarised_at),
        })
    }

    /// Reads the messages of the session again and sums them up.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`], [`Error::SessionNotFound`], [`Error::NoMessages`].
    pub async fn summarise(&self, caller: &Caller, id: &str) -> Result<Summary> {
        require_feature(caller, Feature::SummaryDeterministic)?;
        let session = self.session_by_id(caller, id).await?;
        let narrative = match self.summary_of(session.clone()).await {
            Ok(summary) => summary.narrative,
            Err(Error::NoMessages) => None,
            Err(error) => return Err(error),
        };
        let messages = self.session_messages(&session.id).await?;
        let mut gatherer = Gatherer::default();
        for frame in &messages.frames {
            for (_, line) in messages.lines(frame).await? {
                if let Some(message) = Message::parse(&line) {
                    gatherer.message(&message);
                }
            }
        }
        let (facts, _) = gatherer.finish();
        if facts.message_count == 0 {
            return Err(Error::NoMessages);
        }
        let generated_at = self.clock.now();
        let text = serde_json::to_string(&facts).expect("plain data has a JSON form");
        with_writer!(self.db, |conn| sqlx::query(PUT)
            .bind(&session.id)
            .bind(&session.etag)
            .bind(text)
            .bind(generated_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(Summary {
            session,
            facts,
            narrative,
            generated_at,
        })
    }
}
