// Puts the page together: one file that asks for no other.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { PAGE_MODELS, model } from "./models.mjs";

const LIMIT = 2_500_000;
const text = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const packed = (bytes) => gzipSync(bytes, { level: 9 }).toString("base64");
const module = (name) => packed(readFileSync(new URL(`../target/${name}/page/surprisal_bg.wasm`, import.meta.url)));

const data = {
  // In the order in which a browser tries them.
  modules: { "relaxed-simd": module("relaxed-simd"), simd128: module("simd128") },
  models: PAGE_MODELS.map(model).map((model) => ({ ...model, weights: packed(model.weights) })),
};
const glue = text("../target/simd128/page/surprisal.js");
const choose = text("../npm/choose.js").replace("export async", "async");
const parts = {
  STYLE: text("../page/style.css"),
  APP: ["codec", "read", "pack", "learn", "same"].map((name) => text(`../page/app/${name}.js`)).join("\n"),
  DATA: JSON.stringify(data),
  WORKER: `function glue() {\n${glue}\nreturn wasm_bindgen;\n}\n${choose}\n${text("../page/worker.js")}`,
};
for (const [name, part] of Object.entries(parts)) {
  if (/<\/(script|style)/i.test(part)) throw new Error(`${name} would end its element`);
}
const page = text("../page/index.html").replace(/\/\*([A-Z]+)\*\//g, (_, name) => parts[name]);
if (page.length > LIMIT) throw new Error(`the page has ${page.length} bytes, more than ${LIMIT}`);
mkdirSync(new URL("../target/", import.meta.url), { recursive: true });
writeFileSync(new URL("../target/surprisal.html", import.meta.url), page);
console.log(`web/target/surprisal.html: ${page.length} bytes`);
