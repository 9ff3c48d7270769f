//! Any text is a query or a clear refusal, in every mode; and any path meets any glob.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad_grep_engine::{Case, Mode, PathFilter, QueryBuilder};

fuzz_target!(|input: (&str, &str, u8)| {
    let (pattern, path, choice) = input;
    let mode = [Mode::Plain, Mode::Regex, Mode::Fuzzy][usize::from(choice % 3)];
    let case = [Case::Default, Case::Insensitive, Case::Smart][usize::from(choice / 3 % 3)];
    let built = QueryBuilder::new(mode).pattern(pattern).case(case).word(choice > 127).build();
    if let Err(error) = built {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(filter) = PathFilter::new("", &[pattern.to_string()], &[]) {
        filter.allows(path);
    }
});
