//! Between lines and bits, with a network that learns from every batch behind it.
//!
//! Lines go in batches; within a batch in lockstep, as the other coder's groups: for each position,
//! for each line of the batch that has not ended, one token.

use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode, Encode};

use super::batch::{BatchRecord, Learner, State};
use super::replay::Reservoir;
use super::settings::Settings;
use crate::Result;
use crate::coding::Undecodable;

/// Is told of every batch as it was coded.
pub type Observer = Box<dyn FnMut(&BatchRecord) + Send>;

/// Codes lines and decodes them again, and learns from each batch.
pub struct LearningCoder {
    learner: Learner,
    replay: Option<Reservoir>,
    observer: Option<Observer>,
}

/// What was learned at some time.
pub(crate) struct Snapshot {
    state: State,
    replay: Option<Reservoir>,
}

type Decoder<'a> = DefaultRangeDecoder<constriction::backends::Cursor<u32, &'a [u32]>>;

impl LearningCoder {
    /// A coder that knows nothing yet, on `threads` threads.
    ///
    /// # Errors
    /// As [`Learner::new`].
    pub fn new(settings: &Settings, threads: usize) -> Result<Self> {
        Ok(Self::with_learner(Learner::new(settings, threads)?))
    }

    /// A coder with a learner of the caller's choice.
    pub fn with_learner(learner: Learner) -> Self {
        let Settings { replay, seed, .. } = *learner.settings();
        Self {
            replay: (replay > 0).then(|| Reservoir::new(seed)),
            learner,
            observer: None,
        }
    }

    /// Has every batch told to `observer` from now on.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// What learns.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.learner.state().clone(),
            replay: self.replay.clone(),
        }
    }

    /// Goes back to what was known then.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.learner.restore(snapshot.state);
        self.replay = snapshot.replay;
    }

    /// Whether a line (without its newline) can be coded: its characters are in the vocabulary and
    /// they are no more than there are positions for.
    pub fn fits(&self, line: &[u8]) -> bool {
        let vocabulary = self.learner.vocabulary();
        line.len() <= self.learner.max_line_len() && line.iter().all(|&c| vocabulary.token(c).is_some())
    }

    /// Codes lines that fit, without their newlines, and learns from them.
    ///
    /// # Panics
    /// If a line does not fit.
    pub fn encode(&mut self, lines: &[&[u8]]) -> Vec<u32> {
        let mut encoder = DefaultRangeEncoder::new();
        for lines in lines.chunks(self.learner.settings().batch_lines) {
            self.learner.read(lines);
            for position in 0..self.learner.positions() {
                for line in 0..lines.len() {
                    if let Some((token, slots)) = self.learner.slot(position, line) {
                        let coded = encoder.encode_symbol(token, slots);
                        coded.expect("every symbol has a slot and memory does not fail");
                    }
                }
            }
            self.learn(lines);
        }
        encoder.into_compressed().expect("memory does not fail")
    }

    /// Learns from lines that fit and that were coded in another way.
    pub fn absorb(&mut self, lines: &[&[u8]]) {
        for lines in lines.chunks(self.learner.settings().batch_lines) {
            self.learner.read(lines);
            self.learn(lines);
        }
    }

    /// Decodes `count` lines, learns from them, and calls `line_done` with each, `terminator`
    /// behind it.
    ///
    /// # Errors
    /// [`Undecodable`] if the words are not what [`LearningCoder::encode`] writes, as far as that
    /// shows, or if the text would grow beyond `limit` bytes.
    pub fn decode(
        &mut self,
        words: &[u32],
        count: usize,
        terminator: &[u8],
        limit: usize,
        mut line_done: impl FnMut(&[u8]),
    ) -> Result<(), Undecodable> {
        let Ok(mut decoder) = DefaultRangeDecoder::for_compressed(&words);
        let (mut left, mut total) = (count, 0);
        while left > 0 {
            let mut lines = vec![Vec::new(); left.min(self.learner.settings().batch_lines)];
            let threads = self.learner.threads();
            threads.install(|| self.decode_batch(&mut decoder, &mut lines))?;
            total += lines
                .iter()
                .map(|line| line.len() + terminator.len())
                .sum::<usize>();
            if total > limit {
                return Err(Undecodable);
            }
            self.learn(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for line in &mut lines {
                line.extend_from_slice(terminator);
                line_done(line);
            }
            left -= lines.len();
        }
        match decoder.maybe_exhausted() {
            true => Ok(()),
            false => Err(Undecodable),
        }
    }

    /// Decodes the characters of a batch of lines into `lines`.
    fn decode_batch(&mut self, decoder: &mut Decoder, lines: &mut [Vec<u8>]) -> Result<(), Undecodable> {
        let learner = &mut self.learner;
        learner.start(lines.len());
        let end = learner.vocabulary().end();
        let mut ended = vec![false; lines.len()];
        for _ in 0..=learner.max_line_len() {
            learner.step();
            for (i, (line, ended)) in lines.iter_mut().zip(&mut ended).enumerate() {
                if *ended {
                    continue;
                }
                let token = decoder.decode_symbol(learner.row(i)).map_err(|_| Undecodable)?;
                learner.follow(i, token);
                if token == end {
                    *ended = true;
                } else {
                    line.push(learner.vocabulary().character(token).ok_or(Undecodable)?);
                }
            }
            if ended.iter().all(|&ended| ended) {
                return Ok(());
            }
        }
        Err(Undecodable)
    }

    /// Takes the step that may be due on a batch that went forward, then those on lines from before.
    fn learn(&mut self, lines: &[&[u8]]) {
        let Settings {
            replay, batch_lines, ..
        } = *self.learner.settings();
        let further_steps = if self.learner.is_due() { replay } else { 0 };
        let record = self.learner.learn();
        if let Some(observer) = &mut self.observer {
            observer(&record);
        }
        if let Some(reservoir) = &mut self.replay {
            reservoir.add(lines);
            for _ in 0..further_steps {
                let drawn = reservoir.draw(batch_lines);
                self.learner
                    .replay(&drawn.iter().map(|line| &**line).collect::<Vec<_>>());
            }
        }
    }
}
