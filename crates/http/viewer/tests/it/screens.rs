//! Screenshots of a page that does not exist, for agents that do not exist.

/// What the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Form { filled: u32 },
    Welcome,
}

const WIDTH: u32 = 640;
const HEIGHT: u32 = 400;

/// The screen as a PNG of 640 by 400 pixels.
pub(crate) fn picture(screen: Screen) -> Vec<u8> {
    let mut pixels = vec![245_u8; (WIDTH * HEIGHT * 3) as usize];
    let mut fill = |(x, y): (u32, u32), (width, height): (u32, u32), colour: [u8; 3]| {
        for row in y..y + height {
            for column in x..x + width {
                let at = ((row * WIDTH + column) * 3) as usize;
                pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    };
    fill((0, 0), (WIDTH, 44), [52, 66, 120]);
    fill((16, 14), (90, 16), [200, 208, 240]);
    match screen {
        Screen::Form { filled } => {
            fill((180, 90), (280, 250), [255, 255, 255]);
            fill((200, 110), (140, 18), [40, 44, 60]);
            for field in 0..2 {
                let top = 150 + field * 60;
                fill((200, top), (240, 34), [215, 219, 230]);
                fill((202, top + 2), (236, 30), [255, 255, 255]);
                if field < filled {
                    fill((210, top + 12), (130, 10), [70, 76, 96]);
                }
            }
            fill((200, 285), (240, 36), [46, 125, 90]);
            fill((285, 298), (70, 10), [230, 250, 240]);
        }
        Screen::Welcome => {
            fill((40, 80), (560, 60), [222, 240, 228]);
            fill((60, 102), (260, 16), [40, 96, 66]);
            for card in 0..3 {
                fill((40 + card * 190, 170), (170, 180), [255, 255, 255]);
                fill((56 + card * 190, 190), (120, 14), [90, 98, 120]);
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}
