// Puts the npm package together, in web/target/npm.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const package_ = here("../target/npm");
rmSync(package_, { recursive: true, force: true });
mkdirSync(`${package_}/models`, { recursive: true });
cpSync(here("../npm"), package_, { recursive: true });
cpSync(here("../../LICENSE"), `${package_}/LICENSE`);
for (const kernel of ["relaxed-simd", "simd128"]) cpSync(here(`../target/${kernel}/package`), `${package_}/${kernel}`, { recursive: true });
for (const { name } of readdirSync(here("../../models"), { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  for (const file of ["config.json", "model.safetensors"]) cpSync(here(`../../models/${name}/${file}`), `${package_}/models/${name}/${file}`);
}
const version = readFileSync(here("../../Cargo.toml"), "utf8").match(/^version = "(.*)"$/m)[1];
const manifest = JSON.parse(readFileSync(here("../npm/package.json"), "utf8"));
writeFileSync(`${package_}/package.json`, `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
console.log(`web/target/npm: surprisal ${version}`);
