//! The page and the figures as files.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use surprisal::report::figures::{self, Figure};

use crate::cli::output::{Content, Guard, Output, Target};

/// Files that were asked for, open before the work begins so that it is not done in vain.
pub struct Files {
    page: Option<Output>,
    /// By the name of a figure; those that the report does not have are never given their name.
    figures: Vec<(&'static str, Output)>,
}

impl Files {
    /// Opens the page and all figures; makes the folder.
    ///
    /// # Errors
    /// If something exists that must not be overwritten, or cannot be made.
    pub fn open(page: Option<&Path>, folder: Option<&Path>, guard: &mut Guard) -> Result<Self> {
        let open_page = |path| guard.open(&Target::named(path), Content::Text);
        let page = page.map(open_page).transpose()?;
        let mut figures = Vec::new();
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            for &name in figures::NAMES.iter().chain(&figures::LEARNING_NAMES) {
                let target = Target::File(folder.join(format!("{name}.svg")));
                figures.push((name, guard.open(&target, Content::Text)?));
            }
        }
        Ok(Self { page, figures })
    }

    /// Writes what was asked for: `page` makes the page.
    ///
    /// # Errors
    /// If that fails; no file is left unfinished.
    pub fn write(self, figures: &[Figure], page: impl FnOnce(&[Figure]) -> String) -> Result<()> {
        if let Some(mut output) = self.page {
            let written = output.write_all(page(figures).as_bytes());
            written.context("cannot write the page")?;
            output.finish(None)?;
        }
        for (name, mut output) in self.figures {
            if let Some(figure) = figures.iter().find(|figure| figure.name == name) {
                let written = output.write_all(figure.to_svg_file().as_bytes());
                written.with_context(|| format!("cannot write {name}.svg"))?;
                output.finish(None)?;
            }
        }
        Ok(())
    }
}
