//! The same bytes by other compressors.

use super::canvas::Canvas;
use super::scale::Scale;
use super::{Figure, row};
use crate::report::{Account, PeerResult, grouped};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 26.0;
const ROW: f64 = 32.0;

/// The figure; none if nobody asked the others.
pub fn figure(account: &Account) -> Option<Figure> {
    let peers = account.peers.as_ref().filter(|_| account.corpus.bytes > 0)?;
    let own = account.archive.bytes;
    let floor = account
        .floor
        .bits_per_line
        .map(|bits| bits * account.corpus.lines as f64 / 8.0);
    let most = peers.iter().map(|p| p.bytes).chain([own]).max()? as f64;
    let scale = Scale::linear((0.0, 1.02 * most), (LEFT, RIGHT));
    let bottom = TOP + ROW * (peers.len() + 1) as f64;
    let mut canvas = Canvas::new();
    canvas.x_axis(&scale, (TOP, bottom), "bytes");
    let own_name = format!("surprisal, {}", account.model.name);
    bar(
        &mut canvas,
        &scale,
        TOP,
        ("blue", "surprisal"),
        (own, account.seconds),
    );
    for (index, peer) in peers.iter().enumerate() {
        let top = TOP + ROW * (index + 1) as f64;
        bar(
            &mut canvas,
            &scale,
            top,
            ("grey", peer.name),
            (peer.bytes, peer.seconds),
        );
    }
    if let Some(floor) = floor {
        let x = scale.at(floor);
        canvas.line("dash", (x, TOP - 8.0), (x, bottom));
        canvas.text("middle", (x, TOP - 12.0), "entropy of the lines");
    }
    Some(Figure {
        name: "peers",
        title: "The same file by other compressors".into(),
        caption: "Measured for this report, each on one thread, at the setting that compresses most; surprisal on as many threads as \
                  it was given."
            .into(),
        description: describe(account, peers, &own_name),
        table: table(account, peers, floor),
        size: (WIDTH, bottom + 46.0),
        body: canvas.finish(),
    })
}

fn bar(
    canvas: &mut Canvas,
    scale: &Scale,
    top: f64,
    (class, name): (&str, &str),
    (bytes, seconds): (u64, f64),
) {
    let end = scale.at(bytes as f64);
    canvas.text("end", (LEFT - 10.0, top + 20.0), name);
    canvas.rect(class, (LEFT, top + 5.0), (end - LEFT, ROW - 10.0));
    let text = format!("{} B in {seconds:.1} s", grouped(bytes));
    canvas.text("", (end + 8.0, top + 20.0), &text);
}

fn describe(account: &Account, peers: &[PeerResult], own: &str) -> String {
    let mut text = format!(
        "Bars: {own} makes {} bytes of {}",
        grouped(account.archive.bytes),
        grouped(account.corpus.bytes)
    );
    for peer in peers {
        text += &format!(
            "; {} {} in {:.1} seconds",
            peer.name,
            grouped(peer.bytes),
            peer.seconds
        );
    }
    text + "."
}

fn table(account: &Account, peers: &[PeerResult], floor: Option<f64>) -> Vec<Vec<String>> {
    let line = |name: &str, bytes: u64, seconds: f64| {
        vec![
            name.to_owned(),
            grouped(bytes),
            format!("{:.3}", account.corpus.bytes as f64 / bytes as f64),
            floor.map_or("–".into(), |floor| {
                format!("{:+.3} %", 100.0 * (bytes as f64 / floor - 1.0))
            }),
            format!("{seconds:.1}"),
        ]
    };
    let head = row(["compressor", "bytes", "ratio", "above the entropy", "seconds"]);
    let own = line("surprisal", account.archive.bytes, account.seconds);
    let rows = peers.iter().map(|peer| line(peer.name, peer.bytes, peer.seconds));
    [head, own].into_iter().chain(rows).collect()
}
