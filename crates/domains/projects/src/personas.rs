//! Personas: roles that agents take in a project.

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{Tx, affected, with_reader, with_tx, with_writer};

use crate::author::Author;
use crate::{At, Error, Level, Projects, Result, Texts, checked_line};

/// A role that agents take.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Persona {
    /// `per_` and 16 hex digits.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// Its name, unique in the project whatever its case.
    pub name: String,
    /// What it is for, in a few words.
    pub role: String,
    /// What an agent is told when it takes the role.
    pub content: String,
    /// What it is good at.
    pub specializations: Texts,
    /// Whether agents may take it.
    pub is_active: bool,
    /// Rises with every change.
    pub version: i64,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: At,
    /// When it was last changed.
    pub updated_at: At,
}

/// What a persona shall be.
#[derive(Clone, Debug, Default)]
pub struct NewPersona {
    /// 1 to 50 letters, digits, `_` and `-`.
    pub name: String,
    /// See [`Persona::role`]: 1 to 100 characters.
    pub role: String,
    /// See [`Persona::content`].
    pub content: String,
    /// See [`Persona::specializations`].
    pub specializations: Vec<String>,
}

/// What to change of a persona; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct PersonaChange {
    /// See [`Persona::role`].
    pub role: Option<String>,
    /// See [`Persona::content`].
    pub content: Option<String>,
    /// See [`Persona::specializations`].
    pub specializations: Option<Vec<String>>,
    /// See [`Persona::is_active`].
    pub is_active: Option<bool>,
}

macro_rules! columns {
    () => {
        "id, project_id, name, role, content, specializations, is_active, version, created_by, created_at, updated_at"
    };
}

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM personas WHERE project_id = $1 AND (is_active OR $2) ORDER BY folded_name"
);
const BY_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM personas WHERE project_id = $1 AND folded_name = $2 AND (is_active OR $3)"
);
const INSERT: &str = concat!(
    "INSERT INTO personas (id, project_id, name, folded_name, role, content, specializations, is_active,
                           version, created_by, actor_type, service_key_id, service_key_name, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, TRUE, 1, $8, $9, $10, $11, $12, $12) RETURNING ",
    columns!()
);
const UPDATE: &str = concat!(
    "UPDATE personas SET role = $2, content = $3, specializations = $4, is_active = $5, updated_at = $6,
        version = version + 1
     WHERE id = $1 AND version = $7 RETURNING ",
    columns!()
);
const OPEN_TICKETS: &str = "
    SELECT COUNT(*) FROM tickets WHERE project_id = $1 AND LOWER(assigned_to) = $2
    AND status NOT IN ('done', 'closed', 'cancelled')";
const ACTIVE_RUNS: &str = "
    SELECT COUNT(*) FROM agent_runs WHERE project_id = $1 AND LOWER(persona_name) = $2
    AND status IN ('queued', 'running')";
const DEACTIVATE: &str = "UPDATE personas SET is_active = FALSE, updated_at = $2, version = version + 1 WHERE id = $1 AND is_active";

const SPECIALIZATION_CHARACTERS: usize = 100;

