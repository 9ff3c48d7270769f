//! Reading the tree.

use std::path::Path;

/// Path below the root and bytes of every regular file.
pub fn read(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("the folder can be read")
            .flatten()
        {
            let kind = entry.file_type().expect("the entry has a type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let below = path.strip_prefix(root).expect("it is below the root");
                if let Some(name) = below.to_str() {
                    files.push((
                        name.to_string(),
                        std::fs::read(&path).expect("the file can be read"),
                    ));
                }
            }
        }
    }
    files
}
