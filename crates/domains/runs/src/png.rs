//! Screenshots: PNG images that are taken as they are, after a look at their head.

use bytes::Bytes;
use pentad_kernel::secret;

use crate::{Error, Limits, Result};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Bytes that begin as a PNG image does (PNG specification, sections 5.2 and 11.2.2).
#[derive(Clone, Debug)]
pub struct Png {
    bytes: Bytes,
    sha256: String,
    width: u32,
    height: u32,
}

impl Png {
    /// Looks at the head of an image.
    ///
    /// # Errors
    /// [`Error::NotPng`] for anything else, [`Error::TooLarge`] and [`Error::Invalid`] beyond the limits.
    pub fn new(bytes: Bytes, limits: &Limits) -> Result<Self> {
        if bytes.len() > limits.screenshot_bytes {
            return Err(Error::TooLarge {
                what: "the screenshot",
                limit: limits.screenshot_bytes,
                name: "screenshot_bytes",
            });
        }
        if !bytes.starts_with(SIGNATURE) {
            return Err(Error::NotPng("the PNG signature is missing"));
        }
        // Length 13, IHDR, width, height.
        if bytes.get(8..16) != Some(b"\0\0\0\x0dIHDR") || bytes.len() < 33 {
            return Err(Error::NotPng("the image header is missing"));
        }
        let number = |at: usize| {
            let mut digits = [0; 4];
            digits.copy_from_slice(&bytes[at..at + 4]);
            u32::from_be_bytes(digits)
        };
        let (width, height) = (number(16), number(20));
        let side = 1..=limits.screenshot_side;
        if !side.contains(&width) || !side.contains(&height) {
            return Err(Error::invalid(
                &["body", "image"],
                "value_error",
                format!(
                    "an image of {width}x{height} pixels; each side has 1 to {} (limit screenshot_side)",
                    limits.screenshot_side
                ),
            ));
        }
        Ok(Self {
            sha256: secret::sha256_hex(&bytes),
            bytes,
            width,
            height,
        })
    }

    /// The image.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The image.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The SHA-256 of the image in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Pixels from left to right.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    pub const fn height(&self) -> u32 {
        self.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(width: u32, height: u32) -> Bytes {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend(b"\0\0\0\x0dIHDR");
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes.into()
    }

    #[test]
    fn the_size_is_read_from_the_header() {
        let image = Png::new(head(640, 480), &Limits::default()).unwrap();
        assert_eq!((image.width(), image.height()), (640, 480));
    }

    #[test]
    fn what_is_no_image_or_too_large_is_refused() {
        let limits = Limits::default();
        for wrong in [&b""[..], b"GIF89a", SIGNATURE, b"\xff\xd8\xff\xe0"] {
            let outcome = Png::new(Bytes::copy_from_slice(wrong), &limits);
            assert!(matches!(outcome, Err(Error::NotPng(_))), "{wrong:?}");
        }
        for (width, height) in [(0, 1), (1, 20_000)] {
            let outcome = Png::new(head(width, height), &limits);
            assert!(matches!(outcome, Err(Error::Invalid(_))), "{width}x{height}");
        }
    }
}
