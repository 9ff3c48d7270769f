//! The shapes of requests and answers.

use pentad_kernel::Timestamp;
use pentad_storage::Metadata;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Done, example = json!({"success": true}))]
pub(crate) struct Done {
    pub(crate) success: bool,
}

impl Done {
    pub(crate) const YES: Self = Self { success: true };
}

/// A value to store.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::KvPut, example = json!({"value": "{\"theme\":\"dark\"}", "metadata": {"custom": "data"}}))]
pub(crate) struct KvPut {
    /// Up to 25 MiB.
    pub(crate) value: String,
    /// Facts about it, up to 1 KiB.
    #[schema(value_type = Option<Object>)]
    pub(crate) metadata: Option<Metadata>,
}

/// A stored value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::KvValue, example = json!({"value": "{\"theme\":\"dark\"}", "metadata": {"custom": "data"}}))]
pub(crate) struct KvValue {
    pub(crate) value: String,
    #[schema(value_type = Object)]
    pub(crate) metadata: Metadata,
}

/// A key in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::KvKey)]
pub(crate) struct KvKey {
    pub(crate) name: String,
    #[schema(value_type = Object)]
    pub(crate) metadata: Metadata,
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::KvKeys, example = json!({"keys": [{"name": "config", "metadata": {}}], "list_complete": true, "cursor": ""}))]
pub(crate) struct KvKeys {
    /// In the order of their bytes.
    pub(crate) keys: Vec<KvKey>,
    /// Whether this is the last page.
    pub(crate) list_complete: bool,
    /// For the next page; empty on the last one.
    pub(crate) cursor: String,
}

/// A statement and its parameters.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::SqlStatement, example = json!({"sql": "SELECT * FROM users WHERE id = ?", "params": [1]}))]
pub(crate) struct SqlStatement {
    /// One statement, up to 100,000 bytes.
    pub(crate) sql: String,
    /// Values for its `?`: null, numbers, texts, booleans (as 1 and 0), and bytes as arrays of numbers.
    #[schema(value_type = Option<Vec<Object>>)]
    pub(crate) params: Option<Vec<serde_json::Value>>,
}

/// An object to store.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = exec::R2Put, example = json!({"content": "aGVsbG8=", "metadata": {"type": "text/plain"}}))]
pub(crate) struct R2Put {
    /// The bytes in base64, up to 64 MiB of them.
    pub(crate) content: String,
    /// Facts about it, up to 8 KiB; they come back as `customMetadata`.
    #[schema(value_type = Option<Object>)]
    pub(crate) metadata: Option<Metadata>,
    /// How it is served: `contentType` and the like, up to 8 KiB.
    #[serde(rename = "httpMetadata")]
    #[schema(value_type = Option<Object>)]
    pub(crate) http_metadata: Option<Metadata>,
}

/// What was stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::R2Stored, example = json!({"success": true, "size": 5, "etag": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}))]
pub(crate) struct R2Stored {
    pub(crate) success: bool,
    /// Bytes.
    pub(crate) size: u64,
    /// The SHA-256 of the bytes, in hex.
    pub(crate) etag: String,
}

/// A stored object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::R2Object, example = json!({"content": "aGVsbG8=", "size": 5, "httpMetadata": {}, "customMetadata": {"type": "text/plain"}, "etag": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "uploaded": "2025-10-25T10:00:00Z"}))]
pub(crate) struct R2Object {
    /// The bytes in base64.
    pub(crate) content: String,
    /// How many.
    pub(crate) size: u64,
    #[serde(rename = "httpMetadata")]
    #[schema(value_type = Object)]
    pub(crate) http_metadata: Metadata,
    #[serde(rename = "customMetadata")]
    #[schema(value_type = Object)]
    pub(crate) custom_metadata: Metadata,
    /// The SHA-256 of the bytes, in hex.
    pub(crate) etag: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) uploaded: Timestamp,
}

/// An object in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::R2Key)]
pub(crate) struct R2Key {
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) uploaded: Timestamp,
}

/// A page of objects.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::R2Keys, example = json!({"objects": [{"key": "file.txt", "size": 1024, "uploaded": "2025-10-25T10:00:00Z"}], "truncated": false, "cursor": ""}))]
pub(crate) struct R2Keys {
    /// In the order of the bytes of their keys.
    pub(crate) objects: Vec<R2Key>,
    /// Whether there are more.
    pub(crate) truncated: bool,
    /// For the next page; empty on the last one.
    pub(crate) cursor: String,
}

/// A key, a table or an object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Resource)]
pub(crate) struct Resource {
    /// `kv`, `d1` or `r2`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    /// The key; of `d1` the name of a table.
    pub(crate) key: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
    /// Bytes.
    pub(crate) size: u64,
    #[schema(value_type = Object)]
    pub(crate) metadata: Metadata,
}

/// Some of what is stored, the last written first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::Resources, example = json!({"resources": [{"type": "kv", "namespace": "myapp", "key": "config", "created_at": "2025-10-25T10:00:00Z", "updated_at": "2025-10-25T11:00:00Z", "size": 45, "metadata": {}}], "total": 42, "offset": 0, "limit": 100, "has_more": false}))]
pub(crate) struct Resources {
    pub(crate) resources: Vec<Resource>,
    /// How many there are in all.
    pub(crate) total: u64,
    pub(crate) offset: u32,
    pub(crate) limit: u32,
    pub(crate) has_more: bool,
}

/// How many there are of each type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::ResourceCounts)]
pub(crate) struct ResourceCounts {
    pub(crate) kv: u64,
    pub(crate) d1: u64,
    pub(crate) r2: u64,
    /// Always 0.
    #[serde(rename = "do")]
    pub(crate) durable_objects: u64,
}

/// How much is stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = exec::ResourceStats, example = json!({"total": 42, "by_type": {"kv": 15, "d1": 3, "r2": 24, "do": 0}, "by_namespace": {"myapp": 42}, "total_size": 1_048_576}))]
pub(crate) struct ResourceStats {
    pub(crate) total: u64,
    pub(crate) by_type: ResourceCounts,
    #[schema(value_type = Object)]
    pub(crate) by_namespace: std::collections::BTreeMap<String, u64>,
    /// Bytes.
    pub(crate) total_size: u64,
}
