//! Files as the multipart form in which grep sessions take them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

const BOUNDARY: &str = "pentad-bench-boundary";

pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=pentad-bench-boundary";

/// The head of a file's part. Its bytes follow, then a line break.
fn part(name: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
}

fn end() -> String {
    format!("--{BOUNDARY}--\r\n")
}

/// A form of fields and of files in memory.
pub fn form(fields: &[(&str, &str)], files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        form.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    for (name, bytes) in files {
        form.extend(part(name).bytes());
        form.extend(bytes);
        form.extend(b"\r\n");
    }
    form.extend(end().bytes());
    form
}

/// A form of one file, under the name of its field.
pub fn file(field: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut form = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    form.extend(bytes);
    form.extend(b"\r\n");
    form.extend(end().bytes());
    form
}

/// A tree of files as a form that is never whole in memory.
pub struct Tree {
    files: Vec<(String, PathBuf, u64)>,
}

impl Tree {
    pub fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        let mut pending = vec![root.to_path_buf()];
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(&directory)
                .expect("a readable directory")
                .flatten()
            {
                let kind = entry.file_type().expect("a kind");
                if kind.is_dir() {
                    pending.push(entry.path());
                } else if kind.is_file() {
                    let path = entry.path();
                    let name = path
                        .strip_prefix(root)
                        .expect("below the root")
                        .display()
                        .to_string();
                    let length = entry.metadata().expect("metadata").len();
                    files.push((name, path, length));
                }
            }
        }
        Self { files }
    }

    /// Bytes of the whole form.
    pub fn length(&self) -> usize {
        let files: usize = self
            .files
            .iter()
            .map(|(name, _, length)| part(name).len() + *length as usize + 2)
            .sum();
        files + end().len()
    }

    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        for (name, path, length) in &self.files {
            let bytes = std::fs::read(path)?;
            assert_eq!(bytes.len() as u64, *length, "{name} changed meanwhile");
            to.write_all(part(name).as_bytes())?;
            to.write_all(&bytes)?;
            to.write_all(b"\r\n")?;
        }
        to.write_all(end().as_bytes())
    }
}
