//! The whole corpus by everything that codes it, beside its entropy.

use crate::report::account::{Account, Learners};
use crate::report::canvas::{Canvas, Figure, Scale, colour};
use crate::report::modelled::ModelRun;
use crate::report::numbers::{DASH, grouped, percent};
use crate::report::peers::PeerResult;
use crate::report::section::{Section, Table};

const WIDTH: f64 = 780.0;
const TOP: f64 = 26.0;
const ROW: f64 = 32.0;

/// A compressor and what it made of the corpus.
struct Bar {
    name: String,
    bytes: u64,
    class: &'static str,
    seconds: f64,
}

impl Bar {
    fn new(name: impl Into<String>, bytes: u64, seconds: f64, class: &'static str) -> Self {
        Self { name: name.into(), bytes, class, seconds }
    }
}

/// The section of a model; none if nobody asked the others.
pub fn of_model(account: &Account, run: &ModelRun) -> Option<Section> {
    let peers = account.peers.as_ref().filter(|_| account.corpus.bytes > 0)?;
    let bytes = run.archive.bytes;
    let mut bars = vec![Bar::new("surprisal", bytes, run.seconds, "blue")];
    let mut description = format!(
        "Bars: surprisal, {} makes {} bytes of {}",
        run.model.name,
        grouped(bytes),
        grouped(account.corpus.bytes)
    );
    for peer in peers {
        let PeerResult { name, bytes, seconds } = peer;
        description += &format!("; {name} {} in {seconds:.1} seconds", grouped(*bytes));
    }
    bars.extend(others(account));
    Some(Section {
        caption: "Measured for this report, each on one thread, at the setting that compresses most; surprisal on as many threads as \
                  it was given."
            .into(),
        figure: Some(figure(account, &bars, (150.0, 560.0), description + ".")),
        ..Section::new("peers", "The same file by other compressors", table(account, &bars))
    })
}

/// The section of learners; none of an empty corpus.
pub fn of_learners(account: &Account, learners: &Learners) -> Option<Section> {
    if account.corpus.bytes == 0 {
        return None;
    }
    let runs = learners.runs.iter().enumerate();
    let runs = runs.map(|(index, run)| {
        let name = format!("learning {}", run.preset);
        Bar::new(name, run.archive.bytes, run.seconds, colour(index).0)
    });
    let bundled = learners.bundled.as_ref();
    let two_part =
        bundled.map(|b| Bar::new("two-part code", b.model_bytes + b.archive_bytes, b.seconds, "grey"));
    let bars: Vec<Bar> = runs.chain(two_part).chain(others(account)).collect();
    let all = bars.iter().map(|bar| {
        let Bar { name, seconds, .. } = bar;
        format!("{name} {} bytes in {seconds:.1} s", grouped(bar.bytes))
    });
    let description = format!("Bars: {}.", all.collect::<Vec<_>>().join("; "));
    Some(Section {
        caption: "An archive that was coded while learning needs nothing but itself. Others were measured at the setting that \
                  compresses most, on one thread each."
            .into(),
        note: bundled.map_or(String::new(), |bundled| {
            format!(
                "The two-part code: {} bytes of weights of {} ({} % of the corpus), which was trained on other lines before, and \
                 its archive.",
                grouped(bundled.model_bytes),
                bundled.model,
                percent(100.0 * bundled.model_bytes as f64 / account.corpus.bytes as f64)
            )
        }),
        figure: Some(figure(account, &bars, (170.0, 570.0), description)),
        ..Section::new("learning-sizes", "The whole corpus: learners, and who did not have to learn", table(account, &bars))
    })
}

fn others(account: &Account) -> impl Iterator<Item = Bar> {
    let peers = account.peers.iter().flatten();
    peers.map(|peer| Bar::new(peer.name, peer.bytes, peer.seconds, "grey"))
}

fn figure(account: &Account, bars: &[Bar], (left, right): (f64, f64), description: String) -> Figure {
    let most = bars.iter().map(|bar| bar.bytes).max().unwrap_or(0) as f64;
    let scale = Scale::linear((0.0, 1.02 * most), (left, right));
    let bottom = TOP + ROW * bars.len() as f64;
    let mut canvas = Canvas::new();
    canvas.x_axis(&scale, (TOP, bottom), "bytes");
    for (index, bar) in bars.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let end = scale.at(bar.bytes as f64);
        canvas.text("end", (left - 10.0, top + 20.0), &bar.name);
        canvas.rect(bar.class, (left, top + 5.0), (end - left, ROW - 10.0));
        let text = format!("{} B in {:.1} s", grouped(bar.bytes), bar.seconds);
        canvas.text("", (end + 8.0, top + 20.0), &text);
    }
    if let Some(floor) = account.floor_bytes {
        let x = scale.at(floor);
        canvas.line("dash", (x, TOP - 8.0), (x, bottom));
        canvas.text("middle", (x, TOP - 12.0), "entropy of the lines");
    }
    canvas.figure((WIDTH, bottom + 46.0), description)
}

fn table(account: &Account, bars: &[Bar]) -> Table {
    let ratio = |bytes: f64| format!("{:.3}", account.corpus.bytes as f64 / bytes);
    let floor = account.floor_bytes;
    let row = |bar: &Bar| {
        let above = floor.map(|floor| format!("{:+.3} %", 100.0 * (bar.bytes as f64 / floor - 1.0)));
        vec![
            bar.name.clone(),
            grouped(bar.bytes),
            ratio(bar.bytes as f64),
            above.unwrap_or(DASH.into()),
            format!("{:.2}", bar.seconds),
        ]
    };
    let floor = floor.map(|floor| {
        let bytes = grouped(floor.round() as u64);
        let dash = || DASH.to_owned();
        vec!["entropy of the lines".into(), bytes, ratio(floor), dash(), dash()]
    });
    let head = ["compressor", "bytes", "ratio", "above the entropy", "seconds"];
    Table::new(head, floor.into_iter().chain(bars.iter().map(row)))
}
