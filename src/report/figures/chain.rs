//! The chain as a waterfall: each link's step from the one before.

use super::canvas::Canvas;
use super::scale::Scale;
use super::{Figure, row};
use crate::report::{Account, Link, grouped, signed_percent};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 34.0;
const ROW: f64 = 34.0;
const BAR: f64 = 18.0;

/// The figure; none if there is no line.
pub fn figure(account: &Account) -> Option<Figure> {
    let links = &account.links;
    let known: Vec<f64> = links.iter().filter_map(|link| link.bits_per_line).collect();
    if known.is_empty() {
        return None;
    }
    let scale = scale(links);
    let bottom = TOP + ROW * links.len() as f64;
    let mut canvas = Canvas::new();
    canvas.text("muted end", (RIGHT + 90.0, TOP - 14.0), "bits a line");
    canvas.text("muted end", (WIDTH - 6.0, TOP - 14.0), "to the link before");
    canvas.x_axis(
        &scale,
        (TOP, bottom),
        "bits a line (the axis does not begin at 0)",
    );
    let mut before = None;
    for (index, link) in links.iter().enumerate() {
        draw(&mut canvas, &scale, link, before, TOP + ROW * index as f64);
        before = link.bits_per_line.or(before);
    }
    Some(Figure {
        name: "chain",
        title: "From the entropy of the lines to the bytes on disk".into(),
        caption: "Each bar is what a link adds to the one before, or saves (green). An arrow leaves the axis. The table says what each \
                  difference is made of."
            .into(),
        description: describe(account),
        table: table(links),
        size: (WIDTH, bottom + 48.0),
        body: canvas.finish(),
    })
}

/// What the first six links span sets the scale; the archive's framing in a short file, and the
/// weights, may leave it by an arrow.
fn scale(links: &[Link]) -> Scale {
    let values = |last: u8| {
        let values = links.iter().filter(move |link| link.link <= last);
        values.filter_map(|link| link.bits_per_line)
    };
    let least = values(7).fold(f64::INFINITY, f64::min);
    let most = |last| values(last).fold(f64::NEG_INFINITY, f64::max);
    let (inner, outer) = (most(6), most(7));
    let most = match inner - least > 0.0 && outer - least > 6.0 * (inner - least) {
        true => inner,
        false => outer,
    };
    let margin = 0.12 * (most - least).max(most * 1e-6);
    Scale::linear((least - 1.6 * margin, most + 2.0 * margin), (LEFT, RIGHT))
}

fn draw(canvas: &mut Canvas, scale: &Scale, link: &Link, before: Option<f64>, top: f64) {
    let middle = top + ROW / 2.0;
    canvas.text("", (0.0, middle + 4.0), &format!("{}  {}", link.link, link.name));
    let Some(value) = link.bits_per_line else {
        canvas.text("muted", (LEFT + 8.0, middle + 4.0), "not known");
        return;
    };
    let (from, to) = (before.map_or(LEFT, |before| scale.at(before)), scale.at(value));
    let class = match before {
        None => "grey",
        Some(before) if value < before => "green",
        Some(_) => "orange",
    };
    let leaves = to >= RIGHT && before.is_none_or(|before| before < value);
    // What begins beyond the axis, too, has something of a bar.
    let bar_from = if leaves { from.min(RIGHT - 12.0) } else { from };
    let (left, width) = (bar_from.min(to), (bar_from - to).abs().max(2.0));
    canvas.rect(class, (left, middle - BAR / 2.0), (width, BAR));
    if before.is_some() {
        canvas.line(
            "axis",
            (from, top - ROW / 2.0 + BAR / 2.0),
            (from, middle - BAR / 2.0),
        );
    }
    if leaves {
        let tip = [
            (RIGHT, middle - BAR / 2.0),
            (RIGHT + 10.0, middle),
            (RIGHT, middle + BAR / 2.0),
        ];
        canvas.path("orange", &tip);
    }
    canvas.text("end", (RIGHT + 90.0, middle + 4.0), &format!("{value:.5}"));
    if let (Some(percent), true) = (link.difference_percent, before.is_some()) {
        canvas.text("end", (WIDTH - 6.0, middle + 4.0), &signed_percent(percent));
    }
}

fn describe(account: &Account) -> String {
    let value = |link: &Link| {
        let bits = link.bits_per_line.map(|bits| format!("{bits:.5} bits a line"));
        format!("{}: {}", link.name, bits.unwrap_or("not known".into()))
    };
    let links: Vec<String> = account.links.iter().map(value).collect();
    format!("A waterfall of the links of the chain. {}.", links.join("; "))
}

fn table(links: &[Link]) -> Vec<Vec<String>> {
    let head = row([
        "link",
        "bits a line",
        "nats a token",
        "bytes",
        "to the link before",
        "why",
    ]);
    let number = |x: Option<f64>, places: usize| x.map_or("–".into(), |x| format!("{x:.places$}"));
    let rows = links.iter().map(|link| {
        vec![
            format!("{} {}", link.link, link.name),
            number(link.bits_per_line, 5),
            number(link.nats_per_token, 6),
            link.bytes.map_or("–".into(), |b| grouped(b.round() as u64)),
            link.difference_percent.map_or("–".into(), signed_percent),
            link.why.clone(),
        ]
    });
    std::iter::once(head).chain(rows).collect()
}
