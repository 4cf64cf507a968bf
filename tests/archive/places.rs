//! Archives that come in pieces, that something follows, and that are read from any byte on.

use std::io::{self, Cursor, ErrorKind, Read};
use std::sync::{Arc, Mutex};

use surprisal::archive::{BLOCK_LINES, BlockKind};
use surprisal::{CompressOptions, DecompressOptions, Decompressor, Error, Index};

use super::{compress_with, golden};
use crate::common::corpora::{noise_bytes, uniform_sums};

/// An archive of which more comes now and then, as [`Decompressor`] wants it: it can go back.
#[derive(Clone)]
struct Arriving(Arc<Mutex<(Vec<u8>, usize)>>);

impl Arriving {
    fn go_to(&self, offset: u64) {
        self.0.lock().unwrap().1 = offset as usize;
    }

    fn add(&self, piece: &[u8]) {
        self.0.lock().unwrap().0.extend_from_slice(piece);
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, read) = &mut *self.0.lock().unwrap();
        let len = bytes[*read..].len().min(buffer.len());
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..len].copy_from_slice(&bytes[*read..*read + len]);
        *read += len;
        Ok(len)
    }
}

/// The content of the first archive of what comes in pieces of these lengths, over and over, and what is left behind it.
fn read_in_pieces(bytes: &[u8], lengths: &[usize], threads: usize) -> (Vec<u8>, u64) {
    let options = DecompressOptions::default().with_first_only(true).with_threads(threads);
    let input = Arriving(Arc::default());
    let (mut content, mut decoder) = (Vec::new(), None::<Decompressor<Arriving>>);
    let (mut rest, mut lengths) = (bytes, lengths.iter().cycle());
    loop {
        let reader = match &mut decoder {
            Some(reader) => Ok(reader),
            None => {
                Decompressor::with_options(input.clone(), options.clone()).map(|made| decoder.insert(made))
            }
        };
        let (read, at) = match reader {
            Ok(reader) => (reader.read_to_end(&mut content), reader.bytes_read()),
            Err(error) => (Err(error.into()), 0),
        };
        match read {
            Ok(_) => return (content, at),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        input.go_to(at);
        let (piece, others) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
        assert!(!piece.is_empty(), "all has come and the archive has not ended");
        input.add(piece);
        rest = others;
    }
}

#[test]
fn an_archive_may_come_in_pieces() {
    let names = ["uniform.txt", "mixed.txt", "noise.txt", "empty.txt", "dates.txt"];
    let mut archives: Vec<_> = names.map(|name| (golden(&format!("{name}.sur")), golden(name))).to_vec();
    let text = [uniform_sums(BLOCK_LINES + 9), noise_bytes(5000), uniform_sums(500)].concat();
    archives.push((compress_with(&text, CompressOptions::default().with_embed_model(true)).0, text));
    for (archive, content) in &archives {
        let followed = [archive, &archives[0].0[..], b"noise"].concat();
        let small = if archive.len() < 10_000 { &[1, 2, 3, 40][..] } else { &[1, 7000][..] };
        for (lengths, threads) in [(small, 1), (&[archive.len() / 2 + 1], 2), (&[followed.len()], 2)] {
            let (found, end) = read_in_pieces(&followed, lengths, threads);
            assert!(found == *content && end == archive.len() as u64, "pieces of {lengths:?}");
        }
    }
}

/// An input that only waits is no damage, and damage is found however it comes.
#[test]
fn damage_is_found_in_pieces() {
    let mut archive = golden("uniform.txt.sur");
    let at = archive.len() / 2;
    archive[at] ^= 1;
    let input = Arriving(Arc::default());
    input.add(&archive[..at]);
    let mut reader = Decompressor::with_options(input.clone(), DecompressOptions::default()).unwrap();
    let waits = reader.read(&mut [0; 9]).unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::WouldBlock);
    input.go_to(reader.bytes_read());
    input.add(&archive[at..]);
    let error = Error::from_io(reader.read(&mut [0; 9]).unwrap_err());
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[track_caller]
fn assert_read_at(file: &[u8], content: &[u8], positions: impl IntoIterator<Item = usize>) {
    let index = Index::read(&mut Cursor::new(file)).unwrap();
    assert_eq!(index.content_len(), content.len() as u64);
    for at in positions {
        let options = DecompressOptions::default();
        let mut found = Vec::new();
        let reader = index.reader_at(Cursor::new(file), at as u64, &options).unwrap();
        assert_eq!(reader.is_some(), at < content.len(), "at {at}");
        reader.map(|mut reader| reader.read_to_end(&mut found).unwrap());
        assert!(found == content[at.min(content.len())..], "from {at} on");
    }
}

#[test]
fn content_is_read_from_any_byte_on() {
    let text = [uniform_sums(BLOCK_LINES), noise_bytes(5000), uniform_sums(40)].concat();
    let (one, _) = compress_with(&text, CompressOptions::default());
    let names = ["mixed.txt", "empty.txt"];
    let mixed = names.map(|name| golden(&format!("{name}.sur"))).concat();
    let (file, content) =
        ([&one[..], &mixed, &one].concat(), [&text[..], &golden("mixed.txt"), &text].concat());
    let boundary = 28 * BLOCK_LINES;
    let second = content.len() - text.len();
    let near = |at: usize| at.saturating_sub(1)..at + 2;
    assert_read_at(
        &file,
        &content,
        [0, boundary, text.len(), second, content.len()].into_iter().flat_map(near),
    );
}

/// In what was coded while learning, too, where what stands before is needed.
#[test]
fn learned_content_is_read_from_any_byte_on() {
    let (file, content) = (golden("dates.txt.sur"), golden("dates.txt"));
    let index = Index::read(&mut Cursor::new(&file)).unwrap();
    assert!(index.archives[0].blocks.iter().any(|block| block.kind == BlockKind::Learned));
    let twice = [&content[..], &content].concat();
    assert_read_at(&[&file[..], &file].concat(), &twice, [0, 1, 5000, content.len(), content.len() + 77]);
}
