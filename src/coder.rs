//! Between lines and bits: the exact network's probabilities drive a range coder.
//!
//! Lines go in groups of [`GROUP`], in lockstep: for each position, for each line of the group that
//! has not ended, one token. That order is part of the archive format, because it lets a decoder
//! run the network on a whole group at once. The coder itself is constriction's range coder with
//! 32-bit words.

use std::borrow::Borrow;
use std::num::NonZeroU32;

use constriction::stream::model::{DecoderModel, EncoderModel, EntropyModel};
use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode, Encode};

use crate::Result as LibraryResult;
use crate::exact::{Device, ExactModel, Group, KnownLines, PRECISION};
use crate::model::Token;

/// Lines that are coded in lockstep: a constant of the archive format.
pub const GROUP: usize = 64;

/// A row of cumulative probabilities as constriction wants it (see [`crate::exact::Cdfs::row`]).
#[derive(Clone, Copy)]
pub(crate) struct Row<'a>(pub &'a [u32]);

impl Row<'_> {
    #[inline]
    fn slots(&self, symbol: usize) -> (u32, NonZeroU32) {
        let right = self.0.get(symbol + 1).copied().unwrap_or(1 << PRECISION);
        let left = self.0[symbol];
        (
            left,
            NonZeroU32::new(right - left).expect("every symbol has a slot"),
        )
    }
}

impl EntropyModel<PRECISION> for Row<'_> {
    type Symbol = Token;
    type Probability = u32;
}

impl EncoderModel<PRECISION> for Row<'_> {
    #[inline]
    fn left_cumulative_and_probability(&self, symbol: impl Borrow<Token>) -> Option<(u32, NonZeroU32)> {
        Some(self.slots(usize::from(*symbol.borrow())))
    }
}

impl DecoderModel<PRECISION> for Row<'_> {
    /// The last symbol whose slots begin at or before the quantile: as many as do, less one.
    #[inline]
    fn quantile_function(&self, quantile: u32) -> (Token, u32, NonZeroU32) {
        let begun: usize = self
            .0
            .chunks_exact(8)
            .map(|eight| {
                let eight: &[u32; 8] = eight.try_into().expect("eight");
                eight.iter().map(|&left| u32::from(left <= quantile)).sum::<u32>() as usize
            })
            .sum();
        let symbol = begun - 1;
        let (left, probability) = self.slots(symbol);
        (symbol as Token, left, probability)
    }
}

/// The slots of the one symbol that is to be coded: left end and width.
#[derive(Clone, Copy)]
pub(crate) struct Slots(u32, NonZeroU32);

impl Slots {
    /// # Panics
    /// If the width is 0.
    pub fn new(left: u32, width: u32) -> Self {
        Self(left, NonZeroU32::new(width).expect("every symbol has a slot"))
    }
}

impl EntropyModel<PRECISION> for Slots {
    type Symbol = Token;
    type Probability = u32;
}

impl EncoderModel<PRECISION> for Slots {
    #[inline]
    fn left_cumulative_and_probability(&self, _: impl Borrow<Token>) -> Option<(u32, NonZeroU32)> {
        Some((self.0, self.1))
    }
}

/// Sees each token as it is coded. Nothing of the bytes depends on it.
pub trait TokenObserver {
    /// A token of line `line` (of those given, from 0) at `position` (from 0) is coded with the
    /// probability `width` of 2^20.
    fn token(&mut self, line: usize, position: usize, token: Token, width: u32);
}

/// Looks at nothing.
impl TokenObserver for () {
    #[inline]
    fn token(&mut self, _line: usize, _position: usize, _token: Token, _width: u32) {}
}

/// Codes lines and decodes them again. Keeps the network's memory from group to group.
pub struct LineCoder<'a> {
    model: &'a ExactModel,
    group: Group<'a>,
    /// A GPU that runs the network of lines to be coded.
    gpu: Option<(Device, KnownLines)>,
}

/// What a line coder reports of a line that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

impl<'a> LineCoder<'a> {
    /// A coder with this model.
    pub fn new(model: &'a ExactModel) -> Self {
        Self {
            model,
            group: model.group(GROUP),
            gpu: None,
        }
    }

    /// A coder with this model that codes on this device. It decodes on the CPU.
    ///
    /// # Errors
    /// [`crate::Error::Device`] or [`crate::Error::Model`] if the device does not serve the model, or
    /// does not compute what the CPU computes.
    pub fn on(device: &Device, model: &'a ExactModel) -> LibraryResult<Self> {
        let mut coder = Self::new(model);
        if let Some(mut known) = device.known_lines(model)? {
            coder.compare(&mut known)?;
            coder.gpu = Some((device.clone(), known));
        }
        Ok(coder)
    }

    /// Holds some lines' slots by the GPU against those by the CPU: an archive that only a broken device
    /// can decode is worse than none.
    fn compare(&mut self, known: &mut KnownLines) -> LibraryResult<()> {
        const LINES: usize = 16;
        let vocabulary = self.model.vocabulary();
        let (start, len) = (vocabulary.start(), self.model.max_line_len());
        let token = |line: usize, position: usize| match position {
            0 => start,
            _ => ((7 * line + 5 * position + line * position % 11) % vocabulary.len()) as Token,
        };
        let lines = (0..LINES).map(|line| (0..len + 2).map(move |position| token(line, position)));
        let slotted = known.run(lines)?;
        self.group.start(LINES);
        for position in 0..=len {
            let tokens: Vec<Token> = (0..LINES).map(|line| token(line, position)).collect();
            let cdfs = self.group.step(&tokens);
            let same = (0..LINES).all(|line| {
                let (left, width) = Row(cdfs.row(line)).slots(usize::from(token(line, position + 1)));
                slotted.get(line, position) == [left, width.get()]
            });
            if !same {
                let what = "the GPU does not compute what the CPU computes: use --device cpu, and please report this";
                return Err(crate::Error::Device(what.into()));
            }
        }
        Ok(())
    }

