//! The learner as a predictor: it learns where a batch of lines ends.

use super::batch::{BatchObserver, Learner, State};
use super::settings::LearnerSettings;
use crate::coding::{KnownGroup, Predictor};
use crate::network::{Cdfs, Slots};
use crate::text::{Token, Vocabulary};

impl Predictor for Learner {
    fn vocabulary(&self) -> &Vocabulary {
        Self::vocabulary(self)
    }

    fn max_line_len(&self) -> usize {
        Self::max_line_len(self)
    }

    fn group_lines(&self) -> usize {
        self.settings().batch_lines
    }

    fn begin(&mut self, lines: usize) {
        self.start(lines);
    }

    fn step(&mut self, tokens: &[Token]) -> Cdfs<'_> {
        Self::step(self, tokens)
    }

    /// Takes the whole batch forward, on all threads.
    fn begin_known(&mut self, lines: usize, known: &[&[u8]]) {
        self.read(&known[..lines]);
    }

    fn step_known(&mut self, position: usize, group: &mut KnownGroup, slots: &mut [Slots]) {
        for (line, slots) in slots.iter_mut().enumerate() {
            if group.has(position, line) {
                *slots = self.slots(position, line);
            }
        }
    }

    /// Takes the step that may be due on the batch, then those on lines from before.
    fn end(&mut self, lines: &[&[u8]]) {
        let LearnerSettings { replay, batch_lines, .. } = *self.settings();
        self.close();
        let further_steps = if self.is_due() { replay } else { 0 };
        let record = self.learn();
        if let Some(observer) = &mut self.observer {
            observer(&record);
        }
        if let Some(reservoir) = &mut self.state.reservoir {
            reservoir.add(lines);
        }
        for _ in 0..further_steps {
            let reservoir = self.state.reservoir.iter_mut();
            let drawn: Vec<_> = reservoir.flat_map(|lines| lines.draw(batch_lines)).collect();
            self.replay(&drawn.iter().map(|line| &**line).collect::<Vec<_>>());
        }
    }
}

impl Learner {
    /// Has every batch told to `observer` from now on, as it was coded and before the next: what it cost by what was known
    /// before it.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use surprisal::{LearnOptions, Learner, Preset, Survey};
    ///
    /// let text = &include_bytes!("../../corpora/uniform-8-10k.txt")[..28 * 64];
    /// let mut survey = Survey::default();
    /// survey.update(text);
    /// let settings = LearnOptions::default().with_preset(Preset::Pico).settings(&survey, Some(64))?;
    /// let mut learner = Learner::new(&settings, 1)?;
    /// let (send, records) = channel();
    /// learner.observe(Box::new(move |record| send.send(record.nats()).unwrap()));
    /// let lines: Vec<&[u8]> = text.split(|&c| c == b'\n').take(64).collect();
    /// learner.absorb(&lines);
    /// let nats: Vec<f64> = records.try_iter().collect();
    /// assert_eq!(nats.len(), 64 / settings.batch_lines);
    /// assert!(nats.last() < nats.first());
    /// # Ok::<(), surprisal::Error>(())
    /// ```
    pub fn observe(&mut self, observer: BatchObserver) {
        self.observer = Some(observer);
    }

    /// Learns from lines, a batch at a time, as if they were coded: each batch by what was learned before it. The last batch may
    /// have fewer lines than the others.
    ///
    /// # Panics
    /// If a line does not fit: it is too long, or a character is no symbol.
    pub fn absorb(&mut self, lines: &[&[u8]]) {
        for lines in lines.chunks(self.group_lines()) {
            self.read(lines);
            self.end(lines);
        }
    }

    /// Everything that was learned.
    pub(crate) fn snapshot(&self) -> State {
        self.state.clone()
    }

    /// Goes back to what was known then.
    pub(crate) fn restore(&mut self, snapshot: State) {
        self.state = snapshot;
    }
}
