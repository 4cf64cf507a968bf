// The self-test in node: node web/selftest.mjs [--json]. SURPRISAL_ISA=simd128, relaxed-simd or portable names the
// kernel; else all are run of the module that is fastest here. Build the package first: web/build.sh.
import { SelfTest } from "./target/npm/node.js";

const asked = process.env.SURPRISAL_ISA;
const isWanted = (kernel) => (asked ? kernel === asked : kernel !== "scalar");
const targets = SelfTest.kernels().filter(isWanted).map((target) => {
  const started = performance.now();
  const test = new SelfTest(target);
  const results = [];
  for (let result; (result = test.next()); ) results.push(result);
  return { target, results, seconds: (performance.now() - started) / 1000, hash: test.hash(), holds: results.every(({ holds }) => holds) };
});
if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ engine: `node ${process.version}`, targets }));
} else {
  console.log(`surprisal in node ${process.version}`);
  for (const { target, results, seconds, hash } of targets) {
    const right = results.filter(({ holds }) => holds).length;
    console.log(`${target.padEnd(14)}${right} of ${results.length} right, ${seconds.toFixed(2)} s, hash ${hash}`);
    for (const { name, hash, expected } of results.filter(({ holds }) => !holds)) console.error(`WRONG: ${name} on ${target}: ${hash} is not ${expected}`);
  }
}
process.exitCode = targets.every(({ holds }) => holds) ? 0 : 1;