    /// Whether a line (without its newline) fits the model's grammar: its characters are in the
    /// vocabulary and they are no more than it has positions for.
    pub fn fits(&self, line: &[u8]) -> bool {
        let vocabulary = self.model.vocabulary();
        line.len() <= self.model.max_line_len() && line.iter().all(|&c| vocabulary.token(c).is_some())
    }

    /// Codes lines that fit, without their newlines.
    ///
    /// # Panics
    /// If a line does not fit.
    pub fn encode(&mut self, lines: &[&[u8]]) -> Vec<u32> {
        self.encode_observed(lines, &mut ())
    }

    /// As [`LineCoder::encode`], while somebody looks on.
    ///
    /// # Panics
    /// As there.
    pub fn encode_observed(&mut self, lines: &[&[u8]], observer: &mut impl TokenObserver) -> Vec<u32> {
        let mut encoder = DefaultRangeEncoder::new();
        let coded = self.encode_on_gpu(lines, &mut encoder, observer);
        self.encode_on_cpu(coded, &lines[coded..], &mut encoder, observer);
        encoder.into_compressed().expect("memory does not fail")
    }

    /// Codes lines, `first` of which came before.
    fn encode_on_cpu(
        &mut self,
        first: usize,
        lines: &[&[u8]],
        encoder: &mut DefaultRangeEncoder,
        observer: &mut impl TokenObserver,
    ) {
        let vocabulary = self.model.vocabulary();
        let mut tokens = Vec::with_capacity(GROUP);
        for (group, lines) in lines.chunks(GROUP).enumerate() {
            self.group.start(lines.len());
            tokens.clear();
            tokens.resize(lines.len(), vocabulary.start());
            let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
            for position in 0..=longest {
                let cdfs = self.group.step(&tokens);
                for (index, (line, token)) in lines.iter().zip(&mut tokens).enumerate() {
                    if position > line.len() {
                        continue;
                    }
                    *token = self.model.token_at(line, position);
                    let (left, width) = Row(cdfs.row(index)).slots(usize::from(*token));
                    observer.token(first + group * GROUP + index, position, *token, width.get());
                    let coded = encoder.encode_symbol(*token, Slots(left, width));
                    coded.expect("every symbol has a slot and memory does not fail");
                }
            }
        }
    }

    /// Codes the first lines on the GPU, whole groups or all of them, and returns how many: none if there is no
    /// GPU, and less than all if it fails. The bytes are the same.
    fn encode_on_gpu(
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
                        observer.token(coded + line_number, position, token, width);
                        let coded = encoder.encode_symbol(token, Slots::new(left, width));
                        coded.expect("every symbol has a slot and memory does not fail");
                    }
                }
            }
            coded += chunk.len();
        }
        coded
    }

    /// Decodes `count` lines and calls `line_done` with each, `terminator` behind it.
    ///
    /// # Errors
    /// [`Undecodable`] if the words are not what [`LineCoder::encode`] writes, as far as that shows,
    /// or if the text would grow beyond `limit` bytes.
    pub fn decode(
        &mut self,
        words: &[u32],
        count: usize,
        terminator: &[u8],
        limit: usize,
        mut line_done: impl FnMut(&[u8]),
    ) -> Result<(), Undecodable> {
        let Ok(mut decoder) = DefaultRangeDecoder::for_compressed(&words);
        let mut lines = vec![Vec::new(); GROUP.min(count)];
        let (mut left, mut total) = (count, 0);
        while left > 0 {
            lines.truncate(left);
            self.decode_group(&mut decoder, &mut lines)?;
            for line in &mut lines {
                line.extend_from_slice(terminator);
                total += line.len();
                if total > limit {
                    return Err(Undecodable);
                }
                line_done(line);
            }
            left -= lines.len();
        }
        if decoder.maybe_exhausted() {
            Ok(())
        } else {
            Err(Undecodable)
        }
    }

    /// Decodes the characters of a group of lines into `lines`.
    fn decode_group(&mut self, decoder: &mut Decoder, lines: &mut [Vec<u8>]) -> Result<(), Undecodable> {
        let vocabulary = self.model.vocabulary();
        let (start, end) = (vocabulary.start(), vocabulary.end());
        let mut tokens = vec![start; lines.len()];
        lines.iter_mut().for_each(Vec::clear);
        self.group.start(lines.len());
        let mut going = lines.len();
        for _ in 0..=self.model.max_line_len() {
            let cdfs = self.group.step(&tokens);
            for (index, (token, line)) in tokens.iter_mut().zip(&mut *lines).enumerate() {
                if *token == end {
                    continue;
                }
                *token = decoder
                    .decode_symbol(Row(cdfs.row(index)))
                    .map_err(|_| Undecodable)?;
                if *token == end {
                    going -= 1;
                } else {
                    line.push(vocabulary.character(*token).ok_or(Undecodable)?);
                }
            }
            if going == 0 {
                return Ok(());
            }
        }
        Err(Undecodable)
    }
}

type Decoder<'a> = DefaultRangeDecoder<constriction::backends::Cursor<u32, &'a [u32]>>;
