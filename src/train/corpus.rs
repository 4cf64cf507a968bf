//! Lines of a text file: an epoch after the other, without the last lines, which are for
//! validation.

use std::path::{Path, PathBuf};

use memchr::memchr_iter;

use crate::model::training_log::{CorpusFile, LoggedPath, TrainSettings};
use crate::model::{GptConfig, MAX_BLOCK, Preset};
use crate::random::{Stream, below, generator};
use crate::text::{Distribution, LineBatch, Survey, Vocabulary, has_crlf, lines_of};
use crate::{Error, Result};

/// The fewest lines that a file may have; of so many, at most one is for validation.
const LEAST_LINES: usize = 10;

/// A text file in memory, cut into lines.
pub(super) struct Corpus {
    path: PathBuf,
    /// Of the file's own bytes.
    blake3: String,
    /// Every line ends with a newline, and where the file's end in `\r\n`, without the carriage return: so
    /// compressing takes such lines, too.
    text: Vec<u8>,
    /// Where each line begins in the text and, at the end, the text's length.
    starts: Vec<usize>,
}

impl Corpus {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if it cannot be read, [`Error::Corpus`] if it has too few lines.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut text =
            std::fs::read(path).map_err(|source| Error::ModelFile { path: path.into(), source })?;
        let blake3 = blake3::hash(&text).to_hex().to_string();
        if text.last().is_some_and(|&c| c != b'\n') {
            text.push(b'\n');
        }
        if has_crlf(&text) {
            text = without_carriage_returns(&text);
        }
        let mut starts = vec![0];
        starts.extend(memchr_iter(b'\n', &text).map(|end| end + 1));
        let corpus = Self { path: path.into(), blake3, text, starts };
        match corpus.len() {
            LEAST_LINES.. => Ok(corpus),
            lines => {
                let wanted = format!("at least {LEAST_LINES}, a tenth of them for validation");
                Err(corpus.error(None, format!("has {lines} lines: a run needs {wanted}")))
            }
        }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// A line without its newline.
    fn line(&self, i: usize) -> &[u8] {
        &self.text[self.starts[i]..self.starts[i + 1] - 1]
    }

    fn error(&self, line: Option<u64>, what: impl Into<String>) -> Error {
        Error::Corpus { path: self.path.clone(), line, what: what.into() }
    }

    /// The network for it: over the addition vocabulary if that has all of its characters,
    /// otherwise over the bytes that it is made of; as long as its longest line.
    ///
    /// # Errors
    /// [`Error::Corpus`] if a line is too long or no byte is left to stand for start and end.
    pub(super) fn config(&self, preset: Preset) -> Result<GptConfig> {
        let mut survey = Survey::default();
        survey.update(&self.text);
        let (longest, line) = survey.longest_line();
        let block_size = longest as usize + 1;
        if block_size > MAX_BLOCK {
            let what = format!("has {longest} characters, a line has at most {}: cut it", MAX_BLOCK - 1);
            return Err(self.error(Some(line), what));
        }
        let vocabulary = survey
            .training_vocabulary()
            .ok_or_else(|| self.error(None, "uses nearly every byte there is: it is no text to train on"))?;
        Ok(GptConfig::with_vocabulary(preset, block_size, &vocabulary))
    }

    /// The last lines.
    pub(super) fn held_out(&self, lines: usize) -> &[u8] {
        &self.text[self.starts[self.len() - lines]..]
    }

    /// # Errors
    /// [`Error::Corpus`] with the first line that a distribution does not have.
    pub(super) fn check(&self, distribution: Distribution) -> Result<()> {
        let Some(i) = (0..self.len()).find(|&i| !distribution.admits(self.line(i))) else {
            return Ok(());
        };
        let what = if self.line(i).ends_with(b"\r") {
            r"ends in \r\n, as on Windows, but most lines in \n: make all lines end alike".into()
        } else {
            let (digits, operands) = (distribution.digits(), distribution.operands());
            format!(
                "is not one of {digits} digits {operands}: say nothing of digits and operands, or what is true"
            )
        };
        Err(self.error(Some(i as u64 + 1), what))
    }

