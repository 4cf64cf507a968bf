// Measures: node web/measure.mjs. First the kernels of the program and those in node, in turns: user time of one thread for
// two million bytes of sums. Then the page in Chromium: first paint, a million bytes through the page, the memory of its
// processes. Build first: cargo build --release && web/build.sh. NODE names another node for the kernels, TURNS how often each is
// run (3).
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser } from "./test/browser.mjs";

const TURNS = Number(process.env.TURNS ?? 3);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const program = here("../target/release/surprisal");
const folder = mkdtempSync(join(tmpdir(), "surprisal-measure-"));
const file = join(folder, "sums.txt");
const corpus = execFileSync(program, ["corpus", "--lines", "71430", "--seed", "9"], { maxBuffer: 1 << 28 });
writeFileSync(file, corpus);
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const native = (isa) => Number(execFileSync("bash", ["-c",
  `TIMEFORMAT=%U; { time "${program}" compress -q -T1 -m tiny-uniform -c "${file}" > /dev/null 2>&1; } 2>&1`],
  { env: { ...process.env, SURPRISAL_ISA: isa } }));

// The first run has the engine compile its best code.
const SCRIPT = `
  import { readFileSync } from "node:fs";
  import { compress } from "${new URL("target/npm/node.js", import.meta.url)}";
  const corpus = readFileSync("${file}");
  compress(corpus.subarray(0, 1e6));
  const before = process.cpuUsage();
  compress(corpus);
  console.log(process.cpuUsage(before).user / 1e6);
`;
const inNode = (kernel) => Number(execFileSync(process.env.NODE ?? process.execPath, ["--input-type=module", "-e", SCRIPT],
  { env: { ...process.env, SURPRISAL_ISA: kernel }, stdio: ["ignore", "pipe", "ignore"] }));

const ways = { "program, avx2": () => native("avx2"), "program, portable": () => native("portable"), "node, simd128": () => inNode("simd128"), "node, relaxed-simd": () => inNode("relaxed-simd") };
const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let turn = 0; turn < TURNS; turn++) {
  for (const [name, way] of Object.entries(ways)) {
    try {
      times[name].push(way());
    } catch {
      // This processor or node does not have it.
    }
  }
}
const best = median(times["program, avx2"]);
for (const [name, seconds] of Object.entries(times)) {
  const found = seconds.length ? `${(corpus.length / 1e6 / median(seconds)).toFixed(2)} MB/s, ${(best / median(seconds)).toFixed(2)} of avx2` : "not available here";
  console.log(`${name.padEnd(20)}${found}`);
}

/** Proportional memory of a process and of all that it started, in MB. */
function memory(pid) {
  const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((name) => {
    try {
      return readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1].split(" ")[1] === String(pid);
    } catch {
      return false;
    }
  });
  const pss = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").match(/^Pss: +(\d+)/m)[1] / 1024;
  return { pss, all: children.reduce((sum, child) => sum + memory(child).all, pss) };
}

const browser = await Browser.start();
await browser.resize(1000, 800);
const without = memory(browser.pid).all;
await browser.open(here("target/surprisal.html"));
await browser.until("document.querySelector('.token')");
const paint = await browser.value("performance.getEntriesByType('paint')[0].startTime");
const began = performance.now();
await browser.value("document.getElementById('sample').click()");
await browser.until("document.getElementById('save')");
const seconds = (performance.now() - began) / 1000;
const heap = await browser.value("performance.memory.usedJSHeapSize");
console.log(`page: first paint after ${paint.toFixed(0)} ms; 1 MB of sums compressed in ${seconds.toFixed(2)} s, the second worker's start in it; ` +
  `the browser has ${(memory(browser.pid).all - without).toFixed(0)} MB more than before the page, ${(heap / 1e6).toFixed(0)} MB of it the page's own heap`);
await browser.end();
rmSync(folder, { recursive: true });
