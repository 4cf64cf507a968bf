//! Coding with a GPU that runs the network: the bytes are the same.

use constriction::stream::Encode;
use constriction::stream::queue::DefaultRangeEncoder;

use super::{GROUP, LineCoder, TokenObserver};
use crate::network::{Cdf, Device, ExactModel, KnownLines, Slots, Steps};
use crate::text::Token;
use crate::{Error, Result};

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
        Self {
            start: vocabulary.start(),
            symbols: vocabulary.len(),
        }
    }

    fn token(self, line: usize, position: usize) -> Token {
        match position {
            0 => self.start,
            _ => ((7 * line + 5 * position + line * position % 11) % self.symbols) as Token,
        }
    }

    fn tokens(self, position: usize) -> Vec<Token> {
        (0..Self::LINES).map(|line| self.token(line, position)).collect()
    }
}

impl<'a> LineCoder<'a> {
    /// A coder with this model that codes on this device. It decodes on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] or [`Error::Model`] if the device does not serve the model, or does not compute
    /// what the CPU computes.
    pub fn on(device: &Device, model: &'a ExactModel) -> Result<Self> {
        let mut coder = Self::new(model);
        if let Some(mut known) = device.known_lines(model)? {
            coder.compare_known(&mut known)?;
            coder.gpu = Some((device.clone(), known));
        }
        Ok(coder)
    }

    /// Room on a device for `groups` groups of lines that are decoded there, twice, so that one half runs while
    /// the symbols of the other are decoded; none if it is the CPU.
    ///
    /// # Errors
    /// As [`LineCoder::on`].
    pub(crate) fn steps_on(&mut self, device: &Device, groups: usize) -> Result<Option<[Steps; 2]>> {
        let steps = || device.steps(self.model, groups, GROUP);
        let (Some(mut first), Some(mut second)) = (steps()?, steps()?) else {
            return Ok(None);
        };
        self.compare_steps(&mut first)?;
        self.compare_steps(&mut second)?;
        Ok(Some([first, second]))
    }

    /// Holds the sample's slots by the GPU against those by the CPU: an archive that only a broken device can
    /// decode is worse than none.
    fn compare_known(&mut self, known: &mut KnownLines) -> Result<()> {
        let sample = Sample::new(self.model);
        let len = self.model.max_line_len();
        let lines =
            (0..Sample::LINES).map(|line| (0..len + 2).map(move |position| sample.token(line, position)));
        let slotted = known.run(lines)?;
        self.compare(|line, position, cdf| {
            let Slots { left, width } = cdf.slots(sample.token(line, position + 1));
            Ok(slotted.get(line, position) == [left, width.get()])
        })
    }

    /// The same of whole rows, position by position, in the last place.
    fn compare_steps(&mut self, steps: &mut Steps) -> Result<()> {
        let sample = Sample::new(self.model);
        let place = steps.places() - 1;
        let mut reached = None;
        self.compare(|line, position, cdf| {
            if reached != Some(position) {
                reached = Some(position);
                steps.set(place, position, &sample.tokens(position));
                steps.launch()?;
                steps.wait()?;
            }
            Ok(steps.row(place, line) == cdf.0)
        })?;
        steps.leave(place);
        Ok(())
    }

    /// Asks for each line and position of the sample whether the device has the CPU's row there.
    fn compare(&mut self, mut same: impl FnMut(usize, usize, Cdf) -> Result<bool>) -> Result<()> {
        let sample = Sample::new(self.model);
        self.group.start(Sample::LINES);
        for position in 0..=self.model.max_line_len() {
            let cdfs = self.group.step(&sample.tokens(position));
            for line in 0..Sample::LINES {
                if !same(line, position, cdfs.row(line))? {
                    let what = "the GPU does not compute what the CPU computes; please report this";
                    return Err(Error::Device(what.into()));
                }
            }
        }
        Ok(())
    }

    /// Codes the first lines on the GPU, whole groups or all of them, and returns how many: none if there is no
    /// GPU, and less than all if it fails. The bytes are the same.
    pub(super) fn encode_on_gpu(
        &mut self,
        lines: &[&[u8]],
        encoder: &mut DefaultRangeEncoder,
        observer: &mut impl TokenObserver,
    ) -> usize {
        let (model, mut coded) = (self.model, 0);
        let Some((device, known)) = &mut self.gpu else {
            return 0;
        };
        for chunk in lines.chunks(known.most_lines()) {
            let start = model.vocabulary().start();
            let tokens = chunk.iter().map(|line| {
                let rest = (0..=line.len()).map(|position| model.token_at(line, position));
                [start].into_iter().chain(rest)
            });
            let slotted = match known.run(tokens) {
                Ok(slotted) => slotted,
                Err(error) => {
                    device.failed(&error);
                    self.gpu = None;
                    return coded;
                }
            };
            for (group, lines) in chunk.chunks(GROUP).enumerate() {
                let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
                for position in 0..=longest {
                    for (index, line) in lines
                        .iter()
                        .enumerate()
                        .filter(|(_, line)| position <= line.len())
                    {
                        let (line_number, token) = (group * GROUP + index, model.token_at(line, position));
                        let [left, width] = slotted.get(line_number, position);
                        let slots = Slots::new(left, width);
                        observer.token(coded + line_number, position, slots);
                        let coded = encoder.encode_symbol(token, slots);
                        coded.expect("every symbol has a slot and memory does not fail");
                    }
                }
            }
            coded += chunk.len();
        }
        coded
    }
}
