// The fastest module that this engine runs and runs right, with the bundled models.
import { choose } from "./choose.js";
import * as relaxed from "./relaxed-simd/surprisal.js";
import * as plain from "./simd128/surprisal.js";

const MODULES = [
  { name: "relaxed-simd", face: relaxed, url: new URL("./relaxed-simd/surprisal_bg.wasm", import.meta.url) },
  { name: "simd128", face: plain, url: new URL("./simd128/surprisal_bg.wasm", import.meta.url) },
];
const MODELS = ["tiny-uniform", "tiny-leading", "tiny-natural", "lite-uniform", "lite-leading", "pico-uniform", "pico-leading", "nano-uniform"];

/** `read` gives the bytes of a URL; if `only` names a module, no other is taken. */
export async function load(read, only) {
  const file = (name, file) => read(new URL(`./models/${name}/${file}`, import.meta.url));
  const models = await Promise.all(MODELS.map(async (name) => ({
    name, config: await file(name, "config.json"), weights: await file(name, "model.safetensors"),
  })));
  const candidates = MODULES.map(({ name, face, url }) => ({
    name,
    read: () => read(url),
    start: (module) => (face.initSync({ module }), face),
  }));
  const named = candidates.filter(({ name }) => name === only);
  return choose(named.length ? named : candidates, models);
}
