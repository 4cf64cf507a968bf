//! The page and the figures as files.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use surprisal::report::figures::{self, Figure};

use crate::cli::output::{Content, Output, Overwrite, Target};

/// Files that were asked for, open before the work begins so that it is not done in vain.
pub struct Files {
    page: Option<Output>,
    folder: Option<PathBuf>,
    overwrite: Overwrite,
}

impl Files {
    /// Opens the page; makes the folder.
    ///
    /// # Errors
    /// If something exists that must not be overwritten, or cannot be made.
    pub fn open(
        page: Option<&Path>,
        folder: Option<&Path>,
        corpus: &Path,
        overwrite: Overwrite,
    ) -> Result<Self> {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let names = figures::NAMES.iter().chain(&figures::LEARNING_NAMES);
            let found = names.map(|name| folder.join(file_name(name)));
            if let Some(found) = found
                .filter(|path| path.exists())
                .find(|_| overwrite == Overwrite::Never)
            {
                bail!("{} exists already: use -f to overwrite it", found.display());
            }
        }
        let open = |path| Output::open(&Target::named(path), Some(corpus), Content::Text, overwrite);
        Ok(Self {
            page: page.map(open).transpose()?,
            folder: folder.map(Path::to_owned),
            overwrite,
        })
    }

    /// Writes what was asked for: `page` makes the page.
    ///
    /// # Errors
    /// If that fails; no file is left unfinished.
    pub fn write(self, figures: &[Figure], page: impl FnOnce(&[Figure]) -> String) -> Result<()> {
        if let Some(mut output) = self.page {
            output
                .write_all(page(figures).as_bytes())
                .context("cannot write the page")?;
            output.finish(None)?;
        }
        if let Some(folder) = self.folder {
            for figure in figures {
                write_figure(&folder, figure, self.overwrite)?;
            }
        }
        Ok(())
    }
}

fn write_figure(folder: &Path, figure: &Figure, overwrite: Overwrite) -> Result<()> {
    let path = folder.join(file_name(figure.name));
    let mut output = Output::open(&Target::File(path.clone()), None, Content::Text, overwrite)?;
    let written = output.write_all(figure.to_svg_file().as_bytes());
    written.with_context(|| format!("cannot write {}", path.display()))?;
    output.finish(None)
}

fn file_name(figure: &str) -> String {
    format!("{figure}.svg")
}
