// Lines, token by token.

const level = (bits) => (bits < 0.1 ? 0 : bits < 4 ? 1 : bits < 9 ? 2 : 3);
const shownSymbol = (symbol) => ({ end: "⏎", " ": "␣" })[symbol] ?? symbol;
const spoken = (symbol) => ({ end: "end of line", " ": "space" })[symbol] ?? symbol;
const percent = (p) => (p >= 0.9995 ? "more than 99.9 %" : p < 0.001 ? "less than 0.1 %" : `${(100 * p).toFixed(1)} %`);
let explained;
let chosen = { line: 0, position: 0 };
let asked = 0;

async function explainText() {
  const question = ++asked;
  const text = $("text").value;
  try {
    const answer = await quick.call("explain", { text });
    if (question !== asked) return;
    explained = answer;
    drawLines();
  } catch (error) {
    $("read-note").textContent = error.message;
  }
}

function drawLines() {
  const focused = document.activeElement?.closest?.(".token") !== null && $("lines").contains(document.activeElement);
  const lines = explained.lines.slice(0, 40);
  $("lines").replaceChildren(...lines.map(drawLine));
  const rest = explained.lines.length - lines.length;
  $("read-note").textContent =
    `Model ${explained.model}. ` + (rest > 0 ? `${rest} more lines are not shown: drop them as a file below.` : "Arrow keys move along a line; up and down change a digit.");
  choose(chosen.line, chosen.position, focused);
}

function drawLine(line, index) {
  if (line.error) {
    return element("div", { className: "line" }, element("div", { className: "error", textContent: `${line.text || "(an empty line)"}: ${line.error}` }));
  }
  const tokens = line.tokens.map((token, position) => {
    const button = element("button", { type: "button", className: "token", tabIndex: -1 }, shownSymbol(token.symbol),
      element("small", { textContent: token.bits < 0.05 ? "0" : token.bits.toFixed(token.bits < 9.95 ? 1 : 0) }));
    button.dataset.level = level(token.bits);
    button.setAttribute("aria-label", `${spoken(token.symbol)}: ${token.bits.toFixed(2)} bits`);
    button.onclick = () => choose(index, position, true);
    button.onkeydown = (event) => onTokenKey(event, index, position);
    return button;
  });
  const over = line.bits - explained.entropy;
  const price = element("div", { className: "price" }, element("strong", { textContent: `${line.bits.toFixed(2)} bits` }),
    `; the entropy of a sum is ${explained.entropy.toFixed(2)}`);
  if (over > 0.5) price.append(", so ", element("span", { className: "over", textContent: `${over.toFixed(1)} bits too many` }));
  const row = element("div", { className: "tokens" }, ...tokens);
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", `Line ${index + 1}: ${line.text}`);
  return element("div", { className: "line" }, row, price);
}

/** Chooses a token: the one that Tab reaches, whose story is told below. */
function choose(lineIndex, position, focus) {
  const rows = [...document.querySelectorAll("#lines .line")];
  const line = explained.lines[lineIndex]?.tokens ? lineIndex : explained.lines.findIndex((l) => l.tokens);
  const tokens = rows[line]?.querySelectorAll(".token");
  $("detail").replaceChildren();
  if (!tokens) return;
  chosen = { line, position: Math.min(position, tokens.length - 1) };
  document.querySelectorAll(".token").forEach((token) => {
    token.tabIndex = -1;
    token.setAttribute("aria-pressed", "false");
  });
  const button = tokens[chosen.position];
  button.tabIndex = 0;
  button.setAttribute("aria-pressed", "true");
  if (focus) button.focus();
  tell(explained.lines[line].tokens[chosen.position]);
}

function tell(token) {
  const others = token.distribution.filter(([symbol]) => symbol !== token.symbol).slice(0, 3);
  const expected = others.map(([symbol, p]) => `${spoken(symbol)} (${percent(p)})`).join(", ");
  const known = token.bits < 0.1 ? "was known before it came" : token.bits < 4 ? "was a matter of chance" : "was a surprise";
  $("detail").append(
    element("strong", { textContent: spoken(token.symbol) }),
    ` ${known}: given ${percent(token.probability)}, it costs ${token.bits.toFixed(2)} bits.`,
    element("br"),
    element("span", { className: "quiet", textContent: `Expected instead: ${expected}.` }),
  );
}

function onTokenKey(event, line, position) {
  const { key } = event;
  const last = explained.lines[line].tokens.length - 1;
  const to = { ArrowLeft: position - 1, ArrowRight: position + 1, Home: 0, End: last }[key];
  if (to !== undefined) {
    event.preventDefault();
    choose(line, Math.max(0, Math.min(last, to)), true);
  } else if (key === "ArrowUp" || key === "ArrowDown") {
    event.preventDefault();
    changeDigit(line, position, key === "ArrowUp" ? 1 : 9);
  } else if (/^\d$/.test(key)) {
    changeDigit(line, position, 0, key);
  }
}

/** Adds to a digit of a line, or puts another in its place. */
function changeDigit(line, position, by, digit) {
  const lines = $("text").value.split("\n");
  const old = lines[line]?.[position];
  if (!/^\d$/.test(old ?? "")) return;
  const next = digit ?? String((Number(old) + by) % 10);
  lines[line] = lines[line].slice(0, position) + next + lines[line].slice(position + 1);
  $("text").value = lines.join("\n");
  chosen = { line, position };
  explainText();
}

function randomSum() {
  const operand = () => String(Math.floor(Math.random() * 1e8)).padStart(8, "0");
  const [a, b] = [operand(), operand()];
  return `${a}+${b}=${String(Number(a) + Number(b)).padStart(9, "0")}`;
}

function startReading() {
  quick = new Codec();
  quick.loaded.then(
    ({ kernel }) => ($("kernel").textContent = `WebAssembly, ${kernel}`),
    (error) => {
      $("kernel").textContent = "not loaded";
      $("read-note").replaceChildren(element("span", { className: "error", textContent: error.message }));
    },
  );
  $("text").oninput = explainText;
  $("another").onclick = () => {
    $("text").value = randomSum();
    chosen = { line: 0, position: 18 };
    explainText();
  };
  $("wrong").onclick = () => {
    const first = $("text").value.split("\n")[0];
    const equals = first.indexOf("=");
    const digits = [...first.slice(equals + 1)].length;
    changeDigit(0, equals + 1 + Math.floor(Math.random() * digits), 1 + Math.floor(Math.random() * 8));
  };
  chosen = { line: 1, position: 25 };
  explainText();
}
