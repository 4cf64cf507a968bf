import { load } from "./load.js";

const face = await load(async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`surprisal: ${url} cannot be read: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
});
export const { compress, decompress, Compressor, Decompressor, explain, kernel, learn, makeCorpus, SelfTest } = face;
