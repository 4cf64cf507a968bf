//! An account as text.

use surprisal::report::{Account, LineAccount, Link, Position, grouped, signed, signed_percent};

use crate::cli::text::{count, decimal, table};

/// Worst lines that are printed.
const WORST_LINES: usize = 5;
/// Tokens of a worst line that are named.
const WORST_TOKENS: usize = 3;

/// The report.
pub fn to_text(name: &str, account: &Account) -> String {
    let (model, corpus) = (&account.model, &account.corpus);
    let mut text = format!(
        "{name}: {}, {}; model {} ({})\n",
        count(corpus.lines, "line"),
        count(corpus.bytes, "byte"),
        model.name,
        model.identity
    );
    if corpus.modelled_lines < corpus.lines {
        text += &format!(
            "The model codes {} of the lines: links 1 to 6 are about those.\n",
            grouped(corpus.modelled_lines)
        );
    }
    text += &format!("\n{}\n{}", chain(&account.links), reasons(&account.links));
    text += &sample(account);
    if !account.positions.is_empty() {
        text += &format!("\n{}", positions(&account.positions));
    }
    if !account.worst_lines.is_empty() {
        text += &format!("\n{}", worst_lines(&account.worst_lines));
    }
    if let Some(peers) = &account.peers {
        let row = |name: &str, bytes: u64, seconds: Option<f64>| {
            vec![name.to_owned(), grouped(bytes), decimal(seconds, 2)]
        };
        let mut rows = vec![row("surprisal", account.archive.bytes, None)];
        rows.extend(peers.iter().map(|p| row(p.name, p.bytes, Some(p.seconds))));
        text += &format!("\n{}", table(&["compressor", "bytes", "seconds"], &rows));
    }
    text + &format!("\n{}\n", account.claim.sentence)
}

fn chain(links: &[Link]) -> String {
    let head = [
        "link",
        "bits/line",
        "bits/token",
        "nats/token",
        "bytes",
        "difference, bits",
        "%",
    ];
    let row = |link: &Link| {
        let per_cent = link.difference_percent.map(signed_percent);
        vec![
            format!("{} {}", link.link, link.name),
            decimal(link.bits_per_line, 5),
            decimal(link.bits_per_token, 6),
            decimal(link.nats_per_token, 6),
            link.bytes
                .map_or("-".into(), |bytes| grouped(bytes.round() as u64)),
            link.difference_bits.map_or("-".into(), signed),
            per_cent.map_or("-".into(), |text| text.trim_end_matches(" %").to_owned()),
        ]
    };
    table(&head, &links.iter().map(row).collect::<Vec<_>>())
}

fn reasons(links: &[Link]) -> String {
    links
        .iter()
        .map(|link| format!("{} {}: {}\n", link.link, link.name, link.why))
        .collect()
}

/// Links 3 and 4 beside link 5 on the same lines.
fn sample(account: &Account) -> String {
    let Some(sample) = &account.sample else {
        return String::new();
    };
    let networks = [
        ("float network", sample.floating.as_ref()),
        ("exact network", Some(&sample.unrounded)),
    ];
    let rows = networks.iter().filter_map(|(name, estimate)| {
        let e = (*estimate)?;
        Some(vec![
            (*name).to_owned(),
            grouped(e.lines),
            grouped(e.stride),
            format!("{:.5}", e.bits),
            format!("{:.5}", e.integer_bits),
            format!("{:+.5}", e.above_integer),
            format!("{:.5}", e.standard_error),
        ])
    });
    let head = [
        "sample",
        "lines",
        "one in",
        "bits/line",
        "by integers",
        "difference",
        "standard error",
    ];
    format!("\n{}", table(&head, &rows.collect::<Vec<_>>()))
}

fn positions(positions: &[Position]) -> String {
    let head = [
        "position",
        "tokens",
        "bits",
        "aleatoric",
        "epistemic",
        "worst",
        "in line",
    ];
    let row = |p: &Position| {
        vec![
            p.label.clone(),
            grouped(p.tokens),
            format!("{:.6}", p.bits),
            decimal(p.aleatoric_bits, 6),
            decimal(p.epistemic_bits, 6),
            format!("{:.3}", p.worst_bits),
            grouped(p.worst_line),
        ]
    };
    let mut rows: Vec<Vec<String>> = positions.iter().map(row).collect();
    // Of all lines, so that parts of lines that only some have count as often as they come.
    let lines = positions.iter().map(|p| p.tokens).max().unwrap_or(1) as f64;
    let sum = |of: fn(&Position) -> Option<f64>| {
        let parts = positions.iter().map(|p| Some(of(p)? * p.tokens as f64));
        parts.sum::<Option<f64>>().map(|sum| sum / lines)
    };
    rows.push(vec![
        "a line".into(),
        String::new(),
        decimal(sum(|p| Some(p.bits)), 6),
        decimal(sum(|p| p.aleatoric_bits), 6),
        decimal(sum(|p| p.epistemic_bits), 6),
        String::new(),
        String::new(),
    ]);
    table(&head, &rows)
}

fn worst_lines(lines: &[LineAccount]) -> String {
    let mut text =
        "The lines that cost most; under each character its bits, whole ones, * for more than 9:\n"
            .to_owned();
    for line in lines.iter().take(WORST_LINES) {
        let number = grouped(line.line.unwrap_or(0));
        let digit = |bits: f64| match bits.round() {
            b if b > 9.0 => '*',
            b => char::from(b'0' + b as u8),
        };
        let bits: String = line.tokens.iter().map(|token| digit(token.bits)).collect();
        let mut worst: Vec<_> = line.tokens.iter().collect();
        worst.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        let named = worst.iter().take(WORST_TOKENS).map(|token| {
            let (symbol, at) = (&token.symbol, token.position);
            format!("{symbol} at {at}: {:.3}", token.bits)
        });
        text += &format!(
            "  line {number}, {:.3} bits; most for {}\n    {}\n    {bits}\n",
            line.bits,
            named.collect::<Vec<_>>().join(", "),
            line.text.escape_debug()
        );
    }
    text
}
