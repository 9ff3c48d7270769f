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
use pentad_storage::Limits;

pub use door::Door;

use d1::*;
use kv::*;
use r2::*;
use resources::*;

/// `era_storage.py`: storage for Python programs, by the standard library alone. It finds the storage by the
/// environment variable `ERA_STORAGE_URL`.
pub const PYTHON_MODULE: &str = include_str!("../sdk/era_storage.py");

/// `era_storage.js`: the same for Node.
pub const SCRIPT_MODULE: &str = include_str!("../sdk/era_storage.js");

/// `era_storage.js` for Deno, where it is an ES module.
pub const DENO_MODULE: &str = concat!(
    include_str!("../sdk/era_storage.js"),
    "\nexport const { KVStorage, D1Storage, R2Storage, StorageError } = globalThis;\n\
     export const kv = KVStorage, d1 = D1Storage, r2 = R2Storage;\n\
     export default { KVStorage, D1Storage, R2Storage, StorageError, kv, d1, r2 };\n"
);

/// Reads what is stored.
const READ: Access = Access::Exec(&[Scope::StorageRead]);
/// Changes it.
const WRITE: Access = Access::Exec(&[Scope::StorageWrite]);

/// What a body has beside what is stored: names, metadata, white space.
const BESIDE: usize = 1 << 20;

/// The operations of storage, within the default limits.
pub fn routes() -> SurfaceRoutes {
    routes_within(&Limits::default())
}

/// The operations of storage, which read no more of a body than these limits can need.
pub fn routes_within(limits: &Limits) -> SurfaceRoutes {
    SurfaceRoutes::new(Surface::Exec, [of_storage(limits), of_resources()].concat())
}

/// Those that programs in a sandbox may use.
fn of_storage(limits: &Limits) -> Vec<Endpoint> {
    // Of a text some characters are escaped, by a second one as a rule and by five at most.
    let value = limits.kv_value_bytes.saturating_mul(5) / 2 + limits.kv_metadata_bytes + BESIDE;
    let statement = 2 * (limits.d1_statement_bytes + limits.d1_value_bytes) + BESIDE;
    let object = usize::try_from(limits.r2_object_bytes).unwrap_or(usize::MAX);
    let object = (object / 3)
        .saturating_mul(4)
        .saturating_add(2 * limits.r2_metadata_bytes + BESIDE);
    vec![
        endpoint!(list_kv_keys, READ),
        endpoint!(get_kv_value, READ).tail(),
        endpoint!(put_kv_value, WRITE)
            .body_limit("kv_value_bytes", value)
            .tail(),
        endpoint!(delete_kv_key, WRITE).tail(),
        endpoint!(query_d1, READ).body_limit("d1_statement_bytes", statement),
        endpoint!(exec_d1, WRITE).body_limit("d1_statement_bytes", statement),
        endpoint!(list_r2_objects, READ),
        endpoint!(get_r2_object, READ).tail(),
        endpoint!(put_r2_object, WRITE)
            .body_limit("r2_object_bytes", object)
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
