//! Screens without glass: what a VNC server shows, and what a VNC viewer draws on an X server of its own.

use super::child::{Running, Signal, wait};
use super::disagreement::{Disagreement, same};
use super::ports::{LOOPBACK, Seat};
use super::stage::Stage;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// For starting an X server, or drawing a window, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// The shared desktop, in pixels.
const DESKTOP: &str = "320x240";
/// The screen on which a viewer shows it, larger so that the whole window fits.
const SCREEN: &str = "400x300x24";
/// Where the viewer's window is in any case, whatever its frame; below the hint that it shows at first.
const INSIDE: [std::ops::Range<usize>; 2] = [20..300, 130..230];

/// A tile that is like no other when it is turned, mirrored or moved; the lowest bit is the left one, as XBM has it.
const TILE: [u16; 16] = [
    0xFFFF, 0x0001, 0x0001, 0x007D, 0x0005, 0x001D, 0x0005, 0x0005, 0x7001, 0x7001, 0x0001, 0x0001, 0x0001,
    0x0001, 0x0001, 0x000F,
];

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// The two colours that a desktop is painted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint {
    pub(super) ink: Colour,
    pub(super) paper: Colour,
}

/// An X server that shows its screen over VNC.
pub(super) struct SharedDesktop {
    _server: Running,
    display: String,
    port: u16,
}

impl SharedDesktop {
    pub(super) fn start(stage: &Stage<'_>) -> Result<Self, Disagreement> {
        // No SIP is there: the capture leaves it out.
        let port = stage.ports().control(Seat::Third);
        let mut command = Command::new("Xvnc");
        command
            .args(["-displayfd", "1", "-localhost", "-SecurityTypes", "None"])
            .args(["-geometry", DESKTOP, "-depth", "24", "-nolisten", "tcp"])
            .args(["-rfbport", &port.to_string()]);
        let (server, display) = start_display(stage, "xvnc", &mut command)?;
        Ok(Self {
            _server: server,
            display,
            port,
        })
    }

    pub(super) fn vnc_address(&self) -> String {
        format!("{LOOPBACK}:{}", self.port)
    }

    /// Paints all of it.
    pub(super) fn paint(&self, stage: &Stage<'_>, paint: Paint) -> Result<(), Disagreement> {
        let bitmap = stage.file("tile.xbm");
        let bytes: Vec<_> = TILE.iter().flat_map(|row| row.to_le_bytes()).collect();
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
        let text = format!(
            "#define tile_width 16\n#define tile_height 16\nstatic unsigned char tile_bits[] = {{\n{}}};\n",
            bytes.join(", ")
        );
        std::fs::write(&bitmap, text).map_err(|cause| Disagreement::file(&bitmap, cause))?;
        let name = |[red, green, blue]: Colour| format!("#{red:02x}{green:02x}{blue:02x}");
        let mut command = Command::new("xsetroot");
        command
            .args(["-display", &self.display, "-bitmap"])
            .arg(&bitmap)
            .args(["-fg", &name(paint.ink), "-bg", &name(paint.paper)]);
        let mut painter = Running::start(stage, "xsetroot", &mut command)?;
        let code = painter.end(stage, PATIENCE)?;
        same("exit code of xsetroot", &code, &Some(0))
    }
}

/// An X server of its own with the VNC viewer on it.
pub(super) struct Viewer {
    window: Running,
    _screen: Running,
    picture: PathBuf,
}

impl Viewer {
    /// Shows the desktop that is served at an address.
    pub(super) fn start(stage: &Stage<'_>, address: &str) -> Result<Self, Disagreement> {
        let mut command = Command::new("Xvfb");
        command
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                SCREEN,
                "-nolisten",
                "tcp",
                "-fbdir",
            ])
            .arg(stage.folder());
        let (screen, display) = start_display(stage, "xvfb", &mut command)?;
        // Nothing is to be lost on the way, so that pixels can be compared.
        let mut command = Command::new("xtigervncviewer");
        command
            .args(["-display", &display, "-AutoSelect=0", "-PreferredEncoding=ZRLE"])
            .args(["-FullColor", "-NoJPEG", "-Shared", "-RemoteResize=0"])
            .arg(address.replace(':', "::"))
            .env("HOME", stage.folder());
        Ok(Self {
            window: Running::start(stage, "viewer", &mut command)?,
            _screen: screen,
            picture: stage.file("Xvfb_screen0"),
        })
    }

    /// Waits until its screen shows the desktop in these colours, pixel by pixel.
    pub(super) fn shows(&self, stage: &Stage<'_>, paint: Paint) -> Result<(), Disagreement> {
        let what = format!("{paint:?} on its screen");
        wait(stage, "the viewer", &what, PATIENCE, || {
            let bytes =
                std::fs::read(&self.picture).map_err(|cause| Disagreement::file(&self.picture, cause))?;
            let picture = Picture::read(&bytes);
            Ok(picture.filter(|picture| picture.is_tiled(paint)).map(drop))
        })
    }

    /// Closes it, as a person who has seen enough.
    pub(super) fn close(&self) -> Result<(), Disagreement> {
        self.window.signal(Signal::Terminate)
    }
}

