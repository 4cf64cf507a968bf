// Talks with the workers that run the codec.
"use strict";

const $ = (id) => document.getElementById(id);
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const grouped = (number) => Math.round(number).toLocaleString("en-US");
let parsed;
const DATA = () => (parsed ??= JSON.parse($("data").textContent));

/** A worker with the codec. `run` gives a promise; ending it ends what it runs. */
class Codec {
  #worker;
  #waiting = new Map();
  #last = 0;

  constructor() {
    const source = URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" }));
    this.#worker = new Worker(source);
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message || "the worker failed"));
      this.#waiting.clear();
    };
    const { modules, models } = DATA();
    this.loaded = this.run("load", { modules, models });
    // Whoever uses the codec is told.
    this.loaded.catch(() => {});
    this.loaded.finally(() => URL.revokeObjectURL(source)).catch(() => {});
  }

  #receive({ id, progress, result, error }) {
    const task = this.#waiting.get(id);
    if (!task) return;
    if (progress !== undefined) return task.onProgress?.(progress);
    this.#waiting.delete(id);
    if (error === undefined) task.resolve(result);
    else task.reject(new Error(error));
  }

  run(task, given, onProgress) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, task, ...given });
    });
  }

  async call(task, given, onProgress) {
    await this.loaded;
    return this.run(task, given, onProgress);
  }

  end() {
    this.#worker.terminate();
  }
}

/** One worker answers at once; another, made when it is needed, does what takes long and may be cancelled. */
let quick;
let slow;
const work = (task, given, onProgress) => (slow ??= new Codec()).call(task, given, onProgress);
const cancelWork = () => {
  slow?.end();
  slow = undefined;
};
/** Tasks of the slow worker follow each other: who begins one disables the others' buttons. */
const busy = (is) => {
  for (const id of ["file", "sample", "start-learning", "start-test"]) $(id).disabled = is;
};
