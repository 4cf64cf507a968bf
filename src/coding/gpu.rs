//! A GPU that runs the exact network for known lines, far ahead of the groups that are coded. The bytes are the same.
//! Before it is trusted it is compared with the CPU; if it fails, the CPU goes on.

use std::iter;

use super::GROUP;
use super::predictor::Predictor;
use crate::network::{Cdf, Cdfs, Device, ExactModel, Group, KnownLines, Slots, Steps, TILE_LINES};
use crate::text::{Token, Vocabulary};
use crate::{Error, Result};

/// A predictor that codes on this device; on the CPU if that fails.
pub(crate) fn predictor_on<'a>(device: &Device, model: &'a ExactModel) -> Box<dyn Predictor + 'a> {
    let gpu = open(device, |device| device.known_lines(model), |gpu| compare_known(model, gpu));
    let group = model.group(GROUP);
    match gpu {
        None => Box::new(group),
        Some(gpu) => Box::new(RunAhead {
            group,
            device: device.clone(),
            gpu: Some(gpu),
            run: 0,
            present: 0,
            served: 0,
        }),
    }
}

/// Room on a device for `groups` groups of lines that are decoded there, twice, so that one half runs while the symbols
/// of the other are decoded; none if it is the CPU, or does not serve.
pub(crate) fn steps_on(device: &Device, model: &ExactModel, groups: usize) -> Option<[Steps; 2]> {
    let steps =
        || open(device, |device| device.steps(model, groups, GROUP), |steps| compare_steps(model, steps));
    Some([steps()?, steps()?])
}

/// What a device opens, if `compare` finds that it computes what the CPU does; none if it is the CPU, or fails.
fn open<T>(
    device: &Device,
    open: impl FnOnce(&Device) -> Result<Option<T>>,
    compare: impl FnOnce(&mut T) -> Result<()>,
) -> Option<T> {
    if device.failure().is_some() {
        return None;
    }
    let opened = open(device).and_then(|mut opened| {
        opened.as_mut().map_or(Ok(()), compare)?;
        Ok(opened)
    });
    opened.unwrap_or_else(|error| {
        device.failed(&error);
        None
    })
}

/// Known lines by a GPU, all others on the CPU.
struct RunAhead<'a> {
    group: Group<'a>,
    device: Device,
    /// With the slots of the lines that it ran last; none once it has failed.
    gpu: Option<KnownLines>,
    /// How many those are.
    run: usize,
    /// The first of them that is in the present group, and in the next.
    present: usize,
    served: usize,
}

impl RunAhead<'_> {
    /// Runs as many lines as there is room for.
    fn run(&mut self, known: &[&[u8]]) {
        let Some(gpu) = &mut self.gpu else {
            return;
        };
        let vocabulary = self.group.model().vocabulary();
        let known = &known[..known.len().min(gpu.most_lines())];
        let tokens =
            known.iter().map(|line| iter::once(vocabulary.start()).chain(vocabulary.line_tokens(line)));
        (self.run, self.served) = (known.len(), 0);
        if let Err(error) = gpu.run(tokens) {
            self.device.failed(&error);
            self.gpu = None;
        }
    }
}

impl Predictor for RunAhead<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        self.group.vocabulary()
    }

    fn max_line_len(&self) -> usize {
        self.group.max_line_len()
    }

    fn group_lines(&self) -> usize {
        self.group.group_lines()
    }

    fn begin(&mut self, lines: usize) {
        self.group.begin(lines);
    }

    fn step(&mut self, tokens: &[Token]) -> Cdfs<'_> {
        self.group.step(tokens)
    }

    fn begin_known(&mut self, lines: usize, known: &[&[u8]]) {
        if self.served == self.run {
            self.run(known);
        }
        if self.gpu.is_none() {
            return self.group.begin_known(lines, known);
        }
        self.present = self.served;
        self.served += lines;
    }

    fn step_known(
        &mut self,
        position: usize,
        before: &[Token],
        tokens: &[Option<Token>],
        slots: &mut [Slots],
    ) {
        let Some(gpu) = &self.gpu else {
            return self.group.step_known(position, before, tokens, slots);
        };
        let tiles = slots.chunks_mut(TILE_LINES).zip(tokens.chunks(TILE_LINES));
        for (tile, (slots, tokens)) in tiles.enumerate() {
            let row = gpu.tile_slots(self.present / TILE_LINES + tile, position);
            for ((slots, token), &[left, width]) in slots.iter_mut().zip(tokens).zip(row) {
                if token.is_some() {
                    *slots = Slots::new(left, width);
                }
            }
        }
    }
}

/// Lines that a device has to compute as the CPU does before it is used: all symbols in some order.
#[derive(Clone, Copy)]
struct Sample {
    start: Token,
    symbols: usize,
}

impl Sample {
    const LINES: usize = 16;

    fn new(model: &ExactModel) -> Self {
        let vocabulary = model.vocabulary();
        Self { start: vocabulary.start(), symbols: vocabulary.len() }
    }

    fn token(self, line: usize, position: usize) -> Token {
        if position == 0 {
            self.start
        } else {
            ((7 * line + 5 * position + line * position % 11) % self.symbols) as Token
        }
    }

    fn tokens(self, position: usize) -> Vec<Token> {
        (0..Self::LINES).map(|line| self.token(line, position)).collect()
    }
}

/// Holds the sample's slots by the GPU against those by the CPU: an archive that only a broken device can decode is
/// worse than none.
fn compare_known(model: &ExactModel, known: &mut KnownLines) -> Result<()> {
    let sample = Sample::new(model);
    let len = model.max_line_len();
    let lines = (0..Sample::LINES).map(|line| (0..len + 2).map(move |position| sample.token(line, position)));
    known.run(lines)?;
    compare(model, |line, position, cdf| {
        let Slots { left, width } = cdf.slots(sample.token(line, position + 1));
        Ok(known.slots(line, position) == [left, width.get()])
    })
}

/// The same of whole rows, position by position, in the last place.
fn compare_steps(model: &ExactModel, steps: &mut Steps) -> Result<()> {
    let sample = Sample::new(model);
    let group = steps.groups() - 1;
    let mut reached = None;
    compare(model, |line, position, cdf| {
        if reached != Some(position) {
            reached = Some(position);
            steps.set(group, position, &sample.tokens(position));
            steps.launch()?;
            steps.wait()?;
        }
        Ok(steps.row(group, line) == cdf.0)
    })?;
    steps.clear(group);
    Ok(())
}

/// Asks for each line and position of the sample whether the device has the CPU's row there.
fn compare(model: &ExactModel, mut same: impl FnMut(usize, usize, Cdf) -> Result<bool>) -> Result<()> {
    let sample = Sample::new(model);
    let mut group = model.group(Sample::LINES);
    group.start(Sample::LINES);
    for position in 0..=model.max_line_len() {
        let cdfs = group.step(&sample.tokens(position));
        for line in 0..Sample::LINES {
            if !same(line, position, cdfs.row(line))? {
                let what = "the GPU does not compute what the CPU computes; please report this";
                return Err(Error::Device(what.into()));
            }
        }
    }
    Ok(())
}
