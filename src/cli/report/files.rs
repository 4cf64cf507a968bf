//! The page and the figures as files.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use surprisal::report::{Account, FIGURES, sections, to_html};

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
            for name in FIGURES {
                let target = Target::File(folder.join(format!("{name}.svg")));
                figures.push((name, guard.open(&target, Content::Text)?));
            }
        }
        Ok(Self { page, figures })
    }

    /// Writes what was asked for of the account of a corpus called `name`.
    ///
    /// # Errors
    /// If that fails; no file is left unfinished.
    pub fn write(self, name: &str, account: &Account) -> Result<()> {
        if let Some(mut output) = self.page {
            let written = output.write_all(to_html(name, account).as_bytes());
            written.context("cannot write the page")?;
            output.finish(None)?;
        }
        let sections = sections(account);
        for (name, mut output) in self.figures {
            let section = sections.iter().find(|section| section.name == name);
            if let Some(svg) = section.and_then(|section| section.to_svg_file()) {
                let written = output.write_all(svg.as_bytes());
                written.with_context(|| format!("cannot write {name}.svg"))?;
                output.finish(None)?;
            }
        }
        Ok(())
    }
}
