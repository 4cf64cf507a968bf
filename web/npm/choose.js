/**
 * The first of these modules that this engine runs, and runs right, with the models given to it. A candidate has a name,
 * gives the module's bytes and starts it. The page has this, too.
 */
export async function choose(candidates, models) {
  const failures = [];
  for (const { name, read, start } of candidates) {
    try {
      const module = await read();
      if (!WebAssembly.validate(module)) throw new Error("this engine does not run it");
      const codec = await start(module);
      for (const { name, config, weights } of models) codec.addModel(name, config, weights);
      if (!codec.isRight()) throw new Error("this engine computes it wrong");
      return codec;
    } catch (error) {
      failures.push(`${name}: ${error?.message ?? error}`);
    }
  }
  throw new Error(`surprisal needs WebAssembly with SIMD. ${failures.join("; ")}.`);
}
