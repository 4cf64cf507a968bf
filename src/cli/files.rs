//! The files that `compress` and `decompress` turn into others.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use surprisal::LineRange;

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
    /// Only these lines, to stdout unless -o is given: both ends count from 1 and are included;
    /// 7.. is all from line 7 on, ..7 the first seven, 7 just one
    #[arg(long, value_name = "FROM..TO", conflicts_with = "rm", value_parser = parse_lines)]
    pub lines: Option<LineRange>,
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
            None if self.stdout || self.lines.is_some() || input::is_stdin(file) => Target::Stdout,
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
        let refuse_unless = |is_regular: bool| {
            if self.rm && !is_regular {
                bail!("--rm needs a regular file to write to: name one with -o");
            }
            Ok(())
        };
        // Opening a pipe waits for its reader.
        refuse_unless(!target.is_special())?;
        let output = guard.open(target, content)?;
        refuse_unless(output.safe_path().is_some())?;
        Ok((source, output))
    }

    /// Gives the output its name and, with `--rm`, removes what it was made of.
    pub fn finish(&self, output: Output, original: Option<&Original>) -> Result<()> {
        let original = original.filter(|_| self.lines.is_none());
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

fn parse_lines(text: &str) -> Result<LineRange, String> {
    let number = |part: &str, default| match part {
        "" => Ok(default),
        part => part.parse::<u64>().map_err(|e| format!("'{part}': {e}")),
    };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    if from.is_empty() && to.is_empty() {
        return Err("a range is FROM..TO, FROM.. or ..TO".into());
    }
    LineRange::new(number(from, 1)?, number(to, u64::MAX)?).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_lines() {
        let range = |from, to| Ok(LineRange::new(from, to).unwrap());
        assert_eq!(parse_lines("3..5"), range(3, 5));
        assert_eq!(parse_lines("3.."), range(3, u64::MAX));
        assert_eq!(parse_lines("..5"), range(1, 5));
        assert_eq!(parse_lines("4"), range(4, 4));
        for bad in ["", "..", "0..4", "5..3", "a..b", "-1..2", "1...2"] {
            assert!(parse_lines(bad).is_err(), "{bad}");
        }
    }
}
