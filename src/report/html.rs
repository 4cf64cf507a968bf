//! An account as a page: everything in one file that needs nothing else, neither a network nor a script.

use std::fmt::Write;

use super::account::{Account, Coding};
use super::canvas::escape;
use super::section::{STYLE, Section, Table};
use super::sections::sections;

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

/// The page of the account of a corpus called `name`.
pub fn to_html(name: &str, account: &Account) -> String {
    let (what, command) = match account.coding {
        Coding::Model(_) => ("the account of bits", "surprisal report"),
        Coding::Learners(_) => ("coded while learning", "surprisal report --learn"),
    };
    let (title, [facts, floor]) = (escape(&format!("{name}: {what}")), account.facts());
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}{PAGE_STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>{title}</h1>\n<p class=\"note\">{}</p>\n",
        escape(&facts),
    );
    for claim in account.claims() {
        writeln!(html, "<p class=\"claim\">{}</p>", escape(claim)).expect("memory");
    }
    writeln!(html, "<p>{}</p>\n</header>\n<main>", escape(&floor)).expect("memory");
    for section in sections(account) {
        append_section(&mut html, &section);
    }
    write!(
        html,
        "</main>\n<footer><p class=\"note\">Made by <code>{command}</code>. The surprisal of a token is −log₂ of the \
         probability that the model gave it: the bits that it costs.</p></footer>\n</body>\n</html>\n",
    )
    .expect("memory");
    html
}

/// A section: its figure with the table folded away, or the table alone.
fn append_section(html: &mut String, section: &Section) {
    write!(html, "<section id=\"{}\">\n<h2>{}</h2>\n", section.name, escape(&section.title)).expect("memory");
    let table = table(&section.table);
    match section.to_svg() {
        Some(svg) => write!(
            html,
            "<figure>\n<div class=\"scroll\" tabindex=\"0\">{svg}</div>\n<figcaption>{}</figcaption>\n</figure>\n\
             <details>\n<summary>The numbers</summary>\n{table}</details>\n",
            escape([&section.caption, " ", &section.note].concat().trim())
        ),
        None => writeln!(html, "{table}<p class=\"note\">{}</p>", escape(&section.note)),
    }
    .expect("memory");
    html.push_str("</section>\n");
}

fn table(table: &Table) -> String {
    let mut html = "<div class=\"scroll\"><table>\n".to_owned();
    let mut line = |cell: &str, row: &[String], remark: Option<&str>| {
        html += "<tr>";
        for value in row.iter().map(String::as_str).chain(remark) {
            write!(html, "<{cell}>{}</{cell}>", escape(value)).expect("memory");
        }
        html += "</tr>\n";
    };
    line("th", &table.head, (!table.remarks.is_empty()).then_some("why"));
    for (index, row) in table.rows.iter().enumerate() {
        line("td", row, table.remarks.get(index).map(String::as_str));
    }
    html + "</table></div>\n"
}
