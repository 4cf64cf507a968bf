//! From numbers to pixels.

use crate::report::numbers::grouped;

/// A range of numbers over a range of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    numbers: (f64, f64),
    pixels: (f64, f64),
    kind: Kind,
    /// How many ticks it should have, more or less.
    ticks: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    Logarithmic,
}

impl Scale {
    /// A linear one. Vertical pixels count downwards: give the bottom first.
    pub fn linear(numbers: (f64, f64), pixels: (f64, f64)) -> Self {
        Self::new(numbers, pixels, Kind::Linear)
    }

    /// A logarithmic one, for positive numbers.
    pub fn logarithmic(numbers: (f64, f64), pixels: (f64, f64)) -> Self {
        Self::new(numbers, pixels, Kind::Logarithmic)
    }

    fn new(numbers: (f64, f64), pixels: (f64, f64), kind: Kind) -> Self {
        // Something to divide by, whatever there is to show.
        let (from, to) = numbers;
        let to = if to > from {
            to
        } else {
            from + 1e-9_f64.max(from.abs() * 1e-6)
        };
        Self {
            numbers: (from, to),
            pixels,
            kind,
            ticks: ((pixels.1 - pixels.0).abs() / 80.0).clamp(2.0, 8.0),
        }
    }

    /// Where a number is; those outside are at the edge.
    pub fn at(&self, number: f64) -> f64 {
        let (from, to) = self.numbers;
        let share = match self.kind {
            Kind::Linear => (number - from) / (to - from),
            Kind::Logarithmic => (number.max(from) / from).ln() / (to / from).ln(),
        };
        self.pixels.0 + share.clamp(0.0, 1.0) * (self.pixels.1 - self.pixels.0)
    }

    /// The pixels, in the order in which they were given.
    pub fn range(&self) -> (f64, f64) {
        self.pixels
    }

    /// Round numbers in the range.
    pub fn ticks(&self) -> Vec<f64> {
        let (from, to) = self.numbers;
        match self.kind {
            Kind::Linear => {
                let step = self.step();
                let first = (from / step - 1e-6).ceil() as i64;
                let last = (to / step + 1e-6).floor() as i64;
                (first..=last).map(|i| i as f64 * step).collect()
            }
            Kind::Logarithmic => {
                let (first, last) = (from.log10().ceil() as i32, to.log10().floor() as i32);
                (first..=last).map(|power| 10f64.powi(power)).collect()
            }
        }
    }

    /// 1, 2 or 5 times a power of ten.
    fn step(&self) -> f64 {
        let rough = (self.numbers.1 - self.numbers.0) / self.ticks;
        let power = 10f64.powf(rough.log10().floor());
        let times = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|t| t * power >= rough * 0.999);
        times.unwrap_or(10.0) * power
    }

    /// A tick's number, with the places that its neighbours need.
    pub fn label(&self, tick: f64) -> String {
        if self.kind == Kind::Logarithmic {
            return grouped(tick.round() as u64);
        }
        let step = self.step();
        let (unit, suffix) = match self.numbers.0.abs().max(self.numbers.1.abs()) {
            m if m >= 1e6 => (1e6, " M"),
            m if m >= 1e4 => (1e3, " k"),
            _ => (1.0, ""),
        };
        let places = (-(step / unit).log10().floor()).max(0.0) as usize;
        let value = tick / unit;
        if value == 0.0 {
            return "0".into();
        }
        format!("{value:.places$}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_in_range() {
        let labels =
            |scale: Scale| -> Vec<String> { scale.ticks().iter().map(|&tick| scale.label(tick)).collect() };
        let scale = Scale::linear((53.1508, 53.1683), (200.0, 600.0));
        assert_eq!(labels(scale), ["53.155", "53.160", "53.165"]);
        let scale = Scale::linear((0.0, 7_680_000.0), (0.0, 400.0));
        assert_eq!(labels(scale), ["0", "2 M", "4 M", "6 M"]);
        let scale = Scale::logarithmic((900.0, 2e6), (0.0, 400.0));
        assert_eq!(labels(scale), ["1,000", "10,000", "100,000", "1,000,000"]);
    }

    #[test]
    fn nothing_to_show_is_no_division_by_zero() {
        for scale in [
            Scale::linear((5.0, 5.0), (0.0, 100.0)),
            Scale::linear((0.0, 0.0), (0.0, 100.0)),
            Scale::logarithmic((1.0, 1.0), (0.0, 100.0)),
        ] {
            assert!(scale.at(5.0).is_finite() && scale.ticks().len() < 20, "{scale:?}");
        }
        let upwards = Scale::linear((0.0, 10.0), (100.0, 0.0));
        assert_eq!(
            (upwards.at(2.5), upwards.at(-1.0), upwards.at(11.0)),
            (75.0, 100.0, 0.0)
        );
    }
}
