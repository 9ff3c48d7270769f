//! What an archive may cost, and the counter that holds it to that.

use std::fmt;

/// Limits on one archive. Every one is counted while reading; no size that the archive states
/// about itself is believed.
///
/// ```
/// let caps = pentad_archive::Caps {
///     max_unpacked_bytes: 64 << 20,
///     ..pentad_archive::Caps::default()
/// };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Records in the archive of any kind: files, directories, links. Default 200 000.
    pub max_members: u64,
    /// Unpacked bytes of one file. Default 1 GiB.
    pub max_member_bytes: u64,
    /// Unpacked bytes of all files together; for tar, headers and padding count too.
    /// Default 4 GiB.
    pub max_unpacked_bytes: u64,
    /// Bytes of all names together, which is what an open archive costs in memory.
    /// Default 32 MiB.
    pub max_name_bytes: u64,
    /// For tar.gz: bytes unpacked for each byte packed. `None`, the default, for no such limit:
    /// 100:1 is ordinary for text, so zip archives are never held to it. Deflate cannot exceed
    /// 1032:1.
    pub max_ratio: Option<u64>,
    /// For tar.gz: the bytes that may be unpacked before the ratio is looked at, so that a small
    /// archive of zeros is not refused. Default 1 MiB.
    pub ratio_free_bytes: u64,
    /// For tar.gz: what the headers of a single member may take (a long name, a pax record),
    /// which is held in memory. Default 64 KiB.
    pub max_header_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            max_members: 200_000,
            max_member_bytes: 1 << 30,
            max_unpacked_bytes: 4 << 30,
            max_name_bytes: 32 << 20,
            max_ratio: None,
            ratio_free_bytes: 1 << 20,
            max_header_bytes: 64 << 10,
        }
    }
}

/// Which of the [`Caps`] an archive exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Caps::max_members`]
    Members,
    /// [`Caps::max_member_bytes`]
    MemberBytes,
    /// [`Caps::max_unpacked_bytes`]
    UnpackedBytes,
    /// [`Caps::max_name_bytes`]
    NameBytes,
    /// [`Caps::max_ratio`]
    Ratio,
    /// [`Caps::max_header_bytes`]
    HeaderBytes,
}

impl Limit {
    /// The name of the field of [`Caps`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Members => "max_members",
            Self::MemberBytes => "max_member_bytes",
            Self::UnpackedBytes => "max_unpacked_bytes",
            Self::NameBytes => "max_name_bytes",
            Self::Ratio => "max_ratio",
            Self::HeaderBytes => "max_header_bytes",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A limit and the value it was set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) limit: Limit,
    pub(crate) max: u64,
}

/// Counts members and the bytes of their names.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) members: u64,
    name_bytes: u64,
}

impl Census {
    pub(crate) fn count(&mut self, name_length: usize, caps: &Caps) -> Result<(), Exceeded> {
        self.members += 1;
        self.name_bytes += name_length as u64;
        if self.members > caps.max_members {
            return Err(Exceeded {
                limit: Limit::Members,
                max: caps.max_members,
            });
        }
        if self.name_bytes > caps.max_name_bytes {
            return Err(Exceeded {
                limit: Limit::NameBytes,
                max: caps.max_name_bytes,
            });
        }
        Ok(())
    }
}
