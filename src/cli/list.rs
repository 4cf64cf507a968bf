//! `surprisal list`: what archives hold, without decoding them.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use surprisal::{ArchiveEntry, ArchiveStats, Index};

use super::input::{self, Source};
use super::learning::learner_text;
use super::streams::print;
use super::text::{decimal, grouped, ratio, table};
use super::{failure, for_each};

/// List what archives hold.
///
/// Reads a file's index and each block's inner sizes; from stdin all of the archive. Lines are counted by their newlines:
/// a last line without one does not count here.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal list *.sur
  surprisal list -v sums.txt.sur
  surprisal list --json sums.txt.sur | jq '.files[0].totals.ratio'

--json prints one object: files, for each of which there are file, file_renamed (the name
is not Unicode text and was changed to be shown), totals and archives, or error. An archive
has offset, len (bytes), version, model, identity, model_len (bytes of the model that it carries),
learner (its settings; null where a model codes), totals, and blocks: offset, kind (modelled, zstd,
raw; learned, or zstd and learned from), content_len, newlines, payload_len,
coded_len (bytes of the payload that the range coder wrote; all of it in other kinds) and
beside_len (lines that the model cannot code). Totals have blocks, modelled_blocks (learned too), zstd_blocks,
raw_blocks, lines, bytes_in, bytes_out, ratio, modelled_len (bytes that the range coder wrote),
beside_len, fallback_len (payloads of zstd and raw blocks), framing (all other bytes: headers, inner
sizes of payloads, index, trailer) and model_len: the last five add up to bytes_out.")]
pub struct Args {
    /// Archives; none or - is stdin
    #[arg(value_name = "FILE.sur")]
    files: Vec<PathBuf>,
    /// A row for every block
    #[arg(short, long)]
    verbose: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Lists each archive.
    pub fn run(self) -> Result<ExitCode> {
        let files = input::or_stdin(&self.files);
        let mut listed = Vec::new();
        let mut objects = Vec::new();
        let code = for_each(&files, |file| {
            let read = read(file).with_context(|| input::name(file));
            objects.push(match &read {
                Ok(index) => to_json(file, index),
                Err(error) => failure(file, error),
            });
            listed.push((file, read?));
            Ok(())
        });
        let mut text = String::new();
        if self.json {
            text = json!({ "files": objects }).to_string() + "\n";
        } else if !listed.is_empty() {
            text += &summary_table(&listed);
            if self.verbose {
                listed.iter().for_each(|(file, index)| text += &block_tables(file, index));
            }
        }
        print(&text)?;
        code
    }
}

fn read(file: &Path) -> Result<Index> {
    let index = match Source::open_archive(file)? {
        Source::File(mut file, _) => Index::read(&mut file),
        source => Index::scan(BufReader::with_capacity(input::BUFFER, source)),
    };
    Ok(index?)
}

/// Sums over the blocks of some archives.
#[derive(serde::Serialize)]
struct Totals {
    blocks: u64,
    modelled_blocks: u64,
    zstd_blocks: u64,
    raw_blocks: u64,
    lines: u64,
    bytes_in: u64,
    bytes_out: u64,
    ratio: Option<f64>,
    modelled_len: u64,
    beside_len: u64,
    fallback_len: u64,
    framing: u64,
    model_len: u64,
}

impl Totals {
    fn of<'a>(archives: impl IntoIterator<Item = &'a ArchiveEntry>) -> Self {
        let mut sum = ArchiveStats::default();
        archives.into_iter().for_each(|archive| sum += archive);
        Self {
            blocks: sum.blocks(),
            modelled_blocks: sum.modelled_blocks,
            zstd_blocks: sum.zstd_blocks,
            raw_blocks: sum.raw_blocks,
            lines: sum.lines,
            bytes_in: sum.bytes_in,
            bytes_out: sum.bytes_out,
            ratio: ratio(sum.bytes_in, sum.bytes_out),
            modelled_len: sum.coded_len,
            beside_len: sum.beside_len,
            fallback_len: sum.fallback_len,
            framing: sum.framing(),
            model_len: sum.model_len,
        }
    }
}

fn to_json(file: &Path, index: &Index) -> Value {
    let archive = |archive: &ArchiveEntry| {
        let mut value = serde_json::to_value(archive).expect("plain data");
        value["totals"] = json!(Totals::of([archive]));
        value
    };
    let mut value = json!({
        "totals": Totals::of(&index.archives),
        "archives": index.archives.iter().map(archive).collect::<Vec<_>>(),
    });
    input::put_name(&mut value, file);
    value
}

fn summary_table(listed: &[(&PathBuf, Index)]) -> String {
    let head = [
        "file",
        "version",
        "model",
        "identity",
        "modelled",
        "zstd",
        "raw",
        "lines",
        "bytes in",
        "bytes out",
        "ratio",
        "framing",
        "embedded model",
    ];
    let mut rows = Vec::new();
    for (file, index) in listed {
        for (number, archive) in index.archives.iter().enumerate() {
            let totals = Totals::of([archive]);
            let name = match index.archives.len() {
                1 => input::name(file),
                _ => format!("{} [{number}]", input::name(file)),
            };
            let mut row =
                vec![name, archive.version.to_string(), archive.model.clone(), archive.identity.to_string()];
            row.extend([totals.modelled_blocks, totals.zstd_blocks, totals.raw_blocks].map(grouped));
            row.extend([totals.lines, totals.bytes_in, totals.bytes_out].map(grouped));
            row.push(decimal(totals.ratio, 3));
            row.extend([totals.framing, totals.model_len].map(grouped));
            rows.push(row);
        }
    }
    table(&head, &rows)
}

fn block_tables(file: &Path, index: &Index) -> String {
    let mut text = String::new();
    for (number, archive) in index.archives.iter().enumerate() {
        text += &format!("\n{} [{number}]\n", input::name(file));
        if let Some(settings) = &archive.learner {
            text += &format!("learner: {}\n", learner_text(settings));
        }
        let rows = archive.blocks.iter().enumerate().map(|(number, block)| {
            let mut row = vec![number.to_string(), block.kind.name().to_owned(), grouped(block.offset)];
            let (content, payload) = (u64::from(block.content_len), u64::from(block.payload_len));
            row.extend([u64::from(block.newlines), content, payload].map(grouped));
            row.push(decimal(ratio(content, payload), 3));
            row
        });
        let head = ["block", "kind", "offset", "lines", "bytes in", "payload", "ratio"];
        text += &table(&head, &rows.collect::<Vec<_>>());
    }
    text
}
