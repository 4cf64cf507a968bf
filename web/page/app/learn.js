// A network learns while it codes.

/**
 * Corpora by the digits of their numbers: those of `surprisal corpus --digits D --lines N --seed 1`, and the bytes that
 * `xz -9e` makes of each.
 */
const CORPORA = {
  2: { lines: 60000, xz: 146760 },
  3: { lines: 150000, xz: 652500 },
  4: { lines: 200000, xz: 1121736 },
};
const SEED = 1;
const WINDOWS = 100;
/** A position has emerged where it costs less than this above its entropy. */
const EMERGED_BITS = 0.1;

const svg = (tag, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
};

async function learnLive() {
  const digits = Number($("digits").value);
  const { lines, xz } = CORPORA[digits];
  const floor = 2 * digits * Math.log2(10);
  const plot = new Curve(lines, floor, (8 * xz) / lines);
  $("learning").hidden = false;
  $("learn-note").textContent = "It begins to code.";
  busy(true);
  $("start-learning").textContent = "Learning …";
  const emerged = new Map();
  try {
    const given = { digits, lines, seed: SEED, windowLines: lines / WINDOWS };
    const learned = await work("learn", given, (window) => {
      plot.add(window);
      drawTemplate(digits, window, emerged);
    });
    const percentBelow = 100 * (1 - learned.bytesOut / xz);
    $("learn-note").textContent =
      `${grouped(learned.lines)} lines, ${grouped(learned.bytesIn)} bytes, became ${grouped(learned.bytesOut)} bytes, by ` +
      `${grouped(learned.parameters)} parameters that knew nothing: ${percentBelow.toFixed(0)} % fewer than xz -9e ` +
      `(${grouped(xz)}), and the archive holds no model. The floor is ${grouped((floor * lines) / 8)}.`;
  } catch (error) {
    $("learn-note").replaceChildren(element("span", { className: "error", textContent: error.message }));
  }
  $("start-learning").textContent = "Start again";
  busy(false);
}

/** The characters of a line, each in the colour of what it costs now. */
function drawTemplate(digits, window, emerged) {
  const names = [..."a".repeat(digits), "+", ..."b".repeat(digits), "=", ..."c".repeat(digits + 1), "⏎"];
  const chance = (i) => i < digits || (i > digits && i <= 2 * digits);
  $("template").replaceChildren(...window.positions.map((bits, i) => {
    const over = bits - (chance(i) ? Math.log2(10) : 0);
    if (over < EMERGED_BITS && !emerged.has(i)) emerged.set(i, window.lines);
    const shade = chance(i) && over < EMERGED_BITS ? "var(--s1)" : over < EMERGED_BITS ? "transparent" : `color-mix(in srgb, var(--s3) ${Math.min(100, Math.round(30 * over + 10))}%, transparent)`;
    const cell = element("span", {}, names[i] ?? "?", element("small", { textContent: bits.toFixed(bits < 0.995 ? 2 : 1) }));
    cell.style.background = shade;
    return cell;
  }));
  const sum = [...Array(digits + 1).keys()].filter((i) => emerged.has(2 * digits + 2 + i)).length;
  const text = `${sum} of ${digits + 1} digits of the sum are known after ${grouped(window.lines)} lines`;
  $("template").setAttribute("aria-label", text);
  $("learn-note").textContent = `${text}; a line costs ${window.bits.toFixed(1)} bits.`;
}

/** Bits a line over lines. */
class Curve {
  #points = [];

  constructor(lines, floor, xz) {
    const [width, height, left, bottom, top, right] = [720, 300, 46, 34, 12, 12];
    const most = Math.ceil((xz * 1.5) / 10) * 10;
    this.x = (line) => left + ((width - left - right) * line) / lines;
    this.y = (bits) => top + (height - top - bottom) * (1 - Math.min(1, bits / most));
    this.title = `Bits a line while learning: the floor is ${floor.toFixed(2)}, xz takes ${xz.toFixed(2)}.`;
    const marks = [];
    for (let bits = 0; bits <= most; bits += most > 40 ? 20 : 10) {
      marks.push(svg("line", { class: "axis", x1: left, x2: width - right, y1: this.y(bits), y2: this.y(bits) }));
      marks.push(svg("text", { x: left - 8, y: this.y(bits) + 4, "text-anchor": "end" }, String(bits)));
    }
    for (const part of [0, 0.5, 1]) {
      const anchor = ["start", "middle", "end"][part * 2];
      marks.push(svg("text", { x: this.x(part * lines), y: height - 12, "text-anchor": anchor }, part ? grouped(part * lines) : "lines"));
    }
    const level = (name, bits, text) => [
      svg("line", { class: name, x1: left, x2: width - right, y1: this.y(bits), y2: this.y(bits) }),
      svg("text", { class: `${name}-text`, x: width - right, y: this.y(bits) + (name === "floor" ? 17 : -7), "text-anchor": "end" }, text),
    ];
    marks.push(...level("floor", floor, `floor: ${floor.toFixed(2)} bits a line`), ...level("xz", xz, `xz -9e: ${xz.toFixed(2)}`));
    this.path = svg("path", { class: "curve" });
    $("curve").replaceChildren(svg("title", { id: "curve-title" }, this.title), ...marks, this.path);
  }

  add({ lines, bits }) {
    this.#points.push(`${this.x(lines).toFixed(1)},${this.y(bits).toFixed(1)}`);
    this.path.setAttribute("d", `M${this.#points.join("L")}`);
    $("curve").querySelector("title").textContent = `${this.title} Now ${bits.toFixed(2)} after ${grouped(lines)} lines.`;
  }
}
