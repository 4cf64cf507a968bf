//! A self-test that anyone can run: every kind of block with every bundled model, a learner and a training, compared
//! with built-in hashes.
//!
//! The promise is the same bytes on every machine. Each of the [`CASES`] computes bytes whose hash is known, on a
//! [`Target`]: a kernel of the processor, or a GPU. The hash of all hashes ([`combined`]) is one for all machines.

use std::io::{Read, Write};
use std::sync::Arc;

use crate::archive::{CompressOptions, Compressor, DecompressOptions, Decompressor, LearnOptions, LineRange};
use crate::learner::optim::{Arithmetic, Moments, Optimiser, OptimiserSettings};
use crate::learner::{Backprop, Learner, LearnerSettings};
use crate::model::{GptConfig, Identity, Model, Models, Preset, Shape};
use crate::network::{Device, Isa};
use crate::text::{Additions, Distribution, LineBatch, Operands, lines_of};
use crate::{Error, Result};

/// Lines of a model's case.
const MODEL_LINES: usize = 250;
/// Lines of the learner's case: some hundred steps.
const LEARNER_LINES: usize = 4200;
/// Steps of a training, and the lines of each.
const STEPS: usize = 30;
const STEP_LINES: usize = 32;

/// The model of the cases that are not about models.
const SMALL_MODEL: &str = "pico-uniform";

/// Something to compute whose hash is known.
#[derive(Debug)]
pub struct Case {
    /// What is tested, in a few words.
    pub name: &'static str,
    /// The first 16 hexadecimal digits of the right result's BLAKE3.
    pub expected: &'static str,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// An archive of lines and exceptions by the bundled model of the case's name.
    Model,
    /// Blocks that no model codes, in archives behind each other.
    Stored,
    /// An archive that carries its model, read from the middle.
    Embedded,
    /// An archive that is coded while learning.
    Learner,
    /// Steps of a training; with weights and activations rounded, or not.
    Training { rounded: bool },
}

const fn case(name: &'static str, expected: &'static str, work: Work) -> Case {
    Case { name, expected, work }
}

/// All cases, in the order in which they are shown.
pub static CASES: [Case; 13] = [
    case("tiny-uniform", "74f4b93e59f4dbb2", Work::Model),
    case("tiny-leading", "99ecfe5bc6aa558a", Work::Model),
    case("tiny-natural", "192bcb14b8a34c14", Work::Model),
    case("lite-uniform", "b48e4e951a48566b", Work::Model),
    case("lite-leading", "08f2b5bab6c24bce", Work::Model),
    case("pico-uniform", "3e33d5af31fb95d4", Work::Model),
    case("pico-leading", "4158747ff7e9aef2", Work::Model),
    case("nano-uniform", "a9cb8b5cb028cfe2", Work::Model),
    case("stored blocks", "3f6aa90d0755ebca", Work::Stored),
    case("embedded model", "6a924820de18094f", Work::Embedded),
    case("learning", "fbd8a354ec8ea88b", Work::Learner),
    case("training", "788dafd1951a7eef", Work::Training { rounded: false }),
    case("training, rounded", "360e2a253fdc1c29", Work::Training { rounded: true }),
];

/// Where cases run.
pub struct Target {
    isa: Isa,
    device: Device,
    models: Models,
}

impl Target {
    /// A kernel of this processor.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it has no such kernel.
    pub fn kernel(isa: Isa) -> Result<Self> {
        let isa = isa.available()?;
        Ok(Self { isa, device: Device::CPU, models: Models::unshared() })
    }

    /// A GPU, beside the processor's default kernel.
    pub fn gpu(device: Device) -> Self {
        Self { isa: Isa::default(), device, models: Models::unshared() }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.device.is_cpu() { self.isa.fmt(f) } else { self.device.fmt(f) }
    }
}

impl Case {
    /// Whether the models that it needs are there: all are, but where models are given to the library at run time.
    pub fn is_runnable(&self) -> bool {
        let needed = match self.work {
            Work::Model => self.name,
            Work::Stored | Work::Embedded => SMALL_MODEL,
            Work::Learner | Work::Training { .. } => return true,
        };
        Models::bundled().by_name(needed).is_some()
    }

    /// The hash of what this computes on a target; none if it is nothing for a GPU.
    ///
    /// # Errors
    /// What failed: a round trip whose end is not its beginning, most of all.
    pub fn run(&self, target: &Target) -> Result<Option<Identity>> {
        let on_cpu = target.device.is_cpu();
        let bytes = target.isa.as_default(|| match self.work {
            Work::Model => target.model_archive(self.name).map(Some),
            Work::Embedded => target.embedded().map(Some),
            Work::Stored if on_cpu => target.stored().map(Some),
            Work::Learner if on_cpu => target.learned().map(Some),
            Work::Training { rounded } if on_cpu => trained(rounded).map(Some),
            _ => Ok(None),
        })?;
        match target.device.failure() {
            Some(failure) => Err(Error::Device(failure.to_owned())),
            None => Ok(bytes.map(|bytes| Identity(*blake3::hash(&bytes).as_bytes()))),
        }
    }
}

/// One hash of the hashes of all cases.
pub fn combined(hashes: &[Identity]) -> Identity {
    let mut hasher = blake3::Hasher::new();
    hashes.iter().for_each(|hash| _ = hasher.update(&hash.0));
    Identity(*hasher.finalize().as_bytes())
}

impl Target {
    fn model(&self, name: &str) -> &Arc<Model> {
        self.models.by_name(name).expect("the cases name bundled models")
    }

    fn options(&self, model: &Arc<Model>) -> CompressOptions {
        CompressOptions::default().with_coder(model).with_device(self.device.clone())
    }