    /// The lines for training: the first of the file, as many as the description says.
    ///
    /// # Errors
    /// [`Error::Corpus`] if the file is not the one that was described.
    pub(super) fn training(
        self,
        description: &CorpusFile,
        config: &GptConfig,
        seed: u64,
    ) -> Result<CorpusLines> {
        if self.blake3 != description.blake3 {
            let what = "has changed since the run began: a run goes on with the same text only";
            return Err(self.error(None, what));
        }
        Ok(CorpusLines {
            lines: description.lines.min(self.len() as u64),
            corpus: self,
            vocabulary: config.vocabulary()?,
            length: config.block_size,
            seed,
            seen: 0,
            epoch: 0,
            order: Vec::new(),
        })
    }
}

/// A text whose lines end in `\n` only.
fn without_carriage_returns(text: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(text.len());
    for line in lines_of(text) {
        bare.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        bare.push(b'\n');
    }
    bare
}

/// Batches of a text file's lines, epoch after epoch.
pub(super) struct CorpusLines {
    corpus: Corpus,
    vocabulary: Vocabulary,
    length: usize,
    /// Lines of an epoch.
    pub(super) lines: u64,
    seed: u64,
    /// Lines that were given, in all epochs.
    pub(super) seen: u64,
    /// The epoch that `order` is of.
    epoch: u64,
    /// Empty in the first epoch, which has the lines as they stand in the file.
    order: Vec<usize>,
}

impl CorpusLines {
    /// The next lines, at most `most` of them: a batch ends with its epoch.
    pub(super) fn next_batch(&mut self, most: usize) -> Result<LineBatch> {
        let (epoch, done) = (self.seen / self.lines, self.seen % self.lines);
        if epoch != self.epoch {
            self.order = shuffled(self.lines as usize, self.seed, epoch);
            self.epoch = epoch;
        }
        let count = (most as u64).min(self.lines - done);
        let lines = (done as usize..(done + count) as usize)
            .map(|i| self.corpus.line(self.order.get(i).copied().unwrap_or(i)));
        self.seen += count;
        LineBatch::new(lines, &self.vocabulary, self.length)
    }
}

/// The order of a later epoch's lines: Fisher and Yates's shuffle from a stream of its own, so that it
/// does not depend on how the run got there.
fn shuffled(lines: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = generator(seed, Stream::Epoch(epoch));
    let mut order: Vec<usize> = (0..lines).collect();
    for i in (1..lines).rev() {
        let j = below(&mut rng, i as u64 + 1);
        order.swap(i, j as usize);
    }
    order
}

