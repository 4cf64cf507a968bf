// The codec in a worker. Messages: { id, task, ...arguments } come in; { id, progress }, { id, result } or { id, error }
// go out. `glue()` makes a new instance of what wasm-bindgen wrote; the build puts it above, and `choose` of the package.

let codec;

async function unpacked(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Loads the fastest module that this browser runs, and runs right. */
async function load({ modules, models }) {
  const files = await Promise.all(models.map(async ({ name, config, weights }) => ({
    name, config: new TextEncoder().encode(config), weights: await unpacked(weights),
  })));
  const candidates = Object.entries(modules).map(([name, packed]) => ({
    name,
    read: () => unpacked(packed),
    async start(module) {
      const instance = glue();
      await instance({ module_or_path: module });
      return instance;
    },
  }));
  codec = await choose(candidates, files);
  return { kernel: codec.kernel() };
}

const SLICE = 1 << 20;

/** Compresses a file. */
async function compress({ file }, progress) {
  const slice = async (at) => new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer());
  const first = await slice(0);
  const newlines = first.reduce((count, byte) => count + (byte === 10), 0);
  const meanLine = newlines ? first.length / newlines : 0;
  const compressor = new codec.Compressor(first, undefined, (lines) => progress(lines * meanLine / file.size));
  try {
    const parts = [];
    for (let at = 0; at < file.size; at += SLICE) {
      parts.push(compressor.write(at ? await slice(at) : first));
      // Two blocks of at most 4 MiB each wait for their turn.
      progress((at - (8 << 20)) / file.size);
    }
    const end = compressor.finish();
    parts.push(end.rest);
    return { blob: new Blob(parts), summary: end.summary };
  } finally {
    compressor.free();
  }
}

/** Restores the content of an archive. */
async function restore({ file }, progress) {
  const archive = new Uint8Array(await file.arrayBuffer());
  let total = Infinity;
  const decompressor = new codec.Decompressor(archive, (lines) => progress(lines / total));
  try {
    total = decompressor.lines ?? Infinity;
    const parts = [];
    for (let piece; (piece = decompressor.read()); ) parts.push(piece);
    return { blob: new Blob(parts), summary: decompressor.summary };
  } finally {
    decompressor.free();
  }
}

/** Codes a corpus while a network learns it. */
function learn({ digits, lines, seed, windowLines }, progress) {
  return codec.learn(digits, lines, seed, windowLines, progress);
}

/** Runs the self-test, case by case. */
function selfTest(_, progress) {
  const test = new codec.SelfTest();
  const cases = [];
  for (let outcome; (outcome = test.next()); ) {
    cases.push(outcome);
    progress(outcome);
  }
  return { cases, hash: test.hash() };
}

const tasks = {
  load, compress, restore, learn, selfTest,
  explain: ({ text }) => codec.explain(text),
};

onmessage = async ({ data: { id, task, ...rest } }) => {
  try {
    const result = await tasks[task](rest, (progress) => postMessage({ id, progress }));
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, error: error?.message ?? String(error) });
  }
};
