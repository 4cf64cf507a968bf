//! Whether a corpus looks drawn from one of the three distributions, so that its entropy is known.
//!
//! Three things must hold. Every line is one that the distribution can draw: operands in range, their
//! right sum. The digits of each slot are uniform. They are independent: of the other slots of the
//! line, and of the same slot one line before (otherwise `a+a=…`, sorted lines and repeated ones would
//! pass). The last two are χ² statistics; far too small is as suspicious as far too large (a list of
//! all lines, each once). What is recognised this way is not proven; but a deviation that is worth
//! more than [`Recognised::resolution`] bits a line would have shown.

mod chi;

use super::{Distribution, MAX_DIGITS, Operands, lines_of};
use chi::{Deviation, Table};

/// Fewer lines than this say too little.
const MIN_LINES: u64 = 100;
/// Standard deviations beyond which chance is no explanation.
const LIMIT: f64 = 6.0;

/// Reads lines and says in the end what they were drawn from.
#[derive(Clone, Default)]
pub(crate) struct Recogniser {
    lines: u64,
    /// How lines end: of all so far, with `\r\n`.
    crlf: u64,
    digits: u32,
    /// For each distribution the first line that it cannot draw, and its text.
    refused: [Option<(u64, Vec<u8>)>; 3],
    counts: Option<Box<Counts>>,
}

/// What a corpus was recognised as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recognised {
    pub distribution: Distribution,
    /// Deviations of digits, of pairs of slots and of neighbouring lines, in standard deviations.
    pub deviations: [f64; 3],
    /// What a deviation is worth that just would not do, bits a line.
    pub resolution: f64,
}

/// How often digits stand in slots: the digits of both operands, first to last.
#[derive(Clone)]
struct Counts {
    slots: Vec<Table<10>>,
    /// All pairs of slots: (0, 1), (0, 2), (1, 2), (0, 3), …
    pairs: Vec<Table<100>>,
    /// Each slot and the same one line before.
    lags: Vec<Table<100>>,
    before: Vec<u8>,
}

impl Recogniser {
    /// Reads the lines of a block.
    pub fn read(&mut self, content: &[u8]) {
        for line in lines_of(content) {
            if self.is_hopeless() {
                return;
            }
            self.line(line);
        }
    }

    /// Takes what another one read of the lines that follow.
    pub fn append(&mut self, later: &Self) {
        if self.lines == 0 {
            *self = later.clone();
            return;
        }
        let other_digits = later.digits != self.digits && later.lines > 0;
        for (refused, later) in self.refused.iter_mut().zip(&later.refused) {
            if let (None, Some((line, text))) = (&refused, later) {
                *refused = Some((self.lines + line, text.clone()));
            } else if refused.is_none() && other_digits {
                *refused = Some((self.lines, b"operands of other lengths".to_vec()));
            }
        }
        self.lines += later.lines;
        self.crlf += later.crlf;
        if let (Some(counts), Some(later)) = (&mut self.counts, &later.counts)
            && !other_digits
        {
            counts.append(later);
        }
    }

    /// What the lines were drawn from, or why that is not known.
    pub fn conclude(&self) -> Result<Recognised, String> {
        if self.lines == 0 {
            return Err("there are no lines".into());
        }
        let all = Operands::ALL.iter().zip(&self.refused);
        let mut candidates = all.filter(|(_, refused)| refused.is_none()).peekable();
        if candidates.peek().is_none() {
            return Err(self.refusal());
        }
        if self.crlf != 0 && self.crlf != self.lines {
            return Err("some lines end in \\r\\n and some do not".into());
        }
        if self.lines < MIN_LINES {
            let lines = self.lines;
            return Err(format!(
                "{lines} lines are too few to tell what they were drawn from ({MIN_LINES} are not)"
            ));
        }
        // Lines that `leading` admits are `uniform` ones too: the one that fits better is meant.
        let (operands, _) = candidates.next_back().expect("one at least");
        self.judge(*operands)
    }

    /// Digits of an operand, where the first line at least is a right sum.
    pub fn digits(&self) -> Option<u32> {
        let admitted = |refused: &Option<(u64, Vec<u8>)>| refused.as_ref().is_none_or(|(line, _)| *line > 0);
        (self.lines > 0 && self.refused.iter().any(admitted)).then_some(self.digits)
    }

    fn is_hopeless(&self) -> bool {
        self.refused.iter().all(Option::is_some)
    }

    /// Reads a line without its newline.
    pub fn line(&mut self, line: &[u8]) {
        if self.is_hopeless() {
            return;
        }
        let bare = line.strip_suffix(b"\r").unwrap_or(line);
        self.crlf += u64::from(bare.len() < line.len());
        let line = bare;
        if self.lines == 0 {
            let digits = line.iter().take_while(|c| c.is_ascii_digit()).count();
            self.digits = digits.clamp(1, MAX_DIGITS as usize) as u32;
        }
        for (operands, refused) in Operands::ALL.into_iter().zip(&mut self.refused) {
            if refused.is_some() {
                continue;
            }
            let distribution = Distribution::new(self.digits, operands).expect("clamped");
            if !distribution.admits(line) {
                *refused = Some((self.lines, line[..line.len().min(60)].to_vec()));
            }
        }
        self.lines += 1;
        if self.is_hopeless() {
            self.counts = None;
            return;
        }
        let d = self.digits as usize;
        let counts = self.counts.get_or_insert_with(|| Box::new(Counts::new(2 * d)));
        counts.line(line[..d].iter().chain(&line[d + 1..2 * d + 1]));
    }

