// A headless Chromium, driven through its debugging pipe: JSON objects with a zero byte behind each.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"];

export class Browser {
  #process;
  #folder = mkdtempSync(join(tmpdir(), "surprisal-page-"));
  #waiting = new Map();
  #last = 0;
  #session;
  /** What the page reported. */
  events = [];

  static async start() {
    const browser = new Browser();
    await browser.#start();
    return browser;
  }

  async #start() {
    const options = [...OPTIONS, `--user-data-dir=${join(this.#folder, "profile")}`];
    this.#process = spawn("chromium", options, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.#process.on("error", () => {
      throw new Error("chromium is missing: apt-get install chromium");
    });
    let rest = "";
    this.#process.stdio[4].setEncoding("utf8").on("data", (data) => {
      const messages = (rest + data).split("\0");
      rest = messages.pop();
      messages.forEach((message) => this.#receive(JSON.parse(message)));
    });
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    this.#session = (await this.call("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Runtime", "Log", "Network", "DOM", "Performance", "Accessibility"]) await this.call(`${domain}.enable`);
  }

  #receive(message) {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return this.events.push(message);
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
    else waiting.resolve(message.result);
  }

  get pid() {
    return this.#process.pid;
  }

  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject, method });
      this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    });
  }

  async open(file) {
    this.events = [];
    await this.call("Page.navigate", { url: `file://${file}` });
    await this.until("document.readyState == 'complete'");
  }

  /** The value of an expression, of a promise what it comes to. */
  async value(expression) {
    const given = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", given);
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Waits, with the page's own clock of frames, until an expression is true, and gives it. */
  async until(expression, seconds = 120) {
    const condition = `new Promise((resolve, reject) => {
      const end = performance.now() + ${1000 * seconds};
      const look = () => {
        const value = ${expression};
        if (value) resolve(value);
        else if (performance.now() > end) reject(new Error("it did not come true"));
        else setTimeout(look, 20);
      };
      look();
    })`;
    return this.value(condition);
  }

  async choose(selector, file) {
    const { root } = await this.call("DOM.getDocument");
    const { nodeId } = await this.call("DOM.querySelector", { nodeId: root.nodeId, selector });
    await this.call("DOM.setFileInputFiles", { nodeId, files: [file] });
  }

  async press(key) {
    for (const type of ["keyDown", "keyUp"]) await this.call("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: { Tab: 9, Enter: 13, ArrowUp: 38, ArrowRight: 39 }[key] });
  }

  async resize(width, height, mobile = false) {
    await this.call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
  }

  async scheme(value) {
    await this.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
  }

  async picture(file) {
    const { data } = await this.call("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    writeFileSync(file, Buffer.from(data, "base64"));
  }

  /** Exceptions, errors and warnings of the page. */
  complaints() {
    const bad = ({ method, params }) => method === "Runtime.exceptionThrown"
      || (method === "Runtime.consoleAPICalled" && params.type !== "log")
      || (method === "Log.entryAdded" && params.entry.level !== "info");
    return this.events.filter(bad).map((event) => JSON.stringify(event.params));
  }

  requests() {
    return this.events.filter(({ method }) => method === "Network.requestWillBeSent").map(({ params }) => params.request.url);
  }

  async end() {
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill();
    await gone;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