/// Starts an X server that takes the first free display and says which.
fn start_display(
    stage: &Stage<'_>,
    name: &str,
    command: &mut Command,
) -> Result<(Running, String), Disagreement> {
    let mut server = Running::start(stage, name, command)?;
    let number = server.wait_for(stage, "display", PATIENCE, |server| {
        let said = server.stdout()?;
        Ok(said.strip_suffix('\n').map(|number| number.trim().to_owned()))
    })?;
    Ok((server, format!(":{number}")))
}

/// A picture of a whole screen, as an X window dump has it.
struct Picture<'a> {
    pixels: &'a [u8],
    bytes_per_line: usize,
}

impl<'a> Picture<'a> {
    /// Reads a dump with 32 bits to a pixel, blue first; `None` for another, or one that is not whole.
    fn read(dump: &'a [u8]) -> Option<Self> {
        let field = |index: usize| {
            let bytes = dump.get(4 * index..4 * index + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
        };
        let (header, bits, bytes_per_line, colours) = (field(0)?, field(11)?, field(12)?, field(19)?);
        let is_blue_first = field(7)? == 0;
        let pixels = dump.get(header + 12 * colours..)?;
        (bits == 32 && is_blue_first && pixels.len() >= bytes_per_line * field(5)?).then_some(Self {
            pixels,
            bytes_per_line,
        })
    }

    fn colour(&self, column: usize, row: usize) -> Option<Colour> {
        let at = row * self.bytes_per_line + 4 * column;
        let pixel = self.pixels.get(at..at + 3)?;
        Some([pixel[2], pixel[1], pixel[0]])
    }

    /// Whether the inside of the window is tiled, wherever the first tile begins.
    fn is_tiled(&self, paint: Paint) -> bool {
        let [columns, rows] = INSIDE;
        (0..256).any(|shift| {
            let (left, up) = (shift % 16, shift / 16);
            rows.clone().all(|row| {
                let bits = TILE[(row + up) % 16];
                columns.clone().all(|column| {
                    let is_ink = bits >> ((column + left) % 16) & 1 == 1;
                    self.colour(column, row) == Some(if is_ink { paint.ink } else { paint.paper })
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAINT: Paint = Paint {
        ink: [1, 2, 3],
        paper: [200, 100, 0],
    };

    /// A dump of 400 by 300 pixels whose tiles begin at an offset.
    fn dump(left: usize, up: usize) -> Vec<u8> {
        let mut header = [0_u32; 25];
        (header[0], header[4], header[5], header[11], header[12]) = (100, 400, 300, 32, 1600);
        let mut dump: Vec<u8> = header.iter().flat_map(|field| field.to_be_bytes()).collect();
        for row in 0..300 {
            for column in 0..400 {
                let is_ink = TILE[(row + up) % 16] >> ((column + left) % 16) & 1 == 1;
                let [red, green, blue] = if is_ink { PAINT.ink } else { PAINT.paper };
                dump.extend([blue, green, red, 0]);
            }
        }
        dump
    }

    #[test]
    fn tiles_are_found_wherever_they_begin_and_one_wrong_pixel_shows() {
        for (left, up) in [(0, 0), (5, 9)] {
            let mut dump = dump(left, up);
            assert!(Picture::read(&dump).unwrap().is_tiled(PAINT));
            let other = Paint {
                ink: PAINT.paper,
                paper: PAINT.ink,
            };
            assert!(!Picture::read(&dump).unwrap().is_tiled(other));
            dump[100 + 150 * 1600 + 4 * 77] ^= 1;
            assert!(!Picture::read(&dump).unwrap().is_tiled(PAINT));
        }
    }

    #[test]
    fn a_dump_that_is_not_whole_is_none() {
        let dump = dump(0, 0);
        assert!(Picture::read(&dump[..dump.len() - 1]).is_none());
        assert!(Picture::read(&dump[..50]).is_none());
        assert!(Picture::read(&[]).is_none());
    }
}
