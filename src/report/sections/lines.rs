//! Lines as a heat map of surprisal. Pointing at a token shows what the model expected there, by
//! style alone: each cell carries its distribution, hidden until then.

use std::fmt::Write;

use crate::report::canvas::{Canvas, Figure, escape};
use crate::report::explain::{LineAccount, TokenAccount, glyph};
use crate::report::modelled::ModelRun;
use crate::report::numbers::{DASH, count, grouped};
use crate::report::section::{Brief, Section, Table};

const LEFT: f64 = 100.0;
const HEIGHT: f64 = 22.0;
/// Height of what shows a distribution.
const PANEL: f64 = 118.0;
/// Worst lines and others that are shown.
const WORST: usize = 4;
/// The most tokens of a line that are shown, and symbols of a distribution.
const TOKENS: usize = 64;
const SYMBOLS: usize = 14;
/// Bits from which a token is a surprise, not chance.
const SURPRISE: f64 = 4.0;

/// The section; none if the model coded nothing.
pub fn section(run: &ModelRun) -> Option<Section> {
    let worst = &run.worst_lines[..WORST.min(run.worst_lines.len())];
    let groups =
        [("Lines from all over the corpus", &run.sample_lines[..]), ("The lines that cost most", worst)];
    let all = groups.iter().flat_map(|(_, lines)| lines.iter());
    all.clone().next()?;
    let means = mean(&run.sample_lines);
    let what = format!(
        "{} lines from all over the corpus, {means:.3} bits each on average, and the lines that cost most, from {:.3} bits \
         down.",
        run.sample_lines.len(),
        run.worst_lines.first().map_or(0.0, |line| line.bits),
    );
    Some(Section { brief: Brief::Lines(worst_lines(&run.worst_lines)), ..shown(&groups, &what) })
}

/// The surprisal of every token of these lines; none without lines.
///
/// ```
/// use surprisal::Models;
/// use surprisal::report::{explain, lines_section};
///
/// let models = Models::bundled();
/// let line = explain(models.default_model().exact(), b"17282456+79546852=096829308")?;
/// let picture = lines_section(&[line]).unwrap().to_svg_file().unwrap();
/// assert!(picture.starts_with("<svg"));
/// # Ok::<(), surprisal::Error>(())
/// ```
pub fn lines_section(lines: &[LineAccount]) -> Option<Section> {
    let title = if lines.len() == 1 { "A line" } else { "Lines" };
    let what = format!("{}, {:.3} bits each on average.", count(lines.len() as u64, "line"), mean(lines));
    (!lines.is_empty()).then(|| shown(&[(title, lines)], &what))
}

fn mean(lines: &[LineAccount]) -> f64 {
    lines.iter().map(|line| line.bits).sum::<f64>() / lines.len().max(1) as f64
}

/// Groups of lines with their titles; `what` says in words what they are.
fn shown(groups: &[(&str, &[LineAccount])], what: &str) -> Section {
    let all = groups.iter().flat_map(|(_, lines)| lines.iter());
    Section {
        caption: "The stronger the colour, the more bits a token costs: blue up to 4, what chance costs, orange beyond. Point at a \
                  token to see what the model expected; the symbol that came is orange."
            .into(),
        figure: Some(figure(groups, what)),
        ..Section::new("lines", "The surprisal of every token of some lines", table(all))
    }
}

fn figure(groups: &[(&str, &[LineAccount])], what: &str) -> Figure {
    let tokens = groups.iter().flat_map(|(_, lines)| lines.iter()).map(|line| line.tokens.len());
    let longest = tokens.max().unwrap_or(1).min(TOKENS);
    let width = (680.0 / longest as f64).clamp(11.0, 24.0);
    let total = (LEFT + width * longest as f64 + 4.0).max(600.0);
    let mut canvas = Canvas::default();
    let mut top = legend(&mut canvas);
    let rows = groups.iter().map(|(_, lines)| HEIGHT * lines.len() as f64 + 34.0);
    let panel = top + rows.sum::<f64>() + 10.0;
    let hint = "Point at a token: what the model expected there appears here.";
    canvas.text("muted", (LEFT, panel + PANEL / 2.0), hint);
    for (title, lines) in groups {
        canvas.text("bold", (0.0, top + 16.0), title);
        top += 24.0;
        for line in *lines {
            draw(&mut canvas, line, (width, top), (total, panel));
            top += HEIGHT;
        }
        top += 10.0;
    }
    canvas.figure((total, panel + PANEL), describe(what))
}

/// How a number of bits looks: a class and an opacity.
fn shading(bits: f64) -> (&'static str, f64) {
    match bits {
        b if b <= SURPRISE => ("blue", 0.6 * b / SURPRISE),
        b => ("orange", (0.35 + 0.65 * (b - SURPRISE) / 10.0).min(1.0)),
    }
}