/// Makes a run's settings those of a run on a text file: the file, the validation lines (as many
/// as were asked for, but at most a tenth of the file, its last ones), and the steps of so many
/// epochs. Lines of the file that equal one of the validation lines stay: they are the text's own
/// repetitions.
///
/// # Errors
/// [`Error::ModelFile`] if the file cannot be read, [`Error::Corpus`] if it has fewer than ten
/// lines or lines that are not of the settings' distribution.
pub fn learn_from_file(settings: &mut TrainSettings, path: &Path, epochs: u64) -> Result<()> {
    let corpus = Corpus::read(path)?;
    if let Some(distribution) = settings.distribution {
        corpus.check(distribution)?;
    }
    settings.validation_lines = settings.validation_lines.min(corpus.len() / LEAST_LINES);
    let lines = (corpus.len() - settings.validation_lines) as u64;
    settings.steps = epochs.saturating_mul(lines.div_ceil(settings.batch_lines.max(1) as u64));
    settings.corpus = Some(CorpusFile { path: LoggedPath::new(corpus.path), lines, blake3: corpus.blake3 });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Token;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn read(text: &str) -> Result<Corpus> {
        Corpus::read(file(text).path())
    }

    #[test]
    fn sums_get_the_addition_vocabulary_and_other_text_its_own() {
        let sums = read(&"1+2=03\n".repeat(10)).unwrap().config(Preset::Pico).unwrap();
        assert_eq!(sums, GptConfig::addition(Preset::Pico, 7));
        let words = "see\nthe\n\nsea\n".repeat(3);
        let config = read(&words).unwrap().config(Preset::Pico).unwrap();
        assert_eq!((config.vocab.as_str(), config.block_size), ("\u{2}\u{3}aehst", 4));
        let accents = read(&"é\n".repeat(10)).unwrap().config(Preset::Pico).unwrap();
        assert_eq!(accents.vocab, "se©Ã", "bytes, not characters");
    }

    /// Where most lines end so; elsewhere the carriage return is a character.
    #[test]
    fn windows_line_ends_are_not_part_of_the_lines() {
        let windows = read(&"1+2=03\r\n".repeat(10)).unwrap();
        assert_eq!((windows.line(0), windows.line(9)), (&b"1+2=03"[..], &b"1+2=03"[..]));
        assert_eq!(windows.config(Preset::Pico).unwrap(), GptConfig::addition(Preset::Pico, 7));
        let cut = read(&format!("{}1+2=03", "1+2=03\r\n".repeat(10))).unwrap();
        assert_eq!((cut.len(), cut.line(10)), (11, &b"1+2=03"[..]));
        let mixed = read(&format!("{}1+2=03\r\n", "1+2=03\n".repeat(10))).unwrap();
        assert_eq!(mixed.line(10), b"1+2=03\r");
        let sums = Distribution::new(1, crate::text::Operands::Uniform).unwrap();
        let error = mixed.check(sums).unwrap_err().to_string();
        assert!(error.contains("line 11 ends in \\r\\n, as on Windows"), "{error}");
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused() {
        for short in ["", "1\n2\n3\n"] {
            assert!(matches!(read(short), Err(Error::Corpus { line: None, .. })));
        }
        assert!(Corpus::read(Path::new("/nowhere")).is_err());
        let long = format!("1\n{}\n{}", "1".repeat(256), "1\n".repeat(10));
        let error = read(&long).unwrap().config(Preset::Pico).unwrap_err().to_string();
        assert!(error.contains("line 2 has 256 characters"), "{error}");
    }

    #[test]
    fn epochs_have_every_line_once_in_their_own_order() {
        let text: String = (0..100).map(|i| format!("{i}\n")).collect();
        let file = file(&text);
        let mut settings = TrainSettings { distribution: None, batch_lines: 32, ..TrainSettings::default() };
        learn_from_file(&mut settings, file.path(), 3).unwrap();
        assert_eq!((settings.validation_lines, settings.steps), (10, 9));
        let description = settings.corpus.unwrap();
        assert_eq!(description.lines, 90);
        let source = || {
            let corpus = Corpus::read(&description.path).unwrap();
            let config = corpus.config(Preset::Pico).unwrap();
            corpus.training(&description, &config, 1).unwrap()
        };
        let mut lines = source();
        let rows = |batch: LineBatch| -> Vec<Vec<Token>> {
            batch.inputs.chunks(batch.block).map(<[Token]>::to_vec).collect()
        };
        let mut epoch = || {
            let batches = [32, 32, 26].map(|expected| {
                let rows = rows(lines.next_batch(32).unwrap());
                assert_eq!(rows.len(), expected);
                rows
            });
            batches.concat()
        };
        let (first, mut second, third) = (epoch(), epoch(), epoch());
        assert_ne!(second, third);
        let mut later = source();
        later.seen = 90 + 32;
        assert_eq!(rows(later.next_batch(32).unwrap()), second[32..64]);
        let mut sorted = first.clone();
        sorted.sort();
        second.sort();
        assert_eq!(sorted, second);
        assert_eq!(first[12][1..3], [1, 2], "line 12 of the file is 12");
    }

    #[test]
    fn a_claim_about_the_lines_is_checked() {
        let text = format!("{}1+2=04\n", "1+2=03\n".repeat(20));
        let file = file(&text);
        let mut settings = TrainSettings {
            distribution: Distribution::new(1, crate::text::Operands::Uniform).ok(),
            ..TrainSettings::default()
        };
        let error = learn_from_file(&mut settings, file.path(), 1).unwrap_err().to_string();
        assert!(error.contains("line 21"), "{error}");
    }
}
