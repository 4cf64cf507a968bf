//! The learning rate over the steps of a run: linear warm-up to a peak, then what the form says.

use serde::{Deserialize, Serialize};

/// What the learning rate does after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleForm {
    /// Falls along half a cosine to its final share.
    #[default]
    Cosine,
    /// Falls along a straight line to its final share.
    Linear,
    /// Stays.
    Constant,
    /// Falls ever more slowly, with the root of the steps: for a learner that does not know how many there
    /// will be.
    #[serde(skip)]
    InverseRoot,
}

crate::names::impl_names!(
    ScheduleForm,
    "schedule",
    [Cosine = "cosine", Linear = "linear", Constant = "constant"],
    InverseRoot = "inverse root"
);

/// What warm-up rounds first. The last bit of the rate depends on it, and with it every run and archive.
#[derive(Clone, Copy, Debug)]
pub enum WarmupOrder {
    /// (peak · step) / warm-up: training.
    Product,
    /// peak · (step / warm-up): a learner that codes.
    Quotient,
}

/// In [`ScheduleForm::InverseRoot`] the rate falls to 1/√2 of its peak in so many steps.
const ROOT_STEPS: f64 = 8192.0;

/// Linear warm-up to a peak, then what the form says.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// What comes after the warm-up.
    pub form: ScheduleForm,
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// How warm-up is computed.
    pub warmup_order: WarmupOrder,
    /// The step at which a rate that falls to its final share gets there.
    pub steps: u64,
    /// What is left of the peak at the end.
    pub final_share: f64,
}

impl Schedule {
    /// The learning rate of step 1, 2, …
    pub fn rate(&self, step: u64) -> f64 {
        if step <= self.warmup {
            let (step, warmup) = (step as f64, self.warmup as f64);
            return match self.warmup_order {
                WarmupOrder::Product => self.peak * step / warmup,
                WarmupOrder::Quotient => self.peak * (step / warmup),
            };
        }
        let behind = (step - self.warmup) as f64;
        let span = self.steps.saturating_sub(self.warmup).max(1);
        let progress = (behind / span as f64).min(1.0);
        let left = match self.form {
            ScheduleForm::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            ScheduleForm::Linear => 1.0 - progress,
            ScheduleForm::Constant => return self.peak,
            ScheduleForm::InverseRoot => return self.peak / (1.0 + behind / ROOT_STEPS).sqrt(),
        };
        self.peak * (self.final_share + (1.0 - self.final_share) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(form: ScheduleForm) -> Schedule {
        Schedule {
            form,
            peak: 4e-3,
            warmup: 100,
            warmup_order: WarmupOrder::Product,
            steps: 1000,
            final_share: 0.02,
        }
    }

    #[test]
    fn all_warm_up_to_the_peak() {
        for s in ScheduleForm::ALL.map(schedule) {
            assert!((s.rate(1) - 4e-5).abs() < 1e-12);
            assert_eq!(s.rate(100), 4e-3);
        }
    }

    #[test]
    fn two_fall_and_one_stays() {
        for s in [schedule(ScheduleForm::Cosine), schedule(ScheduleForm::Linear)] {
            assert!((s.rate(550) - 4e-3 * 0.51).abs() < 1e-9);
            assert!((s.rate(1000) - 8e-5).abs() < 1e-12);
            assert!((100..1000).all(|i| s.rate(i + 1) < s.rate(i)));
        }
        assert!((schedule(ScheduleForm::Linear).rate(325) - 4e-3 * 0.755).abs() < 1e-9);
        assert!((100..1000).all(|i| schedule(ScheduleForm::Constant).rate(i) == 4e-3));
    }

    #[test]
    fn no_warm_up_is_no_division_by_zero() {
        let s = Schedule { warmup: 0, ..schedule(ScheduleForm::Cosine) };
        assert!(s.rate(1) > 3.9e-3);
    }
}
