//! Lines on their way out of a range coder. Between two positions the decoder stands still, so that one thread
//! can lead those of many blocks side by side while a GPU runs the network.

use constriction::backends::Cursor;
use constriction::stream::Decode;
use constriction::stream::queue::DefaultRangeDecoder;

use super::{GROUP, Undecodable};
use crate::network::{Cdf, ExactModel};
use crate::text::Token;

/// What text is to be decoded.
#[derive(Clone, Copy)]
pub(crate) struct TextLimits<'t> {
    /// Lines.
    pub count: usize,
    /// What ends each.
    pub terminator: &'t [u8],
    /// Bytes that it may have, all in all.
    pub bytes: usize,
}

/// Decodes lines group by group, position by position. For each position somebody runs the network on
/// [`LineDecoder::next`]'s tokens and hands the rows to [`LineDecoder::take`].
pub(crate) struct LineDecoder<'t, W: AsRef<[u32]>> {
    decoder: DefaultRangeDecoder<Cursor<u32, W>>,
    start: Token,
    terminator: &'t [u8],
    /// Lines behind those of the group.
    left: usize,
    /// Bytes of text that may still come.
    room: usize,
    /// The group's lines so far, and the token of each that the network takes next.
    lines: Vec<Vec<u8>>,
    tokens: Vec<Token>,
    /// Lines of the group that have not ended.
    going: usize,
    position: usize,
}

impl<'t, W: AsRef<[u32]>> LineDecoder<'t, W> {
    /// Before the first position of the first group.
    pub fn new(words: W, model: &ExactModel, text: TextLimits<'t>) -> Self {
        let Ok(decoder) = DefaultRangeDecoder::from_compressed(words);
        let mut lines = Self {
            decoder,
            start: model.vocabulary().start(),
            terminator: text.terminator,
            left: text.count,
            room: text.bytes,
            lines: vec![Vec::new(); GROUP.min(text.count)],
            tokens: Vec::with_capacity(GROUP),
            going: 0,
            position: 0,
        };
        lines.next_group();
        lines
    }

    fn next_group(&mut self) {
        self.lines.truncate(self.left);
        self.lines.iter_mut().for_each(Vec::clear);
        self.going = self.lines.len();
        self.left -= self.going;
        self.tokens.clear();
        self.tokens.resize(self.going, self.start);
        self.position = 0;
    }

    /// The next position of the group and the token there of each of its lines; none behind the last group. Of
    /// lines that have ended, any token does.
    pub fn next(&self) -> Option<(usize, &[Token])> {
        (!self.tokens.is_empty()).then_some((self.position, &self.tokens))
    }

    /// Takes what the network made of the tokens: a row of cumulative probabilities for each line. Lines go to
    /// `line_done`, with what ends them, when their group is whole.
    ///
    /// # Errors
    /// [`Undecodable`]: there is no going on then.
    #[inline]
    pub fn take<'r>(
        &mut self,
        model: &ExactModel,
        row: impl Fn(usize) -> Cdf<'r>,
        mut line_done: impl FnMut(&[u8]),
    ) -> Result<(), Undecodable> {
        let vocabulary = model.vocabulary();
        let end = vocabulary.end();
        for (index, (token, line)) in self.tokens.iter_mut().zip(&mut self.lines).enumerate() {
            if *token == end {
                continue;
            }
            let decoded = self.decoder.decode_symbol(row(index));
            *token = decoded.map_err(|_| Undecodable)?;
            if *token == end {
                self.going -= 1;
            } else {
                line.push(vocabulary.character(*token).ok_or(Undecodable)?);
            }
        }
        self.position += 1;
        if self.going == 0 {
            for line in &mut self.lines {
                line.extend_from_slice(self.terminator);
                self.room = self.room.checked_sub(line.len()).ok_or(Undecodable)?;
                line_done(line);
            }
            self.next_group();
        } else if self.position > model.max_line_len() {
            return Err(Undecodable);
        }
        Ok(())
    }

    /// Behind the last group: whether the words end there too, as far as that shows.
    ///
    /// # Errors
    /// [`Undecodable`] if not.
    pub fn finish(&self) -> Result<(), Undecodable> {
        match self.decoder.maybe_exhausted() {
            true => Ok(()),
            false => Err(Undecodable),
        }
    }
}
