//! What `wasm-bindgen`'s program does, as the library that it is made of: so `Cargo.lock` holds both halves of
//! wasm-bindgen at one version, and nothing need be installed.
//!
//! `surprisal-bindgen MODULE.wasm FOLDER (page|package)` writes `surprisal.js` and `surprisal_bg.wasm`: for the page a
//! script that defines `wasm_bindgen`, for the package an ES module with its types.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder, kind] = &arguments[..] else {
        eprintln!("usage: surprisal-bindgen MODULE.wasm FOLDER (page|package)");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("surprisal").remove_name_section(true).remove_producers_section(true);
    let result = match kind.as_str() {
        "page" => bindgen.no_modules(true).map(|bindgen| bindgen.typescript(false)),
        "package" => bindgen.web(true).map(|bindgen| bindgen.typescript(true)),
        _ => {
            eprintln!("surprisal-bindgen: {kind} is neither page nor package");
            return ExitCode::from(2);
        }
    };
    match result.and_then(|bindgen| bindgen.generate(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("surprisal-bindgen: {module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
