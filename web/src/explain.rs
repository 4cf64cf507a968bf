//! What each token of typed lines costs.

use serde::Serialize;
use surprisal::report::{LineAccount, explain};
use surprisal::text::{Distribution, Operands};
use surprisal::{Level, Models};
use wasm_bindgen::prelude::*;

use super::to_js;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A character of a line, or its end. */
export interface Token {
    /** From 0. */
    position: number;
    /** The character; `end` for the end of the line. */
    symbol: string;
    /** What the model gave it, and −log₂ of that: its surprisal. */
    probability: number;
    bits: number;
    /** The entropy of what the model expected here. */
    expected_bits: number;
    /** All symbols with their probabilities, the likeliest first. */
    distribution: [string, number][];
}
/** A line and what its tokens cost; or why the model cannot code it. */
export type Line = { text: string; bits: number; tokens: Token[] } | { text: string; error: string };
export interface Explanation {
    /** The name of the model. */
    model: string;
    /** The entropy of a line of the sums that it was trained on, in bits. */
    entropy: number;
    lines: Line[];
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Explanation")]
    pub type Explanation;
}

#[derive(Serialize)]
struct Account<'a> {
    model: &'a str,
    entropy: f64,
    lines: Vec<Line<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Coded(LineAccount),
    Refused { text: &'a str, error: String },
}

/// What the model that codes these lines in the fewest bits makes of each of them, token by token.
#[wasm_bindgen(js_name = explain)]
pub fn explain_lines(text: &str) -> Explanation {
    let models = Models::bundled();
    let model = models.choose(Level::default(), text.as_bytes());
    let account = |text| match explain(model.exact(), str::as_bytes(text)) {
        Ok(line) => Line::Coded(line),
        Err(error) => Line::Refused { text, error: error.to_string() },
    };
    let lines = text.lines().map(account).collect();
    to_js(&Account { model: model.name(), entropy: entropy_of(model.name()), lines }).into()
}

/// Digits of the operands that all bundled models were trained on.
const DIGITS: u32 = 8;

/// The entropy of a line of those that a bundled model, whose name ends in their distribution, was trained on.
fn entropy_of(model: &str) -> f64 {
    let operands = Operands::ALL.into_iter().find(|operands| model.ends_with(operands.name()));
    let distribution = Distribution::new(DIGITS, operands.unwrap_or(Operands::Uniform));
    distribution.expect("digits within range").entropy_bits()
}
