//! A run's evaluations as TensorBoard reads them: an event file, written while the run goes on.
//!
//! A record is its length (u64), the masked CRC of that, an `Event` of TensorFlow's `event.proto` in the wire format of
//! protocol buffers, and its masked CRC (TensorFlow's `record_writer.cc`), all little-endian.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Progress;
use crate::archive::put_varint;
use crate::model::training_log::Evaluation;
use crate::{Error, Result};

/// An open event file, which [`EventFile::show`] is told of a run.
///
/// ```
/// use std::ops::ControlFlow;
/// use surprisal::train::{EventFile, Progress};
///
/// let folder = tempfile::tempdir()?;
/// let mut events = EventFile::create(&folder.path().join("events"))?;
/// let mut watch = |progress: Progress| {
///     events.show(progress);
///     ControlFlow::<()>::Continue(())
/// };
/// # use surprisal::model::training_log::TrainSettings;
/// watch(Progress::Begins { settings: &TrainSettings::default(), step: 0, lines: 0, seconds: 0.0 });
/// events.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventFile {
    file: File,
    path: PathBuf,
    /// The first failure to write. It does not end a long run.
    written: io::Result<()>,
}

impl EventFile {
    /// Begins a new file in a folder, which is made if there is none.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if that fails.
    pub fn create(folder: &Path) -> Result<Self> {
        let name = format!("events.out.tfevents.{}.{}.surprisal", now() as u64, std::process::id());
        let path = folder.join(name);
        let file = match std::fs::create_dir_all(folder).and_then(|()| File::create_new(&path)) {
            Ok(file) => file,
            Err(source) => return Err(Error::ModelFile { path, source }),
        };
        let mut events = Self { file, path, written: Ok(()) };
        events.append(0, &message(3, b"brain.Event:2"));
        Ok(events)
    }

    /// Writes the numbers of an evaluation under their names in the log; the loss at a position as `loss_by_position/08`.
    pub fn show(&mut self, progress: Progress) {
        match progress {
            // A SessionLog whose status is START: what an earlier session told of later steps is void.
            Progress::Begins { step, .. } => self.append(step, &message(7, &[1 << 3 | VARINT, 1])),
            Progress::Evaluation(evaluation) => self.evaluation(evaluation),
            Progress::Step { .. } | Progress::Event(_) => {}
        }
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        let Evaluation { step, train_loss, validation_loss, .. } = *evaluation;
        let mut scalars: Vec<_> = [
            ("train_loss", Some(train_loss)),
            ("validation_loss", Some(validation_loss)),
            ("excess", evaluation.excess),
            ("sum_accuracy", evaluation.sum_accuracy),
            ("code_length_bits", Some(evaluation.code_length_bits)),
            ("gradient_norm", Some(evaluation.gradient_norm)),
            ("learning_rate", Some(evaluation.learning_rate)),
            ("lines", Some(evaluation.lines as f64)),
        ]
        .into_iter()
        .filter_map(|(name, number)| Some((name.to_owned(), number?)))
        .collect();
        let positions = evaluation.loss_by_position.iter().enumerate();
        scalars.extend(positions.map(|(i, &loss)| (format!("loss_by_position/{i:02}"), loss)));
        let values = scalars.iter().flat_map(|(name, number)| {
            // Summary.value, whose tag and simple_value are fields 1 and 2.
            let number = (*number as f32).to_le_bytes();
            message(1, &[&message(1, name.as_bytes())[..], &[2 << 3 | FIXED32], &number].concat())
        });
        self.append(step, &message(5, &values.collect::<Vec<u8>>()));
    }

    /// Writes an event: the time, the step, and a field of what happened.
    fn append(&mut self, step: u64, what: &[u8]) {
        let mut event = vec![1 << 3 | FIXED64];
        event.extend(now().to_le_bytes());
        event.push(2 << 3 | VARINT);
        put_varint(&mut event, step);
        event.extend(what);
        let length = (event.len() as u64).to_le_bytes();
        let record =
            [&length[..], &masked_crc(&length).to_le_bytes(), &event, &masked_crc(&event).to_le_bytes()]
                .concat();
        if self.written.is_ok() {
            self.written = self.file.write_all(&record);
        }
    }

    /// Says whether everything could be written.
    ///
    /// # Errors
    /// [`Error::ModelFile`] with the first failure.
    pub fn finish(self) -> Result<()> {
        self.written.map_err(|source| Error::ModelFile { path: self.path, source })
    }
}

/// Wire types of fields.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// A field that holds a string or a message.
fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | BYTES];
    put_varint(&mut bytes, content.len() as u64);
    bytes.extend(content);
    bytes
}

/// CRC-32C (Castagnoli), rotated and shifted so that the CRC of data with CRCs in them is none of these.
fn masked_crc(bytes: &[u8]) -> u32 {
    let crc = !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "123456789" the CRC-32C is e3069283 (RFC 3720's catalogue of checks).
    #[test]
    fn the_crc_is_the_castagnoli_one() {
        assert_eq!(masked_crc(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
