export {
  compress, decompress, Compressor, Decompressor, explain, Finished, kernel, learn, makeCorpus, SelfTest,
} from "./simd128/surprisal.js";
export type {
  CaseResult, Explanation, Learned, LearningWindow, Line, Summary, Token,
} from "./simd128/surprisal.js";
