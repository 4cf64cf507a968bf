//! A look at the lines that are to come: what symbols they need, how long they are, how many.

use super::settings::Settings;
use crate::Result;
use crate::model::{GptConfig, Preset};
use crate::text::Vocabulary;

/// The longest line that is looked at; longer ones are never a learner's.
const LONGEST: usize = 255;
/// Of symbols, and of long lines, a learner leaves aside what less than this part of all lines has.
const RARE: u64 = 2000;

/// What was seen of some text.
#[derive(Clone)]
pub struct Survey {
    /// The line that is not yet whole, as far as a learner could take it.
    line: Vec<u8>,
    lines: u64,
    crlf: u64,
    /// Lines of each length, and lines with each byte.
    lengths: [u64; LONGEST + 1],
    with: [u64; 256],
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            line: Vec::new(),
            lines: 0,
            crlf: 0,
            lengths: [0; LONGEST + 1],
            with: [0; 256],
        }
    }
}

impl Survey {
    /// Looks at the next bytes.
    pub fn update(&mut self, text: &[u8]) {
        for part in text.split_inclusive(|&b| b == b'\n') {
            let (part, ends) = match part.split_last() {
                Some((b'\n', part)) => (part, true),
                _ => (part, false),
            };
            // One byte more than a line may have tells that it is too long, another that a
            // carriage return ended it.
            let room = LONGEST + 2 - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.lines += 1;
        if self.line.last() == Some(&b'\r') {
            self.crlf += 1;
            self.line.pop();
        }
        if let Some(lines) = self.lengths.get_mut(self.line.len()) {
            *lines += 1;
            let mut seen = [false; 256];
            for &byte in &self.line {
                if !std::mem::replace(&mut seen[usize::from(byte)], true) {
                    self.with[usize::from(byte)] += 1;
                }
            }
        }
        self.line.clear();
    }

    /// Lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The shape of a network for these lines.
    pub(crate) fn config(&self, preset: Preset) -> GptConfig {
        let is_common = |count: u64| count > 0 && count * RARE >= self.lines;
        let mut behind = 0;
        let longest = (1..=LONGEST).rev().find(|&len| {
            behind += self.lengths[len];
            is_common(behind)
        });
        let mut with = self.with;
        if self.crlf > 0 && 2 * self.crlf <= self.lines {
            with[usize::from(b'\r')] += self.crlf;
        }
        let mut used: Vec<u8> = (0..=255u8).filter(|&b| is_common(with[usize::from(b)])).collect();
        let addition = Vocabulary::addition();
        let vocabulary = match used.iter().all(|&b| addition.token(b).is_some()) {
            true => addition,
            false => {
                // Two bytes are left for start and end; the rarest symbols give way.
                used.sort_by_key(|&b| (std::cmp::Reverse(with[usize::from(b)]), b));
                used.truncate(254);
                used.sort_unstable();
                let mut free = (0..=255u8).filter(|b| *b != b'\n' && used.binary_search(b).is_err());
                let (start, end) = (free.next().expect("one is left"), free.next());
                // A newline is no symbol of a line, so 254 symbols leave at least one byte.
                match end {
                    Some(end) => special(&used, start, end),
                    None => special(&used[1..], start, used[0]),
                }
            }
        };
        let longest = longest.unwrap_or(0).max(1);
        GptConfig::with_vocabulary(preset, longest + 1, &vocabulary)
    }

    /// Settings for all of these lines, if they are `whole`, or for what begins with them: short
    /// files get smaller batches, which is more steps.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] if memory does not do for the preset.
    pub(crate) fn settle(
        &self,
        mut settings: Settings,
        batch_lines: Option<usize>,
        whole: bool,
    ) -> Result<Settings> {
        if whole {
            settings.batch_lines = match self.lines {
                0..4_000 => 8,
                4_000..12_000 => 16,
                _ => settings.batch_lines,
            };
        }
        settings.batch_lines = batch_lines.unwrap_or(settings.batch_lines);
        settings.fit_block()?;
        let batches = self.lines.div_ceil(settings.batch_lines as u64);
        if whole {
            settings.steps = (batches * (1 + u64::from(settings.replay))).max(1);
            // A short file has no time for a long warm-up.
            let warmup = u64::from(settings.warmup).min(settings.steps / 8);
            settings.warmup = warmup as u32;
        }
        Ok(settings)
    }
}

fn special(used: &[u8], start: u8, end: u8) -> Vocabulary {
    let symbols = [used, &[start, end]].concat();
    Vocabulary::new(&symbols, start, end).expect("each stands once, and none is a newline")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(text: &[u8]) -> Survey {
        let mut survey = Survey::default();
        text.chunks(7).for_each(|part| survey.update(part));
        survey
    }

    #[test]
    fn sums_take_the_addition_vocabulary() {
        let config = survey(b"1+2=3\r\n10+2=12\r\n").config(Preset::Pico);
        assert_eq!((config.vocab.as_str(), config.block_size), ("0123456789se+=", 8));
        assert_eq!(survey(b"").config(Preset::Pico).block_size, 2);
    }

    #[test]
    fn rare_symbols_and_lengths_are_left_aside() {
        let mut text = b"ab\n".repeat(5000);
        text.extend(b"odd and long\n");
        let config = survey(&text).config(Preset::Pico);
        assert_eq!(config.block_size, 3);
        assert_eq!(config.vocab_size, 4);
        assert_eq!(survey(&text[14_000..]).config(Preset::Pico).block_size, 13);
    }

    #[test]
    fn every_byte_at_once() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        for _ in 0..3 {
            text.extend(&all);
            text.push(b'\n');
        }
        let config = survey(&text).config(Preset::Pico);
        assert!(config.vocabulary().is_ok());
        let long = vec![b'x'; 3000];
        assert_eq!(survey(&long).lines(), 0);
    }
}