    /// Why no distribution can have drawn the lines: the line up to which one could.
    fn refusal(&self) -> String {
        let last = self.refused.iter().flatten().max_by_key(|(line, _)| *line);
        let (line, text) = last.expect("all refuse");
        let text = String::from_utf8_lossy(text);
        format!("line {} is no right sum of two numbers, written as the lines before it: {text:?}", line + 1)
    }

    fn judge(&self, operands: Operands) -> Result<Recognised, String> {
        let distribution = Distribution::new(self.digits, operands).map_err(|e| e.to_string())?;
        let counts = self.counts.as_ref().expect("a candidate is left");
        let smallest = |slot: usize| {
            let first = slot.is_multiple_of(self.digits as usize);
            usize::from(first && operands != Operands::Uniform)
        };
        let slots: Vec<Deviation> = (0..counts.slots.len())
            .map(|slot| counts.slots[slot].deviation(self.lines, |digit| digit >= smallest(slot)))
            .collect();
        let digits = Deviation::sum(&slots);
        let worst = (0..slots.len()).max_by(|&a, &b| slots[a].sigmas().total_cmp(&slots[b].sigmas()));
        let worst = worst.expect("there are slots");
        if digits.sigmas().abs() > LIMIT || slots[worst].sigmas() > LIMIT {
            return Err(self.skew(operands, worst));
        }
        let pairs = Deviation::sum(&counts.pair_deviations(&slots, self.lines, smallest));
        let lags = Deviation::sum(&counts.lag_deviations(smallest));
        for (what, deviation) in [("of a line", &pairs), ("of neighbouring lines", &lags)] {
            if deviation.sigmas().abs() > LIMIT {
                return Err(format!(
                    "digits {what} are not independent: chi-square is {:+.0} standard deviations off",
                    deviation.sigmas()
                ));
            }
        }
        let deviations = [digits, pairs, lags];
        Ok(Recognised {
            distribution,
            deviations: deviations.map(|d| d.sigmas()),
            resolution: deviations.iter().map(|d| d.bits_a_line(LIMIT, self.lines)).sum(),
        })
    }

    fn skew(&self, operands: Operands, slot: usize) -> String {
        let d = self.digits as usize;
        let table = &self.counts.as_ref().expect("a candidate is left").slots[slot];
        let (digit, count) = table.most_frequent();
        format!(
            "the lines are right sums, but their digits are not those of {operands} operands: digit {} of the {} \
             operand is {digit} in {:.2} % of the lines",
            slot % d + 1,
            ["first", "second"][slot / d],
            100.0 * count as f64 / self.lines as f64
        )
    }
}

impl Counts {
    fn new(slots: usize) -> Self {
        Self {
            slots: vec![Table::new(); slots],
            pairs: vec![Table::new(); slots * (slots - 1) / 2],
            lags: vec![Table::new(); slots],
            before: Vec::new(),
        }
    }

    fn line<'a>(&mut self, digits: impl Iterator<Item = &'a u8>) {
        let digits: Vec<u8> = digits.map(|c| c - b'0').collect();
        let mut pairs = self.pairs.iter_mut();
        for (slot, &digit) in digits.iter().enumerate() {
            self.slots[slot].add(digit.into());
            for (&other, pair) in digits[..slot].iter().zip(&mut pairs) {
                pair.add(10 * usize::from(other) + usize::from(digit));
            }
        }
        for ((lag, &before), &digit) in self.lags.iter_mut().zip(&self.before).zip(&digits) {
            lag.add(10 * usize::from(before) + usize::from(digit));
        }
        self.before = digits;
    }

    /// Adds what was counted later. The pair of lines at the seam is left out.
    fn append(&mut self, later: &Self) {
        let add = |all: &mut [Table<100>], more: &[Table<100>]| {
            all.iter_mut().zip(more).for_each(|(all, more)| all.append(more));
        };
        add(&mut self.pairs, &later.pairs);
        add(&mut self.lags, &later.lags);
        for (all, more) in self.slots.iter_mut().zip(&later.slots) {
            all.append(more);
        }
    }

    /// What is left of each pair's deviation when that of its two slots is taken off.
    fn pair_deviations(
        &self,
        slots: &[Deviation],
        lines: u64,
        smallest: impl Fn(usize) -> usize,
    ) -> Vec<Deviation> {
        let mut pairs = self.pairs.iter();
        let mut all = Vec::new();
        for slot in 0..slots.len() {
            for (other, pair) in (0..slot).zip(&mut pairs) {
                let may = |cell: usize| cell / 10 >= smallest(other) && cell % 10 >= smallest(slot);
                let whole = pair.deviation(lines, may);
                all.push(whole.without(&slots[other]).without(&slots[slot]));
            }
        }
        all
    }

    fn lag_deviations(&self, smallest: impl Fn(usize) -> usize) -> Vec<Deviation> {
        let slots = self.lags.iter().enumerate();
        slots
            .map(|(slot, lag)| {
                let pairs = lag.total();
                let may = |cell: usize| (cell / 10).min(cell % 10) >= smallest(slot);
                let [first, second] = lag.margins().map(|m| m.deviation(pairs, |d| d >= smallest(slot)));
                lag.deviation(pairs, may).without(&first).without(&second)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
