//! Any `Content-Disposition` is read, and a name that is written as browsers write it comes out as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad_http_kit::FileName;

fuzz_target!(|input: (&[u8], &str)| {
    let (header, name) = input;
    FileName::parse(header);

    // What looks like one of the three codes in a name cannot be told from the code (WHATWG HTML, multipart/form-data).
    let name: String = ["%22", "%0D", "%0A", "%0d", "%0a"].iter().fold(name.to_owned(), |name, code| name.replace(code, ""));
    let written = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    if ["%22", "%0D", "%0A", "%0d", "%0a"].iter().any(|code| name.contains(code)) || written.ends_with('\\') {
        return;
    }
    let header = format!("form-data; name=\"files\"; filename=\"{written}\"");
    assert_eq!(FileName::parse(header.as_bytes()), FileName::Given(name));
});