fn legend(canvas: &mut Canvas) -> f64 {
    let mut x = LEFT;
    canvas.text("muted", (0.0, 15.0), "bits a token");
    for bits in [0.0, 1.0, 2.0, 10f64.log2(), 5.0, 10.0, 20.0] {
        let (class, opacity) = shading(bits);
        canvas.shade(class, opacity, (x, 2.0), (46.0, 18.0));
        let text = format!("{bits:.2}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        canvas.text("middle", (x + 23.0, 15.5), text);
        x += 48.0;
    }
    30.0
}

/// A line: `at` is the width of a cell and the line's top, `room` that of the whole figure and the
/// panel's top.
fn draw(canvas: &mut Canvas, line: &LineAccount, at: (f64, f64), room: (f64, f64)) {
    let (width, top) = at;
    let number = line.line.map_or(String::new(), grouped);
    canvas.text("muted end", (LEFT - 8.0, top + 15.0), &number);
    for (index, token) in line.tokens.iter().take(TOKENS).enumerate() {
        let x = LEFT + width * index as f64;
        let (class, opacity) = shading(token.bits);
        let symbol = glyph(&token.symbol).to_string();
        let tip = tip(token, line, room);
        canvas.put(&format!(
            "<g class=\"cell\"><rect class=\"{class}\" fill-opacity=\"{opacity:.2}\" x=\"{x:.1}\" y=\"{top}\" \
             width=\"{:.1}\" height=\"{}\"/><text class=\"mono middle\" x=\"{:.1}\" y=\"{}\">{}</text>{tip}</g>",
            width - 1.0,
            HEIGHT - 1.0,
            x + width / 2.0 - 0.5,
            top + 15.5,
            escape(&symbol),
        ));
    }
}

/// What was expected at a token, for the panel: bars of the likeliest symbols.
fn tip(token: &TokenAccount, line: &LineAccount, (width, top): (f64, f64)) -> String {
    let mut symbols: Vec<&(String, f64)> = token.distribution.iter().take(SYMBOLS).collect();
    // In the order of the symbols, so that neighbouring cells compare.
    symbols.sort_by(|a, b| a.0.cmp(&b.0));
    let (bar, base) = (26.0, top + PANEL - 20.0);
    let (mut bars, mut own, mut names, mut places) =
        (String::new(), String::new(), String::new(), String::new());
    for (i, (symbol, p)) in symbols.iter().enumerate() {
        let x = LEFT + bar * i as f64;
        let is_own = *symbol == token.symbol;
        // A bar that is too small to be seen is left out.
        if is_own || *p > 0.002 {
            let path = if is_own { &mut own } else { &mut bars };
            let height = (70.0 * p).max(0.5);
            write!(path, "M{x:.0} {base}v-{height:.1}h20v{height:.1}z").expect("memory");
        }
        names.push(glyph(symbol));
        write!(places, "{:.0} ", x + 10.0).expect("memory");
    }
    let caption = format!(
        "line {}, token {}: {} had probability {:.6}, {:.4} bits",
        line.line.map_or(DASH.into(), grouped),
        token.position + 1,
        token.symbol,
        token.probability,
        token.bits
    );
    format!(
        "<g class=\"tip\"><rect class=\"paper\" x=\"0\" y=\"{top}\" width=\"{width}\" height=\"{PANEL}\"/>\
         <text x=\"{LEFT}\" y=\"{}\">{}</text><path class=\"grey\" d=\"{bars}\"/><path class=\"orange\" d=\"{own}\"/>\
         <text class=\"mono middle\" y=\"{}\" x=\"{}\">{}</text></g>",
        top + 15.0,
        escape(&caption),
        base + 15.0,
        places.trim_end(),
        escape(&names),
    )
}

fn describe(what: &str) -> String {
    format!(
        "{what} Each character has a colour, the stronger the more bits it costs; what the model expected in its place \
         shows when it is pointed at. The table has the bits of each line.",
    )
}

fn table<'a>(lines: impl Iterator<Item = &'a LineAccount>) -> Table {
    Table::of(
        lines,
        &[
            ("line", &|line| line.line.map_or(DASH.into(), grouped)),
            ("text", &|line| line.text.clone()),
            ("bits", &|line| format!("{:.4}", line.bits)),
            ("bits of each token", &|line| {
                let bits: Vec<String> = line.tokens.iter().map(|t| format!("{:.2}", t.bits)).collect();
                bits.join(" ")
            }),
        ],
    )
}

/// Lines of the text, and tokens of each that are named.
const TEXT_LINES: usize = 5;
const TEXT_TOKENS: usize = 3;

/// The lines that cost most, for the text.
fn worst_lines(lines: &[LineAccount]) -> String {
    let mut text =
        "The lines that cost most; under each character its bits, whole ones, * for more than 9:\n"
            .to_owned();
    for line in lines.iter().take(TEXT_LINES) {
        let digit = |bits: f64| match bits.round() {
            b if b > 9.0 => '*',
            b => char::from(b'0' + b as u8),
        };
        let bits: String = line.tokens.iter().map(|token| digit(token.bits)).collect();
        let mut worst: Vec<_> = line.tokens.iter().collect();
        worst.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        let named = worst.iter().take(TEXT_TOKENS);
        let named = named.map(|token| format!("{} at {}: {:.3}", token.symbol, token.position, token.bits));
        writeln!(
            text,
            "  line {}, {:.3} bits; most for {}\n    {}\n    {bits}",
            line.line.map_or(DASH.into(), grouped),
            line.bits,
            named.collect::<Vec<_>>().join(", "),
            line.text.escape_debug()
        )
        .expect("memory");
    }
    text
}
