//! The chain as a waterfall: each link's step from the one before.

use crate::report::canvas::{Canvas, Figure, Scale, WIDTH};
use crate::report::chain::Link;
use crate::report::modelled::ModelRun;
use crate::report::numbers::{DASH, decimal, grouped, signed, signed_percent};
use crate::report::section::{Section, Table};

const LEFT: f64 = 190.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 34.0;
const ROW: f64 = 34.0;
const BAR: f64 = 18.0;

/// The section.
pub fn section(run: &ModelRun) -> Option<Section> {
    let links = &run.links;
    Some(Section {
        caption: "Each bar is what a link adds to the one before, or saves (green). An arrow leaves the axis. The table says what each \
                  difference is made of."
            .into(),
        figure: figure(links),
        ..Section::new("chain", "From the entropy of the lines to the bytes on disk", table(links))
    })
}

/// None if there is no line.
fn figure(links: &[Link]) -> Option<Figure> {
    links.iter().find_map(|link| link.bits_per_line)?;
    let scale = scale(links);
    let bottom = TOP + ROW * links.len() as f64;
    let mut canvas = Canvas::default();
    canvas.text("muted end", (RIGHT + 90.0, TOP - 14.0), "bits a line");
    canvas.text("muted end", (WIDTH - 6.0, TOP - 14.0), "to the link before");
    canvas.x_axis(&scale, (TOP, bottom), "bits a line (the axis does not begin at 0)");
    let mut before = None;
    for (index, link) in links.iter().enumerate() {
        draw(&mut canvas, &scale, link, before, TOP + ROW * index as f64);
        before = link.bits_per_line.or(before);
    }
    Some(canvas.figure((WIDTH, bottom + 48.0), describe(links)))
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
    let leaves = inner - least > 0.0 && outer - least > 6.0 * (inner - least);
    let most = if leaves { inner } else { outer };
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
        canvas.line("axis", (from, top - ROW / 2.0 + BAR / 2.0), (from, middle - BAR / 2.0));
    }
    if leaves {
        let tip = [(RIGHT, middle - BAR / 2.0), (RIGHT + 10.0, middle), (RIGHT, middle + BAR / 2.0)];
        canvas.path("orange", tip);
    }
    canvas.text("end", (RIGHT + 90.0, middle + 4.0), &format!("{value:.5}"));
    if let (Some(percent), true) = (link.difference_percent, before.is_some()) {
        canvas.text("end", (WIDTH - 6.0, middle + 4.0), &signed_percent(percent));
    }
}

fn describe(links: &[Link]) -> String {
    let value = |link: &Link| {
        let bits = link.bits_per_line.map(|bits| format!("{bits:.5} bits a line"));
        format!("{}: {}", link.name, bits.unwrap_or("not known".into()))
    };
    let links: Vec<String> = links.iter().map(value).collect();
    format!("A waterfall of the links of the chain. {}.", links.join("; "))
}

fn table(links: &[Link]) -> Table {
    let table = Table::of(
        links,
        &[
            ("link", &|link| format!("{} {}", link.link, link.name)),
            ("bits/line", &|link| decimal(link.bits_per_line, 5)),
            ("bits/token", &|link| decimal(link.bits_per_token, 6)),
            ("nats/token", &|link| decimal(link.nats_per_token, 6)),
            ("bytes", &|link| link.bytes.map_or(DASH.into(), |bytes| grouped(bytes.round() as u64))),
            ("difference, bits", &|link| link.difference_bits.map_or(DASH.into(), signed)),
            ("%", &|link| {
                let percent = link.difference_percent.map_or(DASH.into(), signed_percent);
                percent.trim_end_matches(" %").to_owned()
            }),
        ],
    );
    Table { remarks: links.iter().map(|link| link.why.clone()).collect(), ..table }
}

/// Links 3 and 4 beside link 5 on the same lines; none if the model coded nothing.
pub fn sample(run: &ModelRun) -> Option<Section> {
    let sample = run.sample.as_ref()?;
    let floating = sample.floating.iter().map(|estimate| ("float network", estimate));
    let table = Table::of(
        floating.chain([("exact network", &sample.unrounded)]),
        &[
            ("network", &|(name, _)| (*name).to_owned()),
            ("lines", &|(_, estimate)| grouped(estimate.lines)),
            ("one in", &|(_, estimate)| grouped(estimate.stride)),
            ("bits/line", &|(_, estimate)| format!("{:.5}", estimate.bits)),
            ("by integers", &|(_, estimate)| format!("{:.5}", estimate.integer_bits)),
            ("difference", &|(_, estimate)| format!("{:+.5}", estimate.above_integer)),
            ("standard error", &|(_, estimate)| format!("{:.5}", estimate.standard_error)),
        ],
    );
    Some(Section::new("sample", "Links 3 and 4 beside link 5, on a sample of the lines", table))
}
