//! The self-test, case by case.

use serde::Serialize;
use surprisal::Identity;
use surprisal::network::Isa;
use surprisal::selftest::{CASES, Target, combined};
use wasm_bindgen::prelude::*;

use super::{thrown, to_js};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A result of the self-test. */
export interface CaseResult {
    name: string;
    /** The first 16 hexadecimal digits of what came out, and of what is right. */
    hash: string;
    expected: string;
    holds: boolean;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "CaseResult | undefined")]
    pub type CaseResult;
}

#[derive(Serialize)]
struct Outcome {
    name: &'static str,
    hash: String,
    expected: &'static str,
    holds: bool,
}

/// Runs the cases whose models are there.
#[wasm_bindgen]
pub struct SelfTest {
    target: Target,
    next: usize,
    hashes: Vec<Identity>,
}

#[wasm_bindgen]
impl SelfTest {
    /// On a kernel: `portable`, `simd128`, `relaxed-simd`; the one that computes unless one is given.
    #[wasm_bindgen(constructor)]
    pub fn new(kernel: Option<String>) -> Result<Self, JsError> {
        let isa = match kernel {
            None => Isa::best(),
            Some(name) => name.parse().map_err(thrown)?,
        };
        Ok(Self { target: Target::kernel(isa).map_err(thrown)?, next: 0, hashes: Vec::new() })
    }

    /// The kernels that this module has, slowest first.
    pub fn kernels() -> Vec<String> {
        let available = Isa::ALL.into_iter().filter(|isa| isa.is_available());
        available.map(|isa| isa.name().to_owned()).collect()
    }

    /// Names of the cases that are run.
    pub fn cases() -> Vec<String> {
        CASES.iter().filter(|case| case.is_runnable()).map(|case| case.name.to_owned()).collect()
    }

    /// Runs the next case; `undefined` behind the last.
    pub fn next(&mut self) -> Result<CaseResult, JsError> {
        let Some(case) = CASES.iter().filter(|case| case.is_runnable()).nth(self.next) else {
            return Ok(JsValue::UNDEFINED.into());
        };
        self.next += 1;
        let hash = case.run(&self.target).map_err(thrown)?.expect("kernels run every case");
        self.hashes.push(hash);
        let (hash, expected) = (hash.to_string(), case.expected);
        let holds = hash == expected;
        Ok(to_js(&Outcome { name: case.name, hash, expected, holds }).into())
    }

    /// One hash of the cases so far; of all cases it is that of `surprisal selftest`.
    pub fn hash(&self) -> String {
        combined(&self.hashes).to_string()
    }
}
