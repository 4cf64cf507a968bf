//! The files that `compress` and `decompress` turn into others.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::input::{self, Original, Source};
use super::output::{Content, Guard, Output, Target};
use super::usage;

/// What goes in, and where it goes.
#[derive(clap::Args)]
pub struct FileOptions {
    /// Files; none or - is stdin, which goes to stdout
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write to this file (- is stdout)
    #[arg(short, long, value_name = "FILE", conflicts_with = "stdout")]
    output: Option<PathBuf>,
    /// Write to stdout
    #[arg(short = 'c', long)]
    stdout: bool,
    /// Overwrite files; write an archive to a terminal
    #[arg(short, long)]
    pub force: bool,
    /// Remove each input after its output is whole
    #[arg(long, conflicts_with_all = ["stdout", "keep"])]
    rm: bool,
    /// Keep the inputs (they are kept anyway)
    #[arg(short, long)]
    keep: bool,
}

impl FileOptions {
    /// The inputs.
    ///
    /// # Errors
    /// One of usage, if `-o` names one output for several.
    pub fn inputs(&self) -> Result<Vec<PathBuf>> {
        let files = input::or_stdin(&self.files);
        if files.len() > 1 && self.output.is_some() {
            return Err(usage("-o names one output, but there are more inputs"));
        }
        if self.rm
            && files
                .iter()
                .any(|file| self.target(file, |_| Ok(PathBuf::new())).is_ok_and(|t| t == Target::Stdout))
        {
            return Err(needs_file("--rm"));
        }
        Ok(files)
    }

    /// Where the output of a file goes: to `named`, unless an option or stdin says otherwise.
    pub fn target(&self, file: &Path, named: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<Target> {
        Ok(match &self.output {
            Some(output) => Target::named(output),
            None if self.stdout || input::is_stdin(file) => Target::Stdout,
            None => Target::File(named(file)?),
        })
    }

    /// Opens an input and its output.
    pub fn open(
        &self,
        file: &Path,
        target: &Target,
        content: Content,
        guard: &mut Guard,
    ) -> Result<(Source, Output)> {
        let source = match content {
            Content::Archive => Source::open(file)?,
            Content::Text => Source::open_archive(file)?,
        };
        // Before it is opened: a pipe waits for its reader.
        let is_regular = |path: &Path| path.metadata().is_ok_and(|found| found.is_file() || found.is_dir());
        let output = match target {
            Target::File(path) if self.rm && path.exists() && !is_regular(path) => None,
            _ => Some(guard.open(target, content)?),
        };
        match output.filter(|output| !self.rm || output.safe_path().is_some()) {
            Some(output) => Ok((source, output)),
            None => bail!("--rm needs a regular file to write to: name one with -o"),
        }
    }

    /// Gives the output its name and, with `--rm`, removes what it was made of.
    pub fn finish(&self, output: Output, original: Option<&Original>) -> Result<()> {
        output.finish(original.map(|original| &original.metadata))?;
        match original {
            Some(original) if self.rm => original.remove(),
            _ => Ok(()),
        }
    }
}

/// An error of usage: an option for which stdout is not enough.
pub fn needs_file(option: &str) -> anyhow::Error {
    usage(&format!("{option} needs a file to write to: name one with -o"))
}
