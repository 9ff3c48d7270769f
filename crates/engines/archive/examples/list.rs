//! Lists what is in an archive that a stranger sent: `cargo run -p pentad-archive --example list -- FILE`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::fs::File;
use std::io::BufReader;

use pentad_archive::{Caps, Error, ZipReader, read_tar_gz};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("which archive?")?;
    let file = BufReader::new(File::open(&name)?);
    if name.ends_with(".zip") {
        let mut archive = ZipReader::open(file, Caps::default())?;
        archive.for_each(|path, content| {
            let bytes = std::io::copy(content, &mut std::io::sink())?;
            println!("{bytes:>12}  {path}");
            Ok::<_, Error>(())
        })?;
        for skipped in archive.skipped() {
            println!("{:>12}  {}", "left out", skipped.path());
        }
    } else {
        read_tar_gz(file, &Caps::default(), |member, content| {
            let bytes = std::io::copy(content, &mut std::io::sink())?;
            println!("{bytes:>12}  {}", member.path);
            Ok::<_, Error>(())
        })?;
    }
    Ok(())
}
