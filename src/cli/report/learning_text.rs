//! An account of coding while learning as text.

use surprisal::report::learning::{EMERGED_BITS, LearningAccount, LearningRun};
use surprisal::report::{grouped, percent, signed};

use crate::cli::text::{count, decimal, table};

/// Rows of a learning curve.
const CURVE_ROWS: usize = 16;

/// The report.
pub fn to_text(name: &str, account: &LearningAccount) -> String {
    let (corpus, floor) = (&account.corpus, &account.floor);
    let mut text = format!(
        "{name}: {}, {}, coded while learning\n",
        count(corpus.lines, "line"),
        count(corpus.bytes, "byte")
    );
    text += &match floor.bits_per_line {
        Some(bits) => format!("The entropy of a line is {bits:.4} bits: {}.\n", floor.reason),
        None => format!("The entropy of the lines is not known: {}.\n", floor.reason),
    };
    for run in &account.runs {
        text += &format!("\n{}", curve(run, floor.bits_per_line));
    }
    if account.runs.iter().any(|run| !run.positions.is_empty()) {
        text += &format!("\n{}", emergence(&account.runs));
    }
    text += &format!("\n{}\n{}", totals(account), others(account));
    for run in &account.runs {
        text += &format!("\n{}", run.sentence());
    }
    text + "\n"
}

fn curve(run: &LearningRun, floor: Option<f64>) -> String {
    let size = run.windows.len().div_ceil(CURVE_ROWS).max(1);
    let row = |windows: &[surprisal::report::learning::LearningWindow]| {
        let lines: u64 = windows.iter().map(|window| window.window_lines).sum();
        let bits = windows.iter().map(|window| window.bits).sum::<f64>() / lines.max(1) as f64;
        vec![
            grouped(windows[windows.len() - 1].lines),
            format!("{bits:.4}"),
            decimal(floor.map(|floor| bits - floor), 4),
        ]
    };
    let head = format!("{}: to line", run.preset);
    let rows: Vec<_> = run.windows.chunks(size).map(row).collect();
    table(&[&head, "bits/line", "above the floor"], &rows)
}

fn emergence(runs: &[LearningRun]) -> String {
    let mut head = vec!["emerges at line", "aleatoric bits"];
    head.extend(runs.iter().map(|run| run.preset.as_str()));
    let longest = runs.iter().max_by_key(|run| run.positions.len());
    let positions = longest.map_or(&[][..], |run| &run.positions);
    let row = |position: &surprisal::report::learning::LearningPosition| {
        let mut row = vec![position.label.clone(), decimal(position.aleatoric_bits, 3)];
        for run in runs {
            let here = run.positions.get(position.position);
            let line = here.and_then(|position| position.emerges_at);
            row.push(line.map_or("-".into(), grouped));
        }
        row
    };
    let rows: Vec<_> = positions.iter().map(row).collect();
    format!(
        "{}(the first line of the first window from which on the position costs less than {EMERGED_BITS} bits above its \
         aleatoric bits, to the end; windows of {} lines)\n",
        table(&head, &rows),
        grouped(runs.iter().map(|run| run.window_lines).max().unwrap_or(0))
    )
}

fn totals(account: &LearningAccount) -> String {
    let head = [
        "preset",
        "parameters",
        "bytes",
        "above the floor",
        "coded",
        "losses",
        "coded above losses, %",
        "framing",
        "steps on batches",
        "seconds",
        "MB/s",
    ];
    let row = |run: &LearningRun| {
        vec![
            run.preset.clone(),
            grouped(run.parameters as u64),
            grouped(run.archive.bytes),
            run.above_floor_bytes.map_or("-".into(), signed),
            grouped(run.archive.coded_bytes),
            grouped(run.loss_bytes.round() as u64),
            decimal(run.coded_above_loss_percent, 4),
            grouped(run.archive.framing_bytes),
            run.steps_text(),
            format!("{:.1}", run.seconds),
            format!("{:.3}", run.megabytes_per_second),
        ]
    };
    table(&head, &account.runs.iter().map(row).collect::<Vec<_>>())
}

/// The floor, and who did not have to learn.
fn others(account: &LearningAccount) -> String {
    let row = |name: String, bytes: f64, how: String| vec![name, grouped(bytes.round() as u64), how];
    let seconds = |seconds: f64| format!("{seconds:.2} s");
    let mut rows = Vec::new();
    rows.extend(
        account
            .floor_bytes
            .map(|bytes| row("floor".into(), bytes, String::new())),
    );
    if let Some(bundled) = &account.bundled {
        let share = percent(100.0 * bundled.model_bytes as f64 / account.corpus.bytes.max(1) as f64);
        let name = format!(
            "two-part code: {} bytes of weights of {} ({share} % of the corpus), and its archive",
            grouped(bundled.model_bytes),
            bundled.model
        );
        let bytes = bundled.model_bytes + bundled.archive_bytes;
        rows.push(row(name, bytes as f64, seconds(bundled.seconds)));
    }
    for peer in account.peers.iter().flatten() {
        rows.push(row(peer.name.into(), peer.bytes as f64, seconds(peer.seconds)));
    }
    if let Some(recorded) = account.recorded {
        let name = format!(
            "{}, recorded: {} bytes for {} lines, scaled to these",
            recorded.name,
            grouped(recorded.bytes),
            grouped(recorded.lines)
        );
        rows.push(row(name, recorded.scaled_bytes, String::new()));
    }
    match rows.is_empty() {
        true => String::new(),
        false => table(&["beside them", "bytes", ""], &rows),
    }
}
