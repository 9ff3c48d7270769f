//! Small copies of screenshots, made when they are first asked for.

use std::io::Cursor;

use bytes::Bytes;
use moka::sync::Cache;
use pentad_kernel::{Actor, OrganisationId, secret};
use tokio::sync::Semaphore;

use crate::bundle::{File, Media};
use crate::steps::Shot;
use crate::{Error, Result, Runs};

/// The widths in pixels that thumbnails come in: few, so that each is made once.
pub const THUMBNAIL_WIDTHS: [u32; 3] = [160, 320, 640];

/// Bytes of thumbnails that are remembered.
const REMEMBERED_BYTES: u64 = 64 << 20;
/// Images that are read at one time.
const AT_ONCE: usize = 2;
/// The most bytes that reading an image may take; screenshots are read row by row.
const DECODER_BYTES: usize = 64 << 20;

type Key = (OrganisationId, String, u32);

/// Thumbnails by the content they were made from.
#[derive(Debug)]
pub(crate) struct Thumbnails {
    made: Cache<Key, Option<Bytes>>,
    turns: Semaphore,
}

impl Default for Thumbnails {
    fn default() -> Self {
        let weight = |_: &Key, made: &Option<Bytes>| {
            let bytes = made.as_ref().map_or(0, Bytes::len);
            u32::try_from(bytes + 256).unwrap_or(u32::MAX)
        };
        Self {
            made: Cache::builder()
                .max_capacity(REMEMBERED_BYTES)
                .weigher(weight)
                .build(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl Runs {
    /// A copy of a screenshot that is at most `width` pixels wide, one of [`THUMBNAIL_WIDTHS`]. An image that
    /// is small already, or cannot be read, comes as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another width.
    pub async fn thumbnail(&self, actor: &Actor, shot: &Shot, width: u32) -> Result<File> {
        if !THUMBNAIL_WIDTHS.contains(&width) {
            return Err(Error::invalid(
                &["query", "w"],
                "enum",
                "expected one of 160, 320, 640",
            ));
        }
        let key = (actor.organisation.clone(), shot.sha256.clone(), width);
        let made = match self.thumbnails.made.get(&key) {
            Some(made) => made,
            None => {
                let turn = self.thumbnails.turns.acquire().await;
                let image = self.object(actor, &shot.sha256).await?;
                let made = tokio::task::spawn_blocking(move || shrink(&image, width))
                    .await
                    .unwrap_or_default()
                    .map(Bytes::from);
                drop(turn);
                self.thumbnails.made.insert(key, made.clone());
                made
            }
        };
        match made {
            Some(content) => Ok(File {
                sha256: Some(secret::sha256_hex(&content)),
                ..File::new(Media::Png, content)
            }),
            None => self.screenshot_file(actor, shot).await,
        }
    }
}

/// Sums of the pixels that fall into one row of the small image.
struct Row {
    sums: Vec<[u32; 4]>,
    rows: u32,
}

/// The image at `width` pixels, each the mean of those it stands for. It is read row by row, so that memory
/// does not grow with its height. `None` when it is not wider, or no image.
fn shrink(image: &[u8], width: u32) -> Option<Vec<u8>> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(image), png::Limits { bytes: DECODER_BYTES });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let (full_width, full_height) = reader.info().size();
    if full_width <= width || reader.info().interlaced {
        return None;
    }
    let scale = f64::from(full_width) / f64::from(width);
    let height = ((f64::from(full_height) / scale).round() as u32).max(1);
    let samples = reader.output_color_type().0.samples();
    let mut counts = vec![0_u32; width as usize];
    for x in 0..full_width {
        counts[place(x, full_width, width)] += 1;
    }
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 4);
    let mut sums = Row {
        sums: vec![[0; 4]; width as usize],
        rows: 0,
    };
    for y in 0..full_height {
        let row = reader.next_row().ok()??;
        for (x, pixel) in row.data().chunks_exact(samples).enumerate() {
            let sum = &mut sums.sums[place(u32::try_from(x).ok()?, full_width, width)];
            let [r, g, b, a] = match *pixel {
                [grey] => [grey, grey, grey, 255],
                [grey, alpha] => [grey, grey, grey, alpha],
                [r, g, b] => [r, g, b, 255],
                [r, g, b, a] => [r, g, b, a],
                _ => return None,
            };
            for (sum, sample) in sum.iter_mut().zip([r, g, b, a]) {
                *sum += u32::from(sample);
            }
        }
        sums.rows += 1;
        let last_of_its_row =
            y + 1 == full_height || place(y, full_height, height) != place(y + 1, full_height, height);
        if last_of_its_row {
            for (sum, count) in sums.sums.iter_mut().zip(&counts) {
                let of = (count * sums.rows).max(1);
                pixels.extend(sum.map(|sum| u8::try_from(sum / of).unwrap_or(u8::MAX)));
                *sum = [0; 4];
            }
            sums.rows = 0;
        }
    }
    encode(width, height, &pixels)
}

/// Where a pixel out of `from` goes among `to`.
fn place(at: u32, from: u32, to: u32) -> usize {
    usize::try_from(u64::from(at) * u64::from(to) / u64::from(from)).unwrap_or(0)
}

fn encode(width: u32, height: u32, pixels: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
        let pixels: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| pixel(x, y))
            .collect();
        encode(width, height, &pixels).unwrap()
    }

    fn read(image: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(Cursor::new(image)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn each_pixel_is_the_mean_of_those_it_stands_for() {
        let checked = image(640, 320, |x, y| {
            let bright = if (x + y) % 2 == 0 { 200 } else { 100 };
            [bright, 0, 255, 255]
        });
        let (width, height, pixels) = read(&shrink(&checked, 160).unwrap());
        assert_eq!((width, height), (160, 80));
        assert!(pixels.chunks(4).all(|pixel| pixel == [150, 0, 255, 255]));
    }

    #[test]
    fn odd_sizes_keep_their_shape() {
        for (width, height) in [(161, 1), (333, 777), (1_000, 3)] {
            let (small, tall, _) = read(&shrink(&image(width, height, |_, _| [9; 4]), 160).unwrap());
            let expected = (f64::from(height) * 160.0 / f64::from(width)).round().max(1.0);
            assert_eq!((small, f64::from(tall)), (160, expected));
        }
    }

    #[test]
    fn small_images_and_broken_ones_are_left_alone() {
        assert_eq!(shrink(&image(160, 90, |_, _| [0; 4]), 160), None);
        assert_eq!(shrink(b"\x89PNG\r\n\x1a\n", 160), None);
        let whole = image(320, 200, |x, y| [x as u8, y as u8, 0, 255]);
        for cut in [30, 60, whole.len() / 2] {
            assert_eq!(shrink(&whole[..cut], 160), None, "{cut}");
        }
    }
}
