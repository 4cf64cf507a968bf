//! Says how surprising each line of stdin is to a bundled model, in bits.
//!
//! ```sh
//! printf '12345678+87654321=099999999\n12345678+87654321=099999998\n' | cargo run --release --example score_lines
//! ```

use std::io::stdin;

use surprisal::Models;
use surprisal::report::explain;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let models = Models::bundled();
    let network = models.default_model().exact();
    for line in stdin().lines() {
        let line = line?;
        match explain(network, line.as_bytes()) {
            Ok(account) => println!("{:8.3}  {line}", account.bits),
            Err(error) => println!("       –  {line}  ({error})"),
        }
    }
    Ok(())
}
