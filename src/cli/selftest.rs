//! `surprisal selftest`: whether this machine computes what every other one does.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use surprisal::network::{Device, DeviceChoice, ISA_VARIABLE, Isa};
use surprisal::report::Table;
use surprisal::selftest::{CASES, Case, Target, combined};

use super::in_pool;
use super::streams::{print, say};

/// Check that this machine computes the same bytes as every other one.
///
/// Codes and decodes lines with every bundled model, blocks of every kind, an archive while
/// learning, and takes steps of a training, on one thread of each kernel that the processor has
/// (or the one that SURPRISAL_ISA names) and on a GPU where there is one. What comes out is
/// compared with hashes that are built in. The one hash of a right run is the same everywhere;
/// docs/platforms.md lists where it was seen.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints one object: version, arch, os, endian, quick, targets, for each of which there are target
(a kernel or a GPU), results (case, hash, holds, seconds, and error where one failed), seconds, hash and holds;
then hash (null if targets differ) and holds.

Exit code 1 if a result is not the right one.")]
pub struct Args {
    /// Leave out what takes minutes where a processor is emulated: the archive that is coded while
    /// learning, and models of a shape that another one has. The hash is another, the same everywhere
    /// too.
    #[arg(long)]
    pub quick: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The cases that `--quick` leaves out: the longest, and models of a shape that another case has.
const NOT_QUICK: [&str; 5] = ["learning", "tiny-leading", "tiny-natural", "lite-leading", "pico-leading"];

/// What came out on a target.
struct Run {
    target: String,
    results: Vec<CaseResult>,
}

#[derive(serde::Serialize)]
struct CaseResult {
    case: &'static str,
    /// None if the case is nothing for the target.
    hash: Option<surprisal::Identity>,
    error: Option<String>,
    holds: bool,
    seconds: f64,
}

impl Args {
    /// Runs it.
    pub fn run(&self) -> Result<ExitCode> {
        let cases: Vec<&Case> =
            CASES.iter().filter(|case| !(self.quick && NOT_QUICK.contains(&case.name))).collect();
        let runs: Vec<Run> = in_pool(1, || targets().iter().map(|target| run(&cases, target)).collect())?;
        let wrong: Vec<_> = runs.iter().flat_map(Run::wrong).collect();
        let hash = hash_of_all(&runs);
        if self.json {
            let targets: Vec<Value> = runs.iter().map(Run::to_json).collect();
            let machine = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "arch": std::env::consts::ARCH,
                "os": std::env::consts::OS,
                "endian": endian(),
                "quick": self.quick,
                "targets": targets,
                "hash": hash,
                "holds": wrong.is_empty(),
            });
            print(&format!("{machine}\n"))?;
        } else {
            print(&to_text(&cases, &runs))?;
        }
        for line in &wrong {
            say(&format!("surprisal selftest: {line}"));
        }
        if !wrong.is_empty() {
            say("surprisal selftest: archives of this machine cannot be trusted: please report this table");
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The kernels that the processor has, or the one that was asked for, and a GPU.
fn targets() -> Vec<Target> {
    let asked = std::env::var_os(ISA_VARIABLE).is_some_and(|name| !name.is_empty());
    let wanted = |isa: &Isa| if asked { *isa == Isa::default() } else { isa.is_available() };
    let kernels =
        Isa::ALL.into_iter().filter(wanted).map(|isa| Target::kernel(isa).expect("it is available"));
    let gpu = Device::open(DeviceChoice::Cuda(0)).ok().map(Target::gpu);
    kernels.chain(gpu).collect()
}

fn run(cases: &[&'static Case], target: &Target) -> Run {
    let result = |&case: &&'static Case| {
        let start = Instant::now();
        let computed = case.run(target);
        let seconds = start.elapsed().as_secs_f64();
        let is_right = |hash: surprisal::Identity| hash.to_string() == case.expected;
        let holds = computed.as_ref().is_ok_and(|hash| hash.is_none_or(is_right));
        let error = computed.as_ref().err().map(ToString::to_string);
        CaseResult { case: case.name, hash: computed.ok().flatten(), error, holds, seconds }
    };
    Run { target: target.to_string(), results: cases.iter().map(result).collect() }
}

impl Run {
    fn seconds(&self) -> f64 {
        self.results.iter().map(|result| result.seconds).sum()
    }

    /// One hash of all cases, if none is missing.
    fn hash(&self) -> Option<surprisal::Identity> {
        let hashes: Option<Vec<_>> = self.results.iter().map(|result| result.hash).collect();
        hashes.map(|hashes| combined(&hashes))
    }

    fn wrong(&self) -> impl Iterator<Item = String> {
        self.results.iter().filter(|result| !result.holds).map(|CaseResult { case, hash, error, .. }| {
            let what = match (error, hash) {
                (Some(error), _) => error.clone(),
                (None, hash) => {
                    let hash = hash.map_or("no hash".into(), |hash| hash.to_string());
                    format!("{hash} is not the right result")
                }
            };
            format!("{case} on {}: {what}", self.target)
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "results": self.results,
            "seconds": self.seconds(),
            "hash": self.hash(),
            "holds": self.results.iter().all(|result| result.holds),
        })
    }
}

fn endian() -> &'static str {
    if cfg!(target_endian = "big") { "big" } else { "little" }
}

/// The hash on which all kernels agree.
fn hash_of_all(runs: &[Run]) -> Option<surprisal::Identity> {
    let mut hashes = runs.iter().filter_map(Run::hash);
    let first = hashes.next()?;
    hashes.all(|hash| hash == first).then_some(first)
}

fn to_text(cases: &[&Case], runs: &[Run]) -> String {
    let mut head = vec!["case".to_owned()];
    head.extend(runs.iter().map(|run| run.target.clone()));
    let cell = |result: &CaseResult| match (result.holds, result.hash) {
        (true, Some(_)) => format!("right, {:.2} s", result.seconds),
        (true, None) => "-".into(),
        (false, _) => "WRONG".into(),
    };
    let row = |name: &str, cell: &dyn Fn(&Run) -> String| {
        let cells = runs.iter().map(cell);
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> =
        cases.iter().enumerate().map(|(i, case)| row(case.name, &|run| cell(&run.results[i]))).collect();
    rows.push(row("all, seconds", &|run| format!("{:.2} s", run.seconds())));
    rows.push(row("hash", &|run| run.hash().map_or("-".into(), |hash| hash.to_string())));
    let table = Table { head, rows, ..Table::default() };
    let (version, arch, os) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    format!("surprisal {version} on {arch} {os}, {}-endian\n{}", endian(), table.to_text())
}
