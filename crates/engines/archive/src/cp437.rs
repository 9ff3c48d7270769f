//! Names of zip entries without the UTF-8 flag are in the code page of the IBM PC
//! (APPNOTE.TXT, appendix D).

/// The characters of bytes 0x80 to 0xFF.
const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                     └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

pub(crate) fn decode(bytes: &[u8]) -> String {
    if bytes.is_ascii() {
        return bytes.iter().copied().map(char::from).collect();
    }
    let upper: Vec<char> = UPPER.chars().collect();
    bytes
        .iter()
        .map(|&byte| {
            if byte < 0x80 {
                char::from(byte)
            } else {
                upper[usize::from(byte) - 0x80]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let all: Vec<u8> = (0..=255).collect();
        let text = decode(&all);
        assert_eq!(text.chars().count(), 256);
        assert_eq!(text.chars().collect::<std::collections::BTreeSet<_>>().len(), 256);
        assert!(text.starts_with(&all[..128].iter().copied().map(char::from).collect::<String>()));
    }

    #[test]
    fn landmarks_of_the_code_page() {
        assert_eq!(decode(b"M\x81ller.txt"), "Müller.txt");
        assert_eq!(
            decode(&[0x80, 0x9c, 0xb3, 0xdb, 0xe1, 0xf1, 0xff]),
            "Ç£│█ß±\u{a0}"
        );
    }
}
