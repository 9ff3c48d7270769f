//! From bytes of a pipe to text: captured with a cap, and cut into pieces for a live reader.

mod capture;
mod pieces;

pub(crate) use capture::Capture;
pub(crate) use pieces::Pieces;
