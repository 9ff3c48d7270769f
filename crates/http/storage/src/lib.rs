//! Key-value pairs, SQL databases, objects and what there is of them, as seed 003 documents it.
//!
//! One file a resource: `kv`, `d1`, `r2`, `resources`. The gateway mounts the endpoints and puts one
//! [`Storage`](pentad_storage::Storage) beside them:
//!
//! ```
//! let paths: Vec<String> = pentad_http_storage::routes()
//!     .endpoints()
//!     .iter()
//!     .map(|endpoint| endpoint.path().to_owned())
//!     .collect();
//! assert!(paths.contains(&"/api/storage/d1/{namespace}/query".to_owned()));
//! ```
//!
//! Programs in a sandbox reach the same operations through a [`Door`], which asks for no key: whoever made the
//! connection is known. [`PYTHON_MODULE`] and [`SCRIPT_MODULE`] are what they import to do so.

mod d1;
mod door;
mod kv;
mod place;
mod r2;
mod resources;
mod wire;

use pentad_http_kit::{Access, Endpoint, Surface, SurfaceRoutes, endpoint};
use pentad_kernel::Scope;

pub use door::Door;

use d1::*;
use kv::*;
use r2::*;
use resources::*;

/// `era_storage.py`: storage for Python programs, by the standard library alone. It finds the storage by the
/// environment variable `ERA_STORAGE_URL`.
pub const PYTHON_MODULE: &str = include_str!("../sdk/era_storage.py");

/// `era_storage.js`: the same for Node and Deno.
pub const SCRIPT_MODULE: &str = include_str!("../sdk/era_storage.js");

/// Reads what is stored.
const READ: Access = Access::Exec(&[Scope::StorageRead]);
/// Changes it.
const WRITE: Access = Access::Exec(&[Scope::StorageWrite]);

/// Bytes of a body with a value of 25 MiB, some of whose characters are escaped.
const VALUE_BODY: usize = 64 << 20;
/// Bytes of a body with a statement and a parameter of 4 MiB.
const STATEMENT_BODY: usize = 8 << 20;
/// Bytes of a body with an object of 64 MiB in base64.
const OBJECT_BODY: usize = (64 << 20) / 3 * 4 + (1 << 20);

/// The operations of storage.
pub fn routes() -> SurfaceRoutes {
    SurfaceRoutes::new(Surface::Exec, [of_storage(), of_resources()].concat())
}

/// Those that programs in a sandbox may use.
fn of_storage() -> Vec<Endpoint> {
    vec![
        endpoint!(list_kv_keys, READ),
        endpoint!(get_kv_value, READ).tail(),
        endpoint!(put_kv_value, WRITE)
            .body_limit("kv_value_bytes", VALUE_BODY)
            .tail(),
        endpoint!(delete_kv_key, WRITE).tail(),
        endpoint!(query_d1, READ).body_limit("d1_statement_bytes", STATEMENT_BODY),
        endpoint!(exec_d1, WRITE).body_limit("d1_statement_bytes", STATEMENT_BODY),
        endpoint!(list_r2_objects, READ),
        endpoint!(get_r2_object, READ).tail(),
        endpoint!(put_r2_object, WRITE)
            .body_limit("r2_object_bytes", OBJECT_BODY)
            .tail(),
        endpoint!(delete_r2_object, WRITE).tail(),
    ]
}

fn of_resources() -> Vec<Endpoint> {
    vec![
        endpoint!(list_resources, READ),
        endpoint!(get_resource_stats, READ),
    ]
}
