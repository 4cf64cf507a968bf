//! A GPU that runs the exact network for known lines, far ahead of the groups that are coded. The bytes are the same.
//! Before it is trusted it is compared with the CPU; if it fails, the CPU goes on.

use std::{array, iter, mem};

use super::GROUP;
use super::decoder::{GroupText, TextLimits};
use super::encoder::encode;
use super::known_group::KnownGroup;
use super::predictor::Predictor;
use crate::network::{Cdfs, CodedLines, Device, ExactModel, Group, KnownLines, Slots, TILE_LINES};
use crate::text::{Token, Vocabulary};
use crate::{Error, Result};

/// Groups of lines that go to a GPU at a time.
const KNOWN_GROUPS: usize = 128;

/// A predictor that codes on this device; on the CPU if that fails.
pub(crate) fn predictor_on<'a>(device: &Device, model: &'a ExactModel) -> Box<dyn Predictor + 'a> {
    predictor_of_batches(device, model, KNOWN_GROUPS)
}

/// The same with so many groups in a batch.
fn predictor_of_batches<'a>(
    device: &Device,
    model: &'a ExactModel,
    groups: usize,
) -> Box<dyn Predictor + 'a> {
    let batch = || {
        device.place(model, |gpu, network| {
            let mut gpu = KnownLines::new(gpu, network, groups, GROUP)?;
            compare_known(model, &mut gpu)?;
            Ok(Batch { gpu, lines: 0 })
        })
    };
    let group = model.group(GROUP);
    match batch().zip(batch()) {
        None => Box::new(group),
        Some((now, next)) => Box::new(RunAhead {
            group,
            device: device.clone(),
            batches: Some([now, next]),
            present: 0,
            served: 0,
        }),
    }
}

/// Room on a device for two batches of `count` blocks of up to `lines` lines, each of which it decodes together; none if it is
/// the CPU, or does not serve.
pub(crate) fn coded_lines_on(
    device: &Device,
    model: &ExactModel,
    count: usize,
    lines: usize,
) -> Option<[CodedLines; 2]> {
    let batch = || {
        device.place(model, |gpu, network| {
            let symbols = [model.vocabulary().start(), model.vocabulary().end()];
            let mut gpu = CodedLines::new(gpu, network, symbols, count, lines)?;
            compare_coded(model, &mut gpu)?;
            Ok(gpu)
        })
    };
    Some([batch()?, batch()?])
}

/// Known lines by a GPU, all others on the CPU.
struct RunAhead<'a> {
    group: Group<'a>,
    device: Device,
    /// One that is coded while the device runs the other; none once it has failed.
    batches: Option<[Batch; 2]>,
    /// The first line of the present group in the batch that is coded, and of the next.
    present: usize,
    served: usize,
}

/// Lines that a device runs together.
struct Batch {
    gpu: KnownLines,
    /// How many, 0 behind the last of a block.
    lines: usize,
}

impl Batch {
    /// Has the device run as many of the lines as there is room for.
    fn launch(&mut self, vocabulary: &Vocabulary, lines: &[&[u8]]) -> Result<()> {
        self.lines = lines.len().min(self.gpu.most_lines());
        if self.lines == 0 {
            return Ok(());
        }
        let tokens = lines[..self.lines].iter();
        let tokens = tokens.map(|line| iter::once(vocabulary.start()).chain(vocabulary.line_tokens(line)));
        Ok(self.gpu.launch(tokens)?)
    }
}

/// Goes on to the next batch, with which these lines begin, and launches the one behind it.
fn advance([now, next]: &mut [Batch; 2], vocabulary: &Vocabulary, known: &[&[u8]]) -> Result<()> {
    mem::swap(now, next);
    if now.lines == 0 {
        now.launch(vocabulary, known)?;
    }
    now.gpu.wait()?;
    next.launch(vocabulary, &known[now.lines..])
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
        if let Some(batches) = &mut self.batches
            && batches[0].lines == self.served
        {
            self.served = 0;
            if let Err(error) = advance(batches, self.group.model().vocabulary(), known) {
                self.device.failed(&error);
                self.batches = None;
            }
        }
        if self.batches.is_none() {
            return self.group.begin_known(lines, known);
        }
        self.present = self.served;
        self.served += lines;
    }

    fn step_known(&mut self, position: usize, group: &mut KnownGroup, slots: &mut [Slots]) {
        let Some([batch, _]) = &self.batches else {
            return self.group.step_known(position, group, slots);
        };
        let is_full = group.all_have(position);
        let found = batch.gpu.group_slots(self.present / GROUP, position);
        for (line, (slots, &[left, width])) in slots.iter_mut().zip(found).enumerate() {
            if is_full || group.has(position, line) {
                *slots = Slots::new(left, width);
            }
        }
    }
}

