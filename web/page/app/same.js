// The self-test, and the start of everything.

async function runSelfTest() {
  const rows = element("tbody");
  const verdict = element("p", { textContent: "Running …" });
  $("test").replaceChildren(verdict, element("table", {}, rows));
  busy(true);
  const started = performance.now();
  try {
    const { cases, hash } = await work("selfTest", {}, ({ name, hash, expected, holds }) => {
      rows.append(element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", {},
        element("span", { className: "hash", textContent: hash }), " ",
        element("span", { className: holds ? "ok" : "error", textContent: holds ? "right" : `wrong: ${expected} is right` }))));
    });
    const right = cases.filter(({ holds }) => holds).length;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    verdict.replaceChildren(
      element("span", { className: right === cases.length ? "ok" : "error", textContent: `${right} of ${cases.length} results are right` }),
      ` (${seconds} s). The hash of them all: `, element("strong", { className: "hash", id: "test-hash", textContent: hash }), ". ",
      element("span", { className: "quiet", textContent: "surprisal selftest --json prints the same hash of each; it has more cases, for models that this page leaves out." }),
    );
  } catch (error) {
    verdict.replaceChildren(element("span", { className: "error", textContent: error.message }));
  }
  busy(false);
}

function start() {
  startReading();
  startPacking();
  $("start-learning").onclick = learnLive;
  $("start-test").onclick = runSelfTest;
}