impl Projects {
    /// The personas of a project, by name.
    ///
    /// # Errors
    /// As [`Projects::open_for`].
    pub async fn personas(&self, actor: &Actor, project: &str, with_inactive: bool) -> Result<Vec<Persona>> {
        self.open_for(actor, project, Level::Read, Feature::AgentPersonas)
            .await?;
        Ok(with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(project)
            .bind(with_inactive)
            .fetch_all(conn)
            .await)?)
    }

    /// An active persona, by its name in any case.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`].
    pub async fn persona(&self, actor: &Actor, project: &str, name: &str) -> Result<Persona> {
        self.open_for(actor, project, Level::Read, Feature::AgentPersonas)
            .await?;
        self.find_persona(project, name, false)
            .await?
            .ok_or(Error::NotFound { kind: "Persona" })
    }

    pub(crate) async fn find_persona(
        &self,
        project: &str,
        name: &str,
        with_inactive: bool,
    ) -> Result<Option<Persona>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(BY_NAME)
            .bind(project)
            .bind(name.to_lowercase())
            .bind(with_inactive)
            .fetch_optional(conn)
            .await)?)
    }

    /// The same inside a transaction, for an active persona.
    pub(crate) async fn find_persona_in(
        &self,
        tx: &mut Tx,
        project: &str,
        name: &str,
    ) -> Result<Option<Persona>> {
        Ok(with_tx!(*tx, |conn| sqlx::query_as(BY_NAME)
            .bind(project)
            .bind(name.to_lowercase())
            .bind(false)
            .fetch_optional(conn)
            .await)?)
    }

    /// The active persona that a request names in one of its fields.
    pub(crate) async fn require_persona(
        &self,
        project: &str,
        field: &'static str,
        name: &str,
    ) -> Result<Persona> {
        self.find_persona(project, name, false)
            .await?
            .ok_or_else(|| Error::field(field, format!("no active persona {name:?} in this project")))
    }

    /// Makes a persona.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::Field`]; [`Error::Taken`], also by one that was deleted.
    pub async fn create_persona(&self, actor: &Actor, project: &str, new: NewPersona) -> Result<Persona> {
        self.open_for(actor, project, Level::Edit, Feature::AgentPersonas)
            .await?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=50).contains(&new.name.len()) || !new.name.bytes().all(plain) {
            return Err(Error::field("name", "1 to 50 letters, digits, _ and -"));
        }
        let role = checked_line("role", &new.role, 100)?;
        self.checked_document("content", &new.content)?;
        check_specializations(&new.specializations)?;
        let author = Author::from(actor);
        if let Some(known) = self.find_persona(project, &new.name, true).await? {
            return Err(taken(&known));
        }
        with_writer!(self.db, |conn| sqlx::query_as(INSERT)
            .bind(id::prefixed("per_", 16))
            .bind(project)
            .bind(&new.name)
            .bind(new.name.to_lowercase())
            .bind(&role)
            .bind(&new.content)
            .bind(crate::Json(new.specializations.clone()))
            .bind(author.user)
            .bind(author.actor_type)
            .bind(author.service_key_id)
            .bind(author.service_key_name)
            .bind(self.now().as_micros())
            .fetch_one(conn)
            .await)
        .map_err(|error| {
            if error.is_duplicate() {
                Error::Taken(format!("a persona named {} was made at the same time", new.name))
            } else {
                error.into()
            }
        })
    }

    /// Changes a persona; its version rises when something is different then.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::Field`]; [`Error::WrongState`]
    /// when somebody else changes it at the same time.
    pub async fn change_persona(
        &self,
        actor: &Actor,
        project: &str,
        name: &str,
        change: PersonaChange,
    ) -> Result<Persona> {
        self.open_for(actor, project, Level::Edit, Feature::AgentPersonas)
            .await?;
        let known = self
            .find_persona(project, name, true)
            .await?
            .ok_or(Error::NotFound { kind: "Persona" })?;
        let mut next = known.clone();
        if let Some(role) = change.role {
            next.role = checked_line("role", &role, 100)?;
        }
        if let Some(content) = change.content {
            self.checked_document("content", &content)?;
            next.content = content;
        }
        if let Some(specializations) = change.specializations {
            check_specializations(&specializations)?;
            next.specializations.0 = specializations;
        }
        if let Some(is_active) = change.is_active {
            next.is_active = is_active;
        }
        if next == known {
            return Ok(known);
        }
        let updated: Option<Persona> = with_writer!(self.db, |conn| sqlx::query_as(UPDATE)
            .bind(&next.id)
            .bind(&next.role)
            .bind(&next.content)
            .bind(next.specializations.clone())
            .bind(next.is_active)
            .bind(self.now().as_micros())
            .bind(known.version)
            .fetch_optional(conn)
            .await)?;
        updated.ok_or_else(|| {
            Error::WrongState("the persona was changed at the same time: try again".to_owned())
        })
    }

    /// Deletes a persona: agents may not take it any more, and its name stays taken.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::WrongState`] while tickets, runs
    /// or handoffs name it, unless forced.
    pub async fn delete_persona(&self, actor: &Actor, project: &str, name: &str, force: bool) -> Result<()> {
        self.open_for(actor, project, Level::Edit, Feature::AgentPersonas)
            .await?;
        let persona = self
            .find_persona(project, name, false)
            .await?
            .ok_or(Error::NotFound { kind: "Persona" })?;
        if !force {
            let folded = persona.name.to_lowercase();
            let count = async |sql: &'static str| -> Result<i64> {
                Ok(with_reader!(self.db, |conn| sqlx::query_scalar(sql)
                    .bind(project)
                    .bind(&folded)
                    .fetch_one(conn)
                    .await)?)
            };
            let tickets = count(OPEN_TICKETS).await?;
            let runs = count(ACTIVE_RUNS).await?;
            let handoffs = self
                .sessions
                .pending_handoffs(project, &persona.name)
                .await
                .map_err(Error::Sessions)?;
            if tickets + runs + handoffs > 0 {
                return Err(Error::WrongState(format!(
                    "{tickets} open tickets, {runs} active runs and {handoffs} pending handoffs name the persona \
                     {}: finish them first, or force",
                    persona.name
                )));
            }
        }
        with_writer!(self.db, |conn| sqlx::query(DEACTIVATE)
            .bind(&persona.id)
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}

/// Why the name of a persona that exists, or was deleted, cannot be given again.
fn taken(known: &Persona) -> Error {
    let name = &known.name;
    Error::Taken(if known.is_active {
        format!("a persona named {name} exists already: names are case-insensitive")
    } else {
        format!("the persona {name} was soft-deleted and keeps its name: make it active again instead")
    })
}

fn check_specializations(list: &[String]) -> Result<()> {
    if list.len() > 50 {
        return Err(Error::field("specializations", "at most 50"));
    }
    for item in list {
        checked_line("specializations", item, SPECIALIZATION_CHARACTERS)?;
    }
    Ok(())
}
