//! Opaque page cursors.
//!
//! A cursor is the URL-safe base64 of the JSON of whatever the list needs to go on: clients hand it
//! back unread, and a list never trusts what is in it beyond its own scope.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The cursor for a position.
pub fn encode<T: Serialize>(position: &T) -> String {
    let json = serde_json::to_vec(position).expect("a position is plain data and always has a JSON form");
    URL_SAFE_NO_PAD.encode(json)
}

/// The position of a cursor, or `None` when it is not one that [`encode`] made for this type.
pub fn decode<T: DeserializeOwned>(cursor: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_back_its_position_and_junk_gives_none() {
        let cursor = encode(&(17_i64, "key"));
        assert_eq!(decode::<(i64, String)>(&cursor), Some((17, "key".to_owned())));
        assert_eq!(decode::<(i64, String)>("%%%"), None);
        assert_eq!(decode::<i64>(&cursor), None);
    }
}
