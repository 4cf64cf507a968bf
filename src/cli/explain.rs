//! `surprisal explain`: one line, token by token.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use serde_json::json;
use surprisal::report::{LineAccount, Table, TokenAccount, explain, glyph};
use surprisal::{Level, Model};

use super::model::ModelOption;
use super::streams::print;
use super::text::shown;

/// Runners-up that are shown.
const RUNNERS_UP: usize = 3;

/// Show what each token of a line costs, and what the model expected.
///
/// A token's surprisal is -log2 of the probability that the model gave it, in bits. In a terminal
/// the line is coloured by it, unless NO_COLOR is set.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal explain 17282456+79546852=096829308   3.32 bits under each operand digit, 0 elsewhere
  surprisal explain 17282456+79546852=096829318   a wrong sum: one digit costs many bits
  surprisal explain -m runs/nano --json 1+1=2

--json prints one object: model, identity, text, bits (of the line) and tokens, for each of which
there are position (from 0), symbol (end is the end of the line), probability, bits, expected_bits
(the entropy of what the model expected) and distribution: pairs of symbol and probability, the
likeliest first.")]
pub struct Args {
    /// The line, without its newline
    #[arg(value_name = "LINE")]
    line: String,
    #[command(flatten)]
    model: ModelOption,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Prints the tokens.
    pub fn run(&self) -> Result<()> {
        let models = self.model.models()?;
        let model = &self.model.choose(&models, Level::default(), self.line.as_bytes(), 1)?;
        let line = explain(model.exact(), self.line.as_bytes())
            .with_context(|| format!("{:?} cannot be explained by model {}", self.line, model.name()))?;
        print(&if self.json { to_json(model, &line) + "\n" } else { to_text(&line, Paint::of_stdout()) })
    }
}

fn to_json(model: &Model, line: &LineAccount) -> String {
    let mut value = serde_json::to_value(line).expect("plain data");
    value["model"] = json!(model.name());
    value["identity"] = json!(model.identity());
    value.to_string()
}

fn to_text(line: &LineAccount, paint: Paint) -> String {
    let tokens = &line.tokens;
    let mut text = String::new();
    if paint == Paint::Colours {
        text += &tokens.iter().map(painted).collect::<String>();
        text += "\n\n";
    }
    let table = Table::of(
        tokens,
        &[
            ("token", &|token| shown(&token.symbol)),
            ("probability", &|token| format!("{:.6}", token.probability)),
            ("bits", &|token| format!("{:.4}", token.bits)),
            ("expected", &|token| format!("{:.4}", token.expected_bits)),
            ("others, likeliest first", &|token| others(token)),
        ],
    );
    let table = table.to_text();
    let mut lines = table.lines();
    text += lines.next().unwrap_or_default();
    text.push('\n');
    for (line, token) in lines.zip(tokens) {
        text += &match paint {
            Paint::Colours => format!("{}{line}{RESET}", colour(token.bits)),
            Paint::Plain => line.to_owned(),
        };
        text.push('\n');
    }
    let count = tokens.len();
    text + &format!("\n{:.4} bits in {count} tokens, {:.4} a token\n", line.bits, line.bits / count as f64)
}

fn others(token: &TokenAccount) -> String {
    let others = token.runners_up().take(RUNNERS_UP);
    let others: Vec<String> = others.map(|(symbol, p)| format!("{} {p:.6}", shown(symbol))).collect();
    others.join("  ")
}

/// Whether text for a terminal has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Colours,
    Plain,
}

impl Paint {
    fn of_stdout() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        if std::io::stdout().is_terminal() && !no_color && !is_dumb { Self::Colours } else { Self::Plain }
    }
}

const RESET: &str = "\x1b[0m";

/// Of the 256 colours: grey for what was known, blue for chance, orange and red for surprise.
fn colour(bits: f64) -> &'static str {
    match bits {
        b if b < 0.1 => "\x1b[38;5;245m",
        b if b < 1.0 => "\x1b[38;5;110m",
        b if b < 4.0 => "\x1b[38;5;75m",
        b if b < 8.0 => "\x1b[1;38;5;214m",
        _ => "\x1b[1;38;5;202m",
    }
}

fn painted(token: &TokenAccount) -> String {
    let symbol = shown(&glyph(&token.symbol).to_string());
    format!("{}{symbol}{RESET}", colour(token.bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_surprisal() {
        let models = surprisal::Models::bundled();
        let line = explain(models.default_model().exact(), b"17282456+79546852=096829308").unwrap();
        let text = to_text(&line, Paint::Colours);
        assert_eq!(text.matches(colour(3.32)).count(), 32, "16 in the line, 16 in the table");
        assert_eq!(text.matches(colour(0.0)).count(), 24);
        assert!(!to_text(&line, Paint::Plain).contains('\x1b'));
    }
}
