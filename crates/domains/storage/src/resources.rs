//! What an organisation stores, computed from the tables.

use std::collections::BTreeMap;

use pentad_kernel::{Actor, Timestamp};
use pentad_store::with_reader;

use crate::names::{Range, text};
use crate::r2::{Metadata, parse_metadata};
use crate::{Namespace, Result, Storage};

/// Everything of organisation $1.
macro_rules! everything {
    () => {
        "(SELECT 'kv' AS kind, namespace, key, created_at, updated_at, size, metadata
            FROM kv_entries WHERE organisation_id = $1
          UNION ALL
          SELECT 'r2' AS kind, namespace, key, created_at, uploaded_at AS updated_at, size,
                 custom_metadata AS metadata
            FROM r2_objects WHERE organisation_id = $1
          UNION ALL
          SELECT 'd1' AS kind, d.namespace, t.name AS key, t.created_at, d.updated_at, t.size, '{}' AS metadata
            FROM d1_databases AS d JOIN d1_tables AS t ON t.database_id = d.id WHERE d.organisation_id = $1
         ) AS resources"
    };
}

macro_rules! wanted {
    () => {
        " WHERE ($2 = '' OR kind = $2) AND ($3 = '' OR namespace = $3) AND key >= $4 AND key < $5"
    };
}

const LIST: &str = concat!(
    "SELECT kind, namespace, key, created_at, updated_at, size, metadata FROM ",
    everything!(),
    wanted!(),
    " ORDER BY updated_at DESC, kind, namespace, key LIMIT $6 OFFSET $7"
);
const COUNT: &str = concat!("SELECT COUNT(*) FROM ", everything!(), wanted!());
const STATISTICS: &str = concat!(
    "SELECT kind, namespace, COUNT(*), CAST(SUM(size) AS BIGINT) FROM ",
    everything!(),
    " GROUP BY kind, namespace"
);

/// The kinds of storage that seed 003 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A key with a value.
    Kv,
    /// A table of an SQL database.
    D1,
    /// An object.
    R2,
    /// A durable object, of which there are none.
    Do,
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kv, Self::D1, Self::R2, Self::Do];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::D1 => "d1",
            Self::R2 => "r2",
            Self::Do => "do",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which resources to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Of this kind.
    pub kind: Option<ResourceKind>,
    /// In this namespace.
    pub namespace: Option<Namespace>,
    /// Whose key begins so.
    pub key_prefix: String,
}

/// One key, table or object.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Where it is.
    pub namespace: String,
    /// Its key; of a table its name.
    pub key: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written; of a table, when something in its database was.
    pub updated_at: Timestamp,
    /// Bytes; of a table the pages that it and its indexes take, to a tenth.
    pub size: u64,
    /// Facts about it.
    pub metadata: Metadata,
}

/// Some resources, the last written first.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourcePage {
    /// The resources.
    pub resources: Vec<Resource>,
    /// How many the filter lets through in all.
    pub total: u64,
}

/// How much an organisation stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many there are of each kind; a kind that is not here has none.
    pub by_kind: BTreeMap<ResourceKind, u64>,
    /// How many there are in each namespace.
    pub by_namespace: BTreeMap<String, u64>,
    /// How many there are.
    pub total: u64,
    /// Their bytes.
    pub total_size: u64,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    namespace: String,
    key: Vec<u8>,
    created_at: i64,
    updated_at: i64,
    size: i64,
    metadata: String,
}

fn kind(name: &str) -> Result<ResourceKind> {
    ResourceKind::of_name(name).ok_or(crate::Error::Damaged("a kind of resource"))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Storage {
    /// Lists resources, the last written first.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn resources(
        &self,
        actor: &Actor,
        filter: &ResourceFilter,
        limit: u32,
        offset: u32,
    ) -> Result<ResourcePage> {
        let kind_name = filter.kind.map_or("", ResourceKind::name);
        let namespace = filter.namespace.as_ref().map_or("", Namespace::as_str);
        let Range { from, to } = Range::of_prefix(&filter.key_prefix);
        let rows: Vec<Row> = with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(actor.organisation.as_str())
            .bind(kind_name)
            .bind(namespace)
            .bind(&from)
            .bind(&to)
            .bind(i64::from(limit))
            .bind(i64::from(offset))
            .fetch_all(conn)
            .await)?;
        let total: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(COUNT)
            .bind(actor.organisation.as_str())
            .bind(kind_name)
            .bind(namespace)
            .bind(&from)
            .bind(&to)
            .fetch_one(conn)
            .await)?;
        let resources = rows
            .into_iter()
            .map(|row| {
                Ok(Resource {
                    kind: kind(&row.kind)?,
                    namespace: row.namespace,
                    key: text(row.key)?,
                    created_at: Timestamp::from_micros(row.created_at),
                    updated_at: Timestamp::from_micros(row.updated_at),
                    size: unsigned(row.size),
                    metadata: parse_metadata(&row.metadata)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(ResourcePage {
            resources,
            total: unsigned(total),
        })
    }

    /// Counts everything that the organisation stores.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn statistics(&self, actor: &Actor) -> Result<Statistics> {
        let rows: Vec<(String, String, i64, i64)> = with_reader!(self.db, |conn| sqlx::query_as(STATISTICS)
            .bind(actor.organisation.as_str())
            .fetch_all(conn)
            .await)?;
        let mut statistics = Statistics::default();
        for (name, namespace, count, size) in rows {
            let count = unsigned(count);
            *statistics.by_kind.entry(kind(&name)?).or_default() += count;
            *statistics.by_namespace.entry(namespace).or_default() += count;
            statistics.total += count;
            statistics.total_size += unsigned(size);
        }
        Ok(statistics)
    }
}
