//! Zstandard streams of any number of frames, as `zstd`, `pzstd`, and appended logs write them.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Memory that a frame may ask for: what `zstd` itself allows by default.
const LARGEST_WINDOW: u64 = 128 << 20;

/// Unpacks one frame after another; a frame's checksum, where it has one, is held against its content.
pub(super) struct Zstandard<R> {
    stream: BufReader<R>,
    /// The frame at hand; none between frames.
    frame: Option<Box<FrameDecoder>>,
}

impl<R: Read> Zstandard<R> {
    /// Reads nothing yet.
    pub(super) fn new(stream: R) -> Self {
        Zstandard { stream: BufReader::new(stream), frame: None }
    }

    /// Goes to the next frame with content; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.stream.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut frame = FrameDecoder::new();
            frame.set_max_window_size(LARGEST_WINDOW);
            match frame.init(&mut self.stream) {
                Ok(()) => {
                    self.frame = Some(Box::new(frame));
                    return Ok(true);
                }
                // A frame that is meant to be passed over.
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.stream.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }
}

impl<R: Read> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                if self.next_frame()? {
                    continue;
                }
                return Ok(0);
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                frame.decode_blocks(&mut self.stream, BlockDecodingStrategy::UptoBlocks(1)).map_err(fault)?;
            }
            let n_bytes = frame.read(buffer)?;
            if 0 < n_bytes {
                return Ok(n_bytes);
            }
            let stated = frame.get_checksum_from_data();
            if stated.is_some() && stated != frame.get_calculated_checksum() {
                return Err(fault("its checksum differs"));
            }
            self.frame = None;
        }
    }
}

fn fault(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("is not a whole Zstandard stream: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::Zstandard;

    fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        Zstandard::new(bytes).read_to_end(&mut unpacked).map(|_| unpacked)
    }

    #[test]
    fn every_frame_is_read_and_frames_to_skip_are_skipped() {
        let pack = |text: &str| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3].to_vec();
        let bytes = [pack("one "), skipped, pack(""), pack("two")].concat();
        assert_eq!(unpacked(&bytes).unwrap(), b"one two");
        assert!(unpacked(&bytes[..bytes.len() - 2]).is_err());
    }
}
