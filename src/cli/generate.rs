//! `surprisal generate`: completions for shells, the manual page.

use anyhow::Result;
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

use super::streams::print;
use super::{Cli, usage};

/// Print shell completions or the manual page.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal generate completions bash > /usr/share/bash-completion/completions/surprisal
  surprisal generate man > surprisal.1
  surprisal generate man compress > surprisal-compress.1")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Completions for a shell
    Completions { shell: Shell },
    /// The manual page of the program, or of one verb
    Man { verb: Option<String> },
}

impl Args {
    /// Prints what was asked for.
    pub fn run(&self) -> Result<()> {
        let mut out = Vec::new();
        match &self.what {
            What::Completions { shell } => {
                clap_complete::generate(*shell, &mut Cli::command(), "surprisal", &mut out);
            }
            What::Man { verb } => clap_mangen::Man::new(page(verb.as_deref())?).render(&mut out)?,
        }
        print(&String::from_utf8(out)?)
    }
}

fn page(verb: Option<&str>) -> Result<clap::Command> {
    let mut program = Cli::command();
    program.build();
    let Some(verb) = verb else {
        return Ok(program);
    };
    let found = program.find_subcommand(verb);
    let found = found.ok_or_else(|| usage(&format!("there is no verb '{verb}' to have a manual page")))?;
    Ok(found.clone())
}
