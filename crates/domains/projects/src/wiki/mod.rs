//! The wiki of a project: pages that people write and pages that compiling writes.

mod generated;
mod links;
mod page;
mod write;

pub(crate) use generated::GeneratedPage;
pub use generated::Regenerated;
pub use links::Backlink;
pub use page::{History, Page, PageSummary, PageView, Revision};
pub use write::PageWrite;
