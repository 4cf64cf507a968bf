//! The learning rate over a run.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What the learning rate does after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Falls along half a cosine to its final share.
    #[default]
    Cosine,
    /// Falls along a straight line to its final share.
    Linear,
    /// Stays.
    Constant,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cosine, Self::Linear, Self::Constant];

    /// The name on the command line and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Linear => "linear",
            Self::Constant => "constant",
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Shape {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|s| s.name() == name);
        known.copied().ok_or_else(|| {
            Error::invalid(format!(
                "unknown schedule '{name}': use cosine, linear or constant"
            ))
        })
    }
}

/// Linear warm-up to a peak, then what the shape says.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// What comes after the warm-up.
    pub shape: Shape,
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// The step at which a falling rate reaches `peak · final_share`.
    pub steps: u64,
    /// What is left of the peak at the end.
    pub final_share: f64,
}

impl Schedule {
    /// The learning rate of step 1, 2, …
    pub fn rate(&self, step: u64) -> f64 {
        if step <= self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let span = self.steps.saturating_sub(self.warmup).max(1);
        let progress = ((step - self.warmup) as f64 / span as f64).min(1.0);
        let left = match self.shape {
            Shape::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Shape::Linear => 1.0 - progress,
            Shape::Constant => return self.peak,
        };
        self.peak * (self.final_share + (1.0 - self.final_share) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: Shape) -> Schedule {
        Schedule {
            shape,
            peak: 4e-3,
            warmup: 100,
            steps: 1000,
            final_share: 0.02,
        }
    }

    #[test]
    fn all_warm_up_to_the_peak() {
        for s in Shape::ALL.map(schedule) {
            assert!((s.rate(1) - 4e-5).abs() < 1e-12);
            assert_eq!(s.rate(100), 4e-3);
        }
    }

    #[test]
    fn two_fall_and_one_stays() {
        for s in [schedule(Shape::Cosine), schedule(Shape::Linear)] {
            assert!((s.rate(550) - 4e-3 * 0.51).abs() < 1e-9);
            assert!((s.rate(1000) - 8e-5).abs() < 1e-12);
            assert!((100..1000).all(|i| s.rate(i + 1) < s.rate(i)));
        }
        assert!((schedule(Shape::Linear).rate(325) - 4e-3 * 0.755).abs() < 1e-9);
        assert!((100..1000).all(|i| schedule(Shape::Constant).rate(i) == 4e-3));
    }

    #[test]
    fn no_warm_up_is_no_division_by_zero() {
        let s = Schedule {
            warmup: 0,
            ..schedule(Shape::Cosine)
        };
        assert!(s.rate(1) > 3.9e-3);
    }
}
