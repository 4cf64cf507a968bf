//! The whole corpus by everything that codes it, beside its entropy.

use crate::report::account::{Account, Learners};
use crate::report::canvas::{Canvas, Figure, Scale, WIDTH, colour};
use crate::report::modelled::ModelRun;
use crate::report::numbers::{DASH, grouped, percent};
use crate::report::peers::PeerResult;
use crate::report::section::{Section, Table};

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

/// The section of a model; none if no other compressor was measured.
pub fn of_model(account: &Account, run: &ModelRun) -> Option<Section> {
    let peers = account.peers.as_ref().filter(|_| account.corpus.bytes > 0)?;
    let bytes = run.archive.bytes_out;
    let own = Bar::new("surprisal", bytes, run.seconds, "blue");
    let bars: Vec<Bar> = [own].into_iter().chain(others(peers)).collect();
    let mut description = format!(
        "Bars: surprisal, {} makes {} bytes of {}",
        run.model.name(),
        grouped(bytes),
        grouped(account.corpus.bytes)
    );
    for PeerResult { name, bytes, seconds } in peers {
        description += &format!("; {name} {} in {seconds:.1} seconds", grouped(*bytes));
    }
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
        Bar::new(name, run.archive.bytes_out, run.seconds, colour(index).0)
    });
    let bundled = learners.bundled.as_ref();
    let two_part =
        bundled.map(|b| Bar::new("two-part code", b.model_bytes + b.archive_bytes, b.seconds, "grey"));
    let peers = account.peers.iter().flatten();
    let bars: Vec<Bar> = runs.chain(two_part).chain(others(peers)).collect();
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

fn others<'a>(peers: impl IntoIterator<Item = &'a PeerResult>) -> impl Iterator<Item = Bar> {
    peers.into_iter().map(|peer| Bar::new(peer.name, peer.bytes, peer.seconds, "grey"))
}

fn figure(account: &Account, bars: &[Bar], (left, right): (f64, f64), description: String) -> Figure {
    let most = bars.iter().map(|bar| bar.bytes).max().unwrap_or(0) as f64;
    let scale = Scale::linear((0.0, 1.02 * most), (left, right));
    let bottom = TOP + ROW * bars.len() as f64;
    let mut canvas = Canvas::default();
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
    let floor = account.floor_bytes;
    let ratio = |bytes: f64| format!("{:.3}", account.corpus.bytes as f64 / bytes);
    let above = |bytes: f64| floor.map(|floor| format!("{:+.3} %", 100.0 * (bytes / floor - 1.0)));
    let mut table = Table::of(
        bars,
        &[
            ("compressor", &|bar| bar.name.clone()),
            ("bytes", &|bar| grouped(bar.bytes)),
            ("ratio", &|bar| ratio(bar.bytes as f64)),
            ("above the entropy", &|bar| above(bar.bytes as f64).unwrap_or(DASH.into())),
            ("seconds", &|bar| format!("{:.2}", bar.seconds)),
        ],
    );
    if let Some(floor) = floor {
        let bytes = grouped(floor.round() as u64);
        let row = vec!["entropy of the lines".into(), bytes, ratio(floor), DASH.into(), DASH.into()];
        table.rows.insert(0, row);
    }
    table
}
