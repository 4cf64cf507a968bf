// The page in a real browser. `web/test.sh` builds what this needs: the page, and the program that its bytes are compared
// with (SURPRISAL). Pictures are left in web/target.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Browser } from "./browser.mjs";

const target = fileURLToPath(new URL("../target/", import.meta.url));
const page = join(target, "surprisal.html");
const program = process.env.SURPRISAL;
const folder = mkdtempSync(join(tmpdir(), "surprisal-web-"));
const path = (name) => join(folder, name);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const native = (...parameters) => execFileSync(program, parameters, { maxBuffer: 1 << 28 });
let browser;

before(async () => {
  browser = await Browser.start();
  await browser.resize(1000, 800);
  await browser.open(page);
});
after(async () => {
  await browser?.end();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  assert.deepEqual(browser.complaints(), []);
  const foreign = browser.requests().filter((url) => !/^(file|data|blob):/.test(url));
  assert.deepEqual(foreign, []);
});

/** Gives the page a file and what came out of it: name, bytes, and the table's cells. */
async function taken(file) {
  await browser.value("document.getElementById('outcome').replaceChildren()");
  await browser.choose("#file", file);
  await browser.until("document.getElementById('job').hidden && document.getElementById('outcome').hasChildNodes()", 900);
  const outcome = await browser.value(`(async () => {
    const save = document.getElementById("save");
    if (!save) return { text: document.getElementById("outcome").textContent };
    const bytes = new Uint8Array(await (await fetch(save.href)).arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    const rows = [...document.querySelectorAll("#outcome tr")].map((row) => [row.cells[0].textContent, row.cells[1].textContent]);
    return { name: save.download, bytes: btoa(text), rows };
  })()`);
  return { ...outcome, bytes: Buffer.from(outcome.bytes ?? "", "base64"), rows: Object.fromEntries(outcome.rows ?? []) };
}

test("the page is one small file", () => {
  assert.ok(statSync(page).size < 2_500_000);
});

