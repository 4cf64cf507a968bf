//! Sizes of the whole: the learners, the model that was trained before, others.

use super::super::canvas::Canvas;
use super::super::scale::Scale;
use super::super::{Figure, row};
use super::colour;
use crate::report::learning::{LearningAccount, LearningRun};
use crate::report::{grouped, signed, signed_percent};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 570.0;
const TOP: f64 = 26.0;
const ROW: f64 = 32.0;

/// The figure; none of an empty corpus.
pub fn figure(account: &LearningAccount) -> Option<Figure> {
    if account.corpus.bytes == 0 {
        return None;
    }
    let bars = bars(account);
    let most = bars.iter().map(|bar| bar.bytes).max()? as f64;
    let scale = Scale::linear((0.0, 1.02 * most), (LEFT, RIGHT));
    let bottom = TOP + ROW * bars.len() as f64;
    let mut canvas = Canvas::new();
    canvas.x_axis(&scale, (TOP, bottom), "bytes");
    for (index, bar) in bars.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let end = scale.at(bar.bytes as f64);
        canvas.text("end", (LEFT - 10.0, top + 20.0), &bar.name);
        canvas.rect(bar.class, (LEFT, top + 5.0), (end - LEFT, ROW - 10.0));
        let text = format!("{} B{}", grouped(bar.bytes), bar.how);
        canvas.text("", (end + 8.0, top + 20.0), &text);
    }
    if let Some(floor) = account.floor_bytes {
        let x = scale.at(floor);
        canvas.line("dash", (x, TOP - 8.0), (x, bottom));
        canvas.text("middle", (x, TOP - 12.0), "entropy of the lines");
    }
    Some(Figure {
        name: "learning-sizes",
        title: "The whole corpus: learners, and who did not have to learn".into(),
        caption: "An archive that was coded while learning needs nothing but itself. The two-part code is a model that \
                  was trained on other lines before, its weights counted. Others were measured at the setting that compresses most, on one \
                  thread each, unless they say that they were recorded."
            .into(),
        description: describe(&bars),
        table: table(account, &bars),
        size: (WIDTH, bottom + 46.0),
        body: canvas.finish(),
    })
}

struct Bar {
    name: String,
    bytes: u64,
    class: &'static str,
    /// In what time, or that it was not measured.
    how: String,
}

fn bars(account: &LearningAccount) -> Vec<Bar> {
    let time = |seconds: f64| format!(" in {seconds:.1} s");
    let mut bars = Vec::new();
    for (index, run) in account.runs.iter().enumerate() {
        bars.push(Bar {
            name: format!("learning {}", run.preset),
            bytes: run.archive.bytes,
            class: colour(index).0,
            how: time(run.seconds),
        });
    }
    if let Some(bundled) = &account.bundled {
        bars.push(Bar {
            name: "two-part code".into(),
            bytes: bundled.model_bytes + bundled.archive_bytes,
            class: "grey",
            how: time(bundled.seconds),
        });
    }
    for peer in account.peers.iter().flatten() {
        bars.push(Bar {
            name: peer.name.into(),
            bytes: peer.bytes,
            class: "grey",
            how: time(peer.seconds),
        });
    }
    if let Some(recorded) = account.recorded {
        bars.push(Bar {
            name: recorded.name.into(),
            bytes: recorded.scaled_bytes.round() as u64,
            class: "grey",
            how: ", recorded".into(),
        });
    }
    bars
}

fn describe(bars: &[Bar]) -> String {
    let bars: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {} bytes{}", bar.name, grouped(bar.bytes), bar.how))
        .collect();
    format!("Bars: {}.", bars.join("; "))
}

fn table(account: &LearningAccount, bars: &[Bar]) -> Vec<Vec<String>> {
    let head = row([
        "",
        "parameters",
        "bytes",
        "above the floor",
        "coded",
        "losses",
        "coded above losses",
        "framing",
        "steps on batches",
        "seconds",
        "MB/s",
    ]);
    let above = |bytes: u64| {
        let above = account.floor_bytes.map(|floor| bytes as f64 - floor);
        above.map_or("–".into(), signed)
    };
    let learned = |run: &LearningRun, bar: &Bar| {
        vec![
            bar.name.clone(),
            grouped(run.parameters as u64),
            grouped(bar.bytes),
            above(bar.bytes),
            grouped(run.archive.coded_bytes),
            grouped(run.loss_bytes.round() as u64),
            run.coded_above_loss_percent.map_or("–".into(), signed_percent),
            grouped(run.archive.framing_bytes),
            run.steps_text(),
            format!("{:.1}", run.seconds),
            format!("{:.3}", run.megabytes_per_second),
        ]
    };
    let other = |bar: &Bar| {
        let mut row = vec!["–".to_owned(); 11];
        row[0].clone_from(&bar.name);
        row[2] = grouped(bar.bytes);
        row[3] = above(bar.bytes);
        row[9] = bar.how.trim_start_matches([',', ' ']).to_owned();
        row
    };
    let (runs, others) = bars.split_at(account.runs.len());
    let runs = account.runs.iter().zip(runs).map(|(run, bar)| learned(run, bar));
    std::iter::once(head)
        .chain(runs)
        .chain(others.iter().map(other))
        .collect()
}