    fn model_archive(&self, name: &str) -> Result<Vec<u8>> {
        let operands = match name {
            name if name.ends_with("-uniform") => Operands::Uniform,
            name if name.ends_with("-leading") => Operands::Leading,
            _ => Operands::Natural,
        };
        let mut content = sums(8, operands, MODEL_LINES);
        content.extend_from_slice(b"\n1+1=2\r\nno sum, and not a character of it is known\n17+4=21");
        self.round_trip(&content, self.options(self.model(name)))
    }

    fn stored(&self) -> Result<Vec<u8>> {
        let repeated = b"every line the same, so that zstd has little to write\n".repeat(100);
        let mut random = vec![0; 3000];
        blake3::Hasher::new().finalize_xof().fill(&mut random);
        let contents = [Vec::new(), repeated, random];
        let options = || self.options(self.model(SMALL_MODEL));
        let mut archives = Vec::new();
        for content in &contents {
            archives.extend(self.round_trip(content, options())?);
        }
        same(&contents.concat(), &self.restored(&archives, LineRange::ALL)?)?;
        Ok(archives)
    }

    fn embedded(&self) -> Result<Vec<u8>> {
        let content = sums(8, Operands::Uniform, MODEL_LINES);
        let archive =
            self.round_trip(&content, self.options(self.model(SMALL_MODEL)).with_embed_model(true))?;
        let middle: Vec<u8> =
            content.split_inclusive(|&c| c == b'\n').skip(99).take(3).flatten().copied().collect();
        same(&middle, &self.restored(&archive, LineRange::new(100, 102)?)?)?;
        Ok(archive)
    }

    fn learned(&self) -> Result<Vec<u8>> {
        let coder = LearnOptions::default().with_preset(Preset::Pico).with_batch_lines(8).with_replay(1);
        let content = sums(2, Operands::Uniform, LEARNER_LINES);
        self.round_trip(&content, CompressOptions::default().with_coder(coder))
    }

    /// The archive of a content, once it was seen to give the content back.
    fn round_trip(&self, content: &[u8], options: CompressOptions) -> Result<Vec<u8>> {
        let mut compressor = Compressor::with_options(Vec::new(), options)?;
        compressor.write_all(content).map_err(Error::from_io)?;
        let archive = compressor.finish()?.output;
        same(content, &self.restored(&archive, LineRange::ALL)?)?;
        Ok(archive)
    }

    fn restored(&self, archive: &[u8], lines: LineRange) -> Result<Vec<u8>> {
        let options = DecompressOptions::default().with_models(self.models.clone());
        let options = options.with_device(self.device.clone()).with_lines(lines);
        let mut content = Vec::new();
        Decompressor::with_options(archive, options)?.read_to_end(&mut content).map_err(Error::from_io)?;
        Ok(content)
    }
}

fn sums(digits: u32, operands: Operands, lines: usize) -> Vec<u8> {
    let distribution = Distribution::new(digits, operands).expect("digits within range");
    Additions::new(distribution, 1).text(lines)
}

fn same(expected: &[u8], found: &[u8]) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    Err(Error::damaged("what was decoded is not what was coded", format!("content byte {at}")))
}

/// The parameters of a network after some steps of AdamW, as little-endian bytes.
fn trained(rounded: bool) -> Result<Vec<u8>> {
    let distribution = Distribution::new(3, Operands::Uniform)?;
    let config = GptConfig::addition(Preset::Pico, distribution.max_line_len() + 1);
    let (shape, vocabulary) = (Shape::supported(&config)?, config.vocabulary()?);
    let rule = OptimiserSettings {
        beta1: 0.9,
        beta2: 0.95,
        weight_decay: 0.1,
        clip: 1.0,
        embedding_rate: 1.0,
        muon: None,
        arithmetic: Arithmetic::Training,
    };
    let mut optimiser = Optimiser::new(&shape, rule, Isa::default());
    let start = Learner::new(&LearnerSettings::new(config.clone()), 1)?.checkpoint()?;
    let mut parameters = shape.flatten(&start);
    let mut moments = Moments::new(parameters.len());
    let mut backprop = if rounded { Backprop::rounded(&config)? } else { Backprop::new(&config)? };
    let text = sums(3, Operands::Uniform, STEPS * STEP_LINES);
    let lines: Vec<&[u8]> = lines_of(&text).collect();
    for batch in lines.chunks(STEP_LINES) {
        backprop.load_parameters(&parameters);
        backprop.differentiate(&LineBatch::new(batch.iter().copied(), &vocabulary, config.block_size)?);
        optimiser.step(5e-3, &mut moments, &mut parameters, backprop.gradient());
    }
    Ok(parameters.iter().flat_map(|value| value.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{BlockKind, Index};

    #[test]
    fn there_is_a_block_of_every_kind_and_of_every_bundled_model() {
        let target = Target::kernel(Isa::best()).unwrap();
        let kinds = |archive: Vec<u8>| -> Vec<BlockKind> {
            let index = Index::read(&mut Cursor::new(archive)).unwrap();
            index.archives.iter().flat_map(|archive| archive.blocks.iter().map(|block| block.kind)).collect()
        };
        assert_eq!(kinds(target.stored().unwrap()), [BlockKind::Zstd, BlockKind::Raw]);
        assert!(kinds(target.learned().unwrap()).contains(&BlockKind::Learned));
        for model in Models::bundled().iter() {
            let case = CASES.iter().find(|case| case.name == model.name()).expect("a case for each");
            assert!(matches!(case.work, Work::Model));
            assert_eq!(kinds(target.model_archive(model.name()).unwrap()), [BlockKind::Modelled]);
        }
    }
}