test("a line's tokens have prices, and a wrong digit has a high one", async () => {
  const line = "17282456+79546852=096829308";
  await browser.value(`(() => { const text = document.getElementById("text"); text.value = "${line}\\n1+x=2"; text.oninput(); })()`);
  await browser.until("document.querySelectorAll('#lines .line').length == 2 && document.querySelectorAll('#lines .error').length == 1");
  const explained = JSON.parse(native("explain", "--json", line));
  const labels = () => browser.value("[...document.querySelectorAll('#lines .token')].map((token) => token.getAttribute('aria-label'))");
  const expected = explained.tokens.map((token) => `${token.symbol === "end" ? "end of line" : token.symbol}: ${token.bits.toFixed(2)} bits`);
  assert.deepEqual(await labels(), expected);
  assert.match(await browser.value("document.querySelector('.price').textContent"), /^53\.1\d bits; the entropy of a sum is 53\.15$/);
  // By keys alone: the digit before the last goes up by one.
  await browser.value("document.querySelectorAll('#lines .token')[25].click()");
  await browser.press("ArrowUp");
  await browser.until("document.querySelector('.over')");
  assert.equal(await browser.value("document.getElementById('text').value.split('\\n')[0]"), "17282456+79546852=096829318");
  const detail = await browser.value("document.getElementById('detail').textContent");
  assert.match(detail, /^1 was a surprise.*Expected instead: 0 \(/);
  assert.equal(await browser.value("document.activeElement.getAttribute('aria-label').slice(0, 2)"), "1:");
});

test("a file is compressed to the program's bytes and restored", async () => {
  const sums = native("corpus", "--digits", "8", "--lines", "20000", "--seed", "3");
  const contents = { "sums.txt": sums, "mixed.txt": Buffer.concat([sums.subarray(0, 280_000), Buffer.from("no sum\r\n\n1+1=2")]), "empty": Buffer.alloc(0), "noise": randomBytes(100_000) };
  for (const [name, content] of Object.entries(contents)) {
    writeFileSync(path(name), content);
    const archive = await taken(path(name));
    assert.equal(archive.name, `${name}.sur`);
    native("compress", "-q", "-f", path(name));
    assert.ok(archive.bytes.equals(readFileSync(path(`${name}.sur`))), name);
    assert.equal(archive.rows["SHA-256 of the content"], sha256(content));
    assert.equal(archive.rows["SHA-256 of the archive"], sha256(archive.bytes));
    if (name === "sums.txt") assert.match(archive.rows["Bits a token"], /^1\.8\d+ coded; the training of tiny-uniform ended at a loss of 1\.89\d\d$/);
    const restored = await taken(path(`${name}.sur`));
    assert.equal(restored.name, name);
    assert.ok(restored.bytes.equals(content), name);
    assert.equal(restored.rows.Checked, "every checksum holds");
  }
});

test("a damaged archive is refused with a reason", async () => {
  const archive = readFileSync(path("sums.txt.sur"));
  archive[archive.length >> 1] ^= 1;
  writeFileSync(path("damaged.sur"), archive);
  const { text } = await taken(path("damaged.sur"));
  assert.match(text, /^damaged\.sur could not be restored: damaged archive: .*checksum/);
  writeFileSync(path("short.sur"), archive.subarray(0, 1000));
  assert.match((await taken(path("short.sur"))).text, /could not be restored: damaged archive/);
  writeFileSync(path("none.sur"), "17+4=21\n");
  assert.match((await taken(path("none.sur"))).text, /could not be restored: not a surprisal archive/);
  writeFileSync(path("nano.txt"), native("corpus", "--lines", "100"));
  native("compress", "-q", "-m", "nano-uniform", path("nano.txt"));
  assert.match((await taken(path("nano.txt.sur"))).text, /made with model 'nano-uniform'.* restore it with the program$/);
});

test("a file of 20 MB, cancelled first", async () => {
  writeFileSync(path("large.txt"), native("corpus", "--lines", "714286", "--seed", "5"));
  await browser.choose("#file", path("large.txt"));
  await browser.until("document.getElementById('job-progress').value > 0");
  assert.ok(await browser.value("!document.getElementById('job').hidden && document.getElementById('start-test').disabled"));
  await browser.value("document.getElementById('cancel').click()");
  assert.equal(await browser.value("document.getElementById('outcome').textContent"), "Cancelled. Nothing was kept.");
  const archive = await taken(path("large.txt"));
  native("compress", "-q", path("large.txt"));
  assert.equal(archive.rows["SHA-256 of the archive"], sha256(readFileSync(path("large.txt.sur"))));
});

test("a network learns on the page what the program learns", async () => {
  await browser.value("document.getElementById('digits').value = '2'; document.getElementById('start-learning').click()");
  await browser.until("document.getElementById('start-learning').textContent == 'Start again'", 240);
  const note = await browser.value("document.getElementById('learn-note').textContent");
  writeFileSync(path("learned.txt"), native("corpus", "--digits", "2", "--lines", "60000", "--seed", "1"));
  native("compress", "-q", "--learn=pico", path("learned.txt"));
  const size = statSync(path("learned.txt.sur")).size.toLocaleString("en-US");
  assert.ok(note.startsWith(`60,000 lines, 600,000 bytes, became ${size} bytes`), note);
  assert.match(await browser.value("document.getElementById('template').getAttribute('aria-label')"), /^3 of 3 digits/);
  // A window has whole batches, so there are some fewer than a hundred.
  const points = await browser.value("document.querySelector('#curve .curve').getAttribute('d').split('L').length");
  assert.ok(points >= 90 && points <= 100, String(points));
});

test("what the page says of xz is what xz does", async () => {
  const corpora = await browser.value("CORPORA");
  for (const [digits, { lines, xz }] of Object.entries(corpora)) {
    const corpus = native("corpus", "--digits", digits, "--lines", String(lines), "--seed", "1");
    assert.equal(execFileSync("xz", ["-9e", "-c", "--threads=1"], { input: corpus, maxBuffer: 1 << 28 }).length, xz, `${digits} digits`);
  }
});

test("the self-test is right, with the program's hashes", async () => {
  await browser.value("document.getElementById('start-test').click()");
  await browser.until("document.getElementById('test-hash')", 240);
  const found = await browser.value("[...document.querySelectorAll('#test tr')].map((row) => [row.cells[0].textContent, row.cells[1].textContent])");
  const results = JSON.parse(native("selftest", "--json")).targets[0].results;
  const names = ["tiny-uniform", "tiny-leading", "tiny-natural", "learning", "training", "training, rounded"];
  assert.match(await browser.value("document.getElementById('kernel').textContent"), /relaxed-simd$/);
  assert.deepEqual(found, names.map((name) => [name, `${results.find((result) => result.case === name).hash} right`]));
});

test("it is read by a screen reader and reached by keys", async () => {
  const { nodes } = await browser.call("Accessibility.getFullAXTree");
  const of = (role) => nodes.filter((node) => !node.ignored && node.role?.value === role);
  for (const role of ["button", "textbox", "combobox", "link"]) {
    const nameless = of(role).filter((node) => !node.name?.value);
    assert.deepEqual(nameless.map((node) => node.backendDOMNodeId), [], role);
  }
  for (const role of ["main", "navigation", "banner", "contentinfo", "region", "status"]) assert.ok(of(role).length > 0, role);
  assert.deepEqual(of("heading").map((node) => node.name.value).slice(0, 2), ["surprisal", "What is a line worth?"]);
  // Each control once: a line is one stop, however many tokens it has.
  await browser.value("document.querySelector('.skip').focus()");
  const stops = [];
  for (let i = 0; i < 40; i++) {
    await browser.press("Tab");
    const id = await browser.value("(document.activeElement.id || document.activeElement.className || document.activeElement.tagName)");
    if (id === "BODY") break;
    stops.push(id);
  }
  for (const id of ["token", "text", "another", "wrong", "file", "sample", "digits", "start-learning", "start-test"]) {
    assert.equal(stops.filter((stop) => stop === id).length, 1, `${id}: ${stops}`);
  }
});

test("it fits a phone, in light and dark", async () => {
  for (const [name, width, mobile] of [["desktop", 1000, false], ["phone", 375, true]]) {
    for (const scheme of ["light", "dark"]) {
      await browser.resize(width, 800, mobile);
      await browser.scheme(scheme);
      assert.equal(await browser.value("document.documentElement.scrollWidth <= innerWidth"), true, `${name} ${scheme}`);
      await browser.picture(join(target, `page-${name}-${scheme}.png`));
    }
  }
});
