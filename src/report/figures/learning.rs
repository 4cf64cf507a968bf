//! The figures of an account of coding while learning.

mod archive;
mod curve;
mod positions;
mod sizes;

use super::Figure;
use crate::report::learning::LearningAccount;

/// All figures that there is something to show in.
pub fn all(account: &LearningAccount) -> Vec<Figure> {
    let figures = [
        curve::figure(account),
        archive::figure(account),
        positions::figure(account),
        sizes::figure(account),
    ];
    figures.into_iter().flatten().collect()
}

/// The colours of the runs, as classes of what is filled and of lines.
const COLOURS: [(&str, &str); 5] = [
    ("blue", "line blue"),
    ("orange", "line orange"),
    ("green", "line green"),
    ("purple", "line purple"),
    ("grey", "line grey-line"),
];

/// The colour of a run.
fn colour(run: usize) -> (&'static str, &'static str) {
    COLOURS[run % COLOURS.len()]
}

/// Pixels between two labels, one below the other.
const GAP: f64 = 17.0;

/// Moves heights of labels apart, within `top` and `bottom` if there is room.
fn spread(heights: &[f64], (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]));
    let mut placed = heights.to_vec();
    let mut free = top;
    for &i in &order {
        placed[i] = placed[i].max(free);
        free = placed[i] + GAP;
    }
    // Those that went below the bottom push the others up again.
    let mut free = bottom;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(free);
        free = placed[i] - GAP;
    }
    placed
}

/// At most about `most` groups of neighbours.
fn groups<T>(items: &[T], most: usize) -> std::slice::Chunks<'_, T> {
    items.chunks(items.len().div_ceil(most).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_touch() {
        let placed = spread(&[100.0, 101.0, 20.0, 99.0], (0.0, 110.0));
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|w| w[1] - w[0] >= GAP - 1e-9), "{placed:?}");
        assert!(sorted[3] <= 110.0 && placed[2] == 20.0);
        assert!(placed[3] < placed[0] && placed[0] < placed[1]);
    }

    #[test]
    fn groups_are_few() {
        let items: Vec<u32> = (0..977).collect();
        let sizes: Vec<usize> = groups(&items, 100).map(<[u32]>::len).collect();
        assert!(sizes.len() <= 100 && sizes.iter().sum::<usize>() == 977);
        assert_eq!(groups(&items[..0], 100).count(), 0);
    }
}
