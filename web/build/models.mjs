// The files of bundled models, as the page and the package carry them.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../models/", import.meta.url));

/** The models that level 6, the default, chooses from: with them a page makes the program's archives of anything. */
export const PAGE_MODELS = ["tiny-uniform", "tiny-leading", "tiny-natural"];

/** A model's files, and the loss that its training ended with, in bits a token. */
export function model(name) {
  const file = (file) => readFileSync(`${folder}${name}/${file}`);
  const log = file("training.jsonl").toString().trim().split("\n").map((line) => JSON.parse(line));
  const loss = log.findLast((line) => line.validation_loss !== undefined).validation_loss;
  return { name, config: file("config.json").toString(), weights: file("model.safetensors"), lossBits: loss / Math.LN2 };
}
