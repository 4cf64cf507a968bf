import { readFile } from "node:fs/promises";
import { load } from "./load.js";

// SURPRISAL_ISA may name the module, as it names the kernel of the program.
const face = await load(readFile, process.env.SURPRISAL_ISA);
export const { compress, decompress, Compressor, Decompressor, explain, kernel, learn, makeCorpus, SelfTest } = face;
