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
    pub json: bool,
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
                Err(error) => failure(Some(file), error),
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
fn sum<'a>(archives: impl IntoIterator<Item = &'a ArchiveEntry>) -> ArchiveStats {
    let mut sum = ArchiveStats::default();
    archives.into_iter().for_each(|archive| sum += archive);
    sum
}

fn totals(sum: &ArchiveStats) -> Value {
    json!({
        "blocks": sum.blocks(),
        "modelled_blocks": sum.modelled_blocks,
        "zstd_blocks": sum.zstd_blocks,
        "raw_blocks": sum.raw_blocks,
        "lines": sum.lines,
        "bytes_in": sum.bytes_in,
        "bytes_out": sum.bytes_out,
        "ratio": ratio(sum.bytes_in, sum.bytes_out),
        "modelled_len": sum.coded_len,
        "beside_len": sum.beside_len,
        "fallback_len": sum.fallback_len,
        "framing": sum.framing(),
        "model_len": sum.model_len,
    })
}

fn to_json(file: &Path, index: &Index) -> Value {
    let archive = |archive: &ArchiveEntry| {
        let mut value = serde_json::to_value(archive).expect("plain data");
        value["totals"] = totals(&sum([archive]));
        value
    };
    let mut value = json!({
        "totals": totals(&sum(&index.archives)),
        "archives": index.archives.iter().map(archive).collect::<Vec<_>>(),
    });
    input::put_name(&mut value, "file", file);
    value
}

fn summary_table(listed: &[(&PathBuf, Index)]) -> String {
    let archives = listed.iter().flat_map(|(file, index)| {
        index.archives.iter().enumerate().map(move |(number, archive)| match index.archives.len() {
            1 => (input::name(file), archive, sum([archive])),
            _ => (format!("{} [{number}]", input::name(file)), archive, sum([archive])),
        })
    });
    table(
        archives,
        &[
            ("file", &|(name, ..)| name.clone()),
            ("version", &|(_, archive, _)| archive.version.to_string()),
            ("model", &|(_, archive, _)| archive.model.clone()),
            ("identity", &|(_, archive, _)| archive.identity.to_string()),
            ("modelled", &|(.., sum)| grouped(sum.modelled_blocks)),
            ("zstd", &|(.., sum)| grouped(sum.zstd_blocks)),
            ("raw", &|(.., sum)| grouped(sum.raw_blocks)),
            ("lines", &|(.., sum)| grouped(sum.lines)),
            ("bytes in", &|(.., sum)| grouped(sum.bytes_in)),
            ("bytes out", &|(.., sum)| grouped(sum.bytes_out)),
            ("ratio", &|(.., sum)| decimal(ratio(sum.bytes_in, sum.bytes_out), 3)),
            ("framing", &|(.., sum)| grouped(sum.framing())),
            ("embedded model", &|(.., sum)| grouped(sum.model_len)),
        ],
    )
}

fn block_tables(file: &Path, index: &Index) -> String {
    let mut text = String::new();
    for (number, archive) in index.archives.iter().enumerate() {
        text += &format!("\n{} [{number}]\n", input::name(file));
        if let Some(settings) = &archive.learner {
            text += &format!("learner: {}\n", learner_text(settings));
        }
        text += &table(
            archive.blocks.iter().enumerate(),
            &[
                ("block", &|(number, _)| number.to_string()),
                ("kind", &|(_, block)| block.kind.name().to_owned()),
                ("offset", &|(_, block)| grouped(block.offset)),
                ("lines", &|(_, block)| grouped(block.newlines.into())),
                ("bytes in", &|(_, block)| grouped(block.content_len.into())),
                ("payload", &|(_, block)| grouped(block.payload_len.into())),
                ("ratio", &|(_, block)| {
                    decimal(ratio(block.content_len.into(), block.payload_len.into()), 3)
                }),
            ],
        );
    }
    text
}
