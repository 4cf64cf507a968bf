//! The page: everything in one file that needs nothing else, neither a network nor a script.

use std::fmt::Write;

use super::figures::{Figure, STYLE};
use super::learning::LearningAccount;
use super::numbers::grouped;
use super::{Account, Floor};

const PAGE_STYLE: &str = "\
*{box-sizing:border-box}
html{background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;color-scheme:light dark}
body{max-width:860px;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.5rem 0}
h2{font-size:1.15rem;margin:2.5rem 0 .5rem}
.claim{font-size:1.1rem;border-left:4px solid var(--blue);padding:.3rem 0 .3rem .9rem;margin:1.2rem 0}
figure{margin:0}
.scroll{overflow-x:auto}
.scroll svg{display:block;min-width:620px;max-width:100%;height:auto}
figcaption,.note{color:var(--muted);font-size:.92rem}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .7rem .2rem 0;border-bottom:1px solid var(--grid);vertical-align:top}
summary{cursor:pointer;color:var(--muted);font-size:.92rem;margin:.4rem 0}
code{font-family:ui-monospace,monospace}
@media print{body{max-width:none}section{break-inside:avoid}.scroll{overflow:visible}.scroll svg{min-width:0}details{display:none}}
";

/// What stands above the figures.
struct Head {
    title: String,
    facts: String,
    claims: Vec<String>,
    floor: String,
    /// The command that makes such a page.
    command: &'static str,
}

/// The page of an account of a corpus called `name`.
pub fn page(name: &str, account: &Account, figures: &[Figure]) -> String {
    let head = Head {
        title: format!("{name}: the account of bits"),
        facts: facts(account),
        claims: vec![account.claim.sentence.clone()],
        floor: floor(&account.floor),
        command: "surprisal report",
    };
    whole(&head, figures)
}

/// The page of an account of coding a corpus called `name` while learning.
pub fn learning_page(name: &str, account: &LearningAccount, figures: &[Figure]) -> String {
    let (lines, bytes) = (account.corpus.lines, account.corpus.bytes);
    let presets: Vec<&str> = account.runs.iter().map(|run| run.preset.as_str()).collect();
    let head = Head {
        title: format!("{name}: coded while learning"),
        facts: format!(
            "{} lines, {} bytes; learners that begin with nothing: {}.",
            grouped(lines),
            grouped(bytes),
            presets.join(", ")
        ),
        claims: account.runs.iter().map(|run| run.sentence()).collect(),
        floor: floor(&account.floor),
        command: "surprisal report --learn",
    };
    whole(&head, figures)
}

fn whole(head: &Head, figures: &[Figure]) -> String {
    let mut html = String::new();
    let title = text(&head.title);
    write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}{PAGE_STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>{title}</h1>\n<p class=\"note\">{}</p>\n",
        text(&head.facts),
    )
    .expect("memory");
    for claim in &head.claims {
        writeln!(html, "<p class=\"claim\">{}</p>", text(claim)).expect("memory");
    }
    writeln!(html, "<p>{}</p>\n</header>\n<main>", text(&head.floor)).expect("memory");
    for figure in figures {
        section(&mut html, figure);
    }
    write!(
        html,
        "</main>\n<footer><p class=\"note\">Made by <code>{}</code>. The surprisal of a token is −log₂ of the \
         probability that the model gave it: the bits that it costs.</p></footer>\n</body>\n</html>\n",
        head.command
    )
    .expect("memory");
    html
}

fn section(html: &mut String, figure: &Figure) {
    let name = figure.name;
    write!(
        html,
        "<section id=\"{name}\">\n<h2>{}</h2>\n<figure>\n<div class=\"scroll\" tabindex=\"0\">{}</div>\n\
         <figcaption>{}</figcaption>\n</figure>\n<details>\n<summary>The numbers</summary>\n{}</details>\n</section>\n",
        text(&figure.title),
        figure.to_svg(),
        text(&figure.caption),
        table(&figure.table),
    )
    .expect("memory");
}

fn table(rows: &[Vec<String>]) -> String {
    let mut html = "<div class=\"scroll\"><table>\n".to_owned();
    for (index, row) in rows.iter().enumerate() {
        let cell = if index == 0 { "th" } else { "td" };
        html += "<tr>";
        for value in row {
            write!(html, "<{cell}>{}</{cell}>", text(value)).expect("memory");
        }
        html += "</tr>\n";
    }
    html + "</table></div>\n"
}

fn facts(account: &Account) -> String {
    let (model, corpus) = (&account.model, &account.corpus);
    let mut facts = format!(
        "{} lines, {} bytes; model {} ({}), {} parameters",
        grouped(corpus.lines),
        grouped(corpus.bytes),
        model.name,
        model.identity,
        grouped(model.parameters as u64)
    );
    if corpus.modelled_lines < corpus.lines {
        write!(
            facts,
            "; the model codes {} of the lines",
            grouped(corpus.modelled_lines)
        )
        .expect("memory");
    }
    facts + "."
}

fn floor(floor: &Floor) -> String {
    match floor.bits_per_line {
        Some(bits) => format!("The entropy of a line is {bits:.4} bits: {}.", floor.reason),
        None => format!("The entropy of the lines is not known: {}.", floor.reason),
    }
}

/// Text as it may stand in HTML.
fn text(text: &str) -> String {
    super::figures::escape(text)
}
