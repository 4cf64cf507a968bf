// The npm package, installed from its tarball. `web/test.sh` builds what this needs: the package, and the program that its
// bytes are compared with (SURPRISAL).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const program = process.env.SURPRISAL;
const folder = mkdtempSync(join(tmpdir(), "surprisal-npm-"));
const run = (command, parameters, options = {}) => execFileSync(command, parameters, { cwd: folder, maxBuffer: 1 << 28, ...options });
const quiet = { stdio: ["ignore", "pipe", "pipe"] };
// Relaxed SIMD came with node 21; npm has newer nodes for every platform.
const newer = `node-${process.platform}-${process.arch}`;
/** What a script in the folder prints, as JSON. */
const script = (text, environment = {}, node = process.execPath) => {
  writeFileSync(join(folder, "script.mjs"), text);
  return JSON.parse(run(node, ["script.mjs"], { env: { ...process.env, ...environment } }));
};

before(() => {
  const made = fileURLToPath(new URL("../target/npm", import.meta.url));
  const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", made], quiet));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  run("npm", ["install", "--no-audit", "--no-fund", `./${filename}`, "typescript@5", `${newer}@24`], quiet);
});
after(() => rmSync(folder, { recursive: true }));

test("its archives are the program's, at each level", () => {
  const sums = run(program, ["corpus", "--lines", "3000", "--seed", "2"]);
  writeFileSync(join(folder, "sums.txt"), Buffer.concat([sums, Buffer.from("no sum\n1+1=2")]));
  for (const level of [1, 3, 6, 9]) {
    run(program, ["compress", "-q", "-f", `-${level}`, "sums.txt"]);
    const same = script(`
      import { readFileSync } from "node:fs";
      import { compress, decompress } from "surprisal";
      const [content, archive] = ["sums.txt", "sums.txt.sur"].map((name) => readFileSync(name));
      console.log(JSON.stringify([archive.equals(compress(content, ${level})), content.equals(decompress(archive))]));
    `);
    assert.deepEqual(same, [true, true], `level ${level}`);
  }
});

test("golden archives are decoded", () => {
  const golden = fileURLToPath(new URL("../../tests/golden/", import.meta.url));
  for (const [archive, content = archive] of [["empty"], ["mixed"], ["noise"], ["uniform"], ["dates"], ["dates-2", "dates"]]) {
    const same = script(`
      import { readFileSync } from "node:fs";
      import { decompress } from "surprisal";
      const [archive, content] = ${JSON.stringify([`${golden}${archive}.txt.sur`, `${golden}${content}.txt`])}.map((name) => readFileSync(name));
      console.log(content.equals(decompress(archive)));
    `);
    assert.ok(same, archive);
  }
});

test("piece by piece it makes the same archive", () => {
  const [same, lines, hash] = script(`
    import { readFileSync } from "node:fs";
    import { Compressor, Decompressor } from "surprisal";
    const [content, archive] = ["sums.txt", "sums.txt.sur"].map((name) => readFileSync(name));
    let told = 0;
    const compressor = new Compressor(content, 9, (lines) => (told = lines));
    const parts = [];
    for (let at = 0; at < content.length; at += 777) parts.push(compressor.write(content.subarray(at, at + 777)));
    const { rest, summary } = compressor.finish();
    const decompressor = new Decompressor(archive, undefined);
    const pieces = [];
    for (let piece; (piece = decompressor.read()); ) pieces.push(piece);
    const same = archive.equals(Buffer.concat([...parts, rest])) && content.equals(Buffer.concat(pieces));
    console.log(JSON.stringify([same && decompressor.summary.archiveSha256 === summary.archiveSha256, told, summary.contentSha256]));
  `);
  assert.ok(same);
  assert.ok(lines > 1000 && lines <= 3002, String(lines));
  assert.equal(hash, run("sha256sum", ["sums.txt"]).toString().slice(0, 64));
});

test("errors are thrown and say what", () => {
  const messages = script(`
    import { compress, decompress } from "surprisal";
    const message = (call) => { try { call(); } catch (error) { return error instanceof Error ? error.message : "no error: " + error; } };
    const archive = compress(new TextEncoder().encode("17282456+79546852=096829308\\n"));
    archive[archive.length >> 1] ^= 1;
    console.log(JSON.stringify([message(() => decompress(new Uint8Array(9))), message(() => decompress(archive)), message(() => compress(archive, 10))]));
  `);
  for (const [i, expected] of [/^not a surprisal archive/, /^damaged archive: /, /^the level must be 1 to 9, not 10$/].entries()) assert.match(messages[i], expected);
});

test("its types are right", () => {
  writeFileSync(join(folder, "types.ts"), `
    import { compress, decompress, explain, type Summary, SelfTest, Compressor } from "surprisal";
    const archive: Uint8Array = compress(new Uint8Array(3), 6);
    const content: Uint8Array = decompress(archive);
    for (const line of explain("1+1=2").lines) if ("tokens" in line) line.tokens[0].bits.toFixed(content.length);
    const summary: Summary = new Compressor(content, undefined, undefined).finish().summary;
    // @ts-expect-error a level is a number
    compress(content, "fast");
    export const names: string[] = [summary.model, ...SelfTest.cases()];
  `);
  run("npx", ["tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,esnext.disposable", "types.ts"], { stdio: "inherit" });
});

test("the self-test has the hash of every machine", () => {
  const expected = JSON.parse(run(program, ["selftest", "--json"], { env: { ...process.env, SURPRISAL_ISA: "portable" } })).hash;
  const found = (kernel, node) => script(`
    import { SelfTest, kernel } from "surprisal";
    const test = new SelfTest();
    const wrong = [];
    for (let result; (result = test.next()); ) if (!result.holds) wrong.push(result);
    console.log(JSON.stringify({ kernel: kernel(), cases: SelfTest.cases().length, wrong, hash: test.hash() }));
  `, { SURPRISAL_ISA: kernel }, node);
  for (const [kernel, node] of [["simd128", process.execPath], ["relaxed-simd", join(folder, "node_modules", newer, "bin", "node")]]) {
    assert.deepEqual(found(kernel, node), { kernel, cases: 13, wrong: [], hash: expected });
  }
});
