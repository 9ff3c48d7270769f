//! What commands print.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};
use std::process;

/// Prints a line on standard output. The program ends when nobody reads any further, as `head` does not.
macro_rules! say {
    ($($line:tt)*) => {
        $crate::terminal::line(format_args!($($line)*))
    };
}

pub(crate) fn line(line: Arguments<'_>) {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            eprintln!("pentad: standard output cannot be written: {error}");
            process::exit(1);
        }
    }
}
