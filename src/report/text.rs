//! An account as text.

use std::fmt::Write;

use super::account::Account;
use super::section::Brief;
use super::sections::sections;

/// The account of a corpus called `name`: what stands above the sections, those that have something to
/// say without a figure, and the verdict last.
pub fn to_text(name: &str, account: &Account) -> String {
    let [facts, floor] = account.facts();
    let mut text = format!("{name}: {facts}\n{floor}\n");
    for section in sections(account) {
        let (title, table) = (&section.title, &section.table);
        let body = match section.brief {
            Brief::Nothing => continue,
            Brief::Table => table.to_text(),
            Brief::Lines(lines) => lines,
        };
        write!(text, "\n{title}\n\n{body}").expect("memory");
        if !table.remarks.is_empty() {
            text.push('\n');
        }
        for (row, remark) in table.rows.iter().zip(&table.remarks) {
            writeln!(text, "{}: {remark}", row[0]).expect("memory");
        }
        if !section.note.is_empty() {
            writeln!(text, "{}", section.note).expect("memory");
        }
    }
    for claim in account.claims() {
        write!(text, "\n{claim}").expect("memory");
    }
    text + "\n"
}