/// Lines that a device has to compute as the CPU does before it is used: a tile.
const SAMPLE_LINES: usize = TILE_LINES;

/// Their tokens at each position, and behind the last one: all symbols in some order.
fn sample(model: &ExactModel) -> Vec<[Token; SAMPLE_LINES]> {
    let vocabulary = model.vocabulary();
    let token = |line: usize, position: usize| {
        if position == 0 {
            return vocabulary.start();
        }
        ((7 * line + 5 * position + line * position % 11) % vocabulary.len()) as Token
    };
    (0..model.max_line_len() + 2).map(|position| array::from_fn(|line| token(line, position))).collect()
}

/// Holds the sample's slots by the GPU against those by the CPU: an archive that only a broken device can decode is
/// worse than none.
fn compare_known(model: &ExactModel, known: &mut KnownLines) -> Result<()> {
    let sample = sample(model);
    known.launch((0..SAMPLE_LINES).map(|line| sample.iter().map(move |tokens| tokens[line])))?;
    known.wait()?;
    let mut group = model.group(SAMPLE_LINES);
    group.start(SAMPLE_LINES);
    for (position, [tokens, next]) in sample.array_windows().enumerate() {
        let (cdfs, found) = (group.step(tokens), known.group_slots(0, position));
        for (line, (&token, found)) in next.iter().zip(found).enumerate() {
            let Slots { left, width } = cdfs.row(line).slots(token);
            if *found != [left, width.get()] {
                return Err(different());
            }
        }
    }
    Ok(())
}

/// Has the GPU decode the sample's characters, in lines of all lengths.
fn compare_coded(model: &ExactModel, coded: &mut CodedLines) -> Result<()> {
    let sample = sample(model);
    let line = |line: usize| {
        let len = model.max_line_len() * (line + 1) / SAMPLE_LINES;
        let characters =
            sample[1..=len].iter().filter_map(move |tokens| model.vocabulary().character(tokens[line]));
        characters.collect::<Vec<u8>>()
    };
    let lines: Vec<Vec<u8>> = (0..SAMPLE_LINES).map(line).collect();
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let words = encode(&mut model.group(GROUP), &lines, |_, _, _| {});
    coded.launch([(&words[..], lines.len())].into_iter())?;
    coded.wait()?;
    let mut found = Vec::new();
    let limits = TextLimits { lines: lines.len(), terminator: b"", bytes: usize::MAX };
    if let Some(tokens) = coded.decoded(0)? {
        // What it is missing shows below.
        let _ =
            GroupText::new(model.vocabulary()).join_groups(tokens, limits, |line| found.push(line.to_vec()));
    }
    if found == lines { Ok(()) } else { Err(different()) }
}

/// The error of a device that computes something else than the CPU.
fn different() -> Error {
    Error::Device("the GPU does not compute what the CPU computes; please report this".into())
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use super::*;
    use crate::model::Models;
    use crate::network::{DeviceChoice, gpu};

    /// Blocks of less than a batch, of whole batches, and of more, one behind another.
    #[test]
    fn batches_of_a_gpu_are_the_lines_of_the_cpu() {
        if gpu().is_none() {
            return;
        }
        let device = Device::open(DeviceChoice::Cuda(0)).unwrap();
        let models = Models::bundled();
        let model = models.default_model().exact();
        let text = include_bytes!("../../corpora/uniform-8-10k.txt");
        let lines = text.split(|&b| b == b'\n').zip((0..5).cycle()).take(200);
        let lines: Vec<&[u8]> = lines.map(|(line, without)| &line[..line.len() - without]).collect();
        let mut gpu = predictor_of_batches(&device, model, 1);
        let mut cpu = model.group(GROUP);
        for block in [3, 64, 65, 192, 130] {
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            let words = encode(&mut *gpu, &lines[..block], |line, position, slots| {
                found.push((line, position, slots))
            });
            let told = |line, position, slots| expected.push((line, position, slots));
            assert_eq!(words, encode(&mut cpu, &lines[..block], told), "{block} lines");
            assert_eq!(found, expected, "{block} lines");
        }
        assert_eq!(device.failure(), None);
    }
}
