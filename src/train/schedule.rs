//! The learning rate over a run.

/// Linear warm-up to a peak, then half a cosine down to a share of it.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// The step at which the rate reaches `peak · final_share`.
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
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.peak * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_peaks_and_falls() {
        let s = Schedule {
            peak: 4e-3,
            warmup: 100,
            steps: 1000,
            final_share: 0.02,
        };
        assert!((s.rate(1) - 4e-5).abs() < 1e-12);
        assert_eq!(s.rate(100), 4e-3);
        assert!((s.rate(550) - 4e-3 * 0.51).abs() < 1e-9);
        assert!((s.rate(1000) - 8e-5).abs() < 1e-12);
        assert!((100..1000).all(|i| s.rate(i + 1) < s.rate(i)));
    }
}
