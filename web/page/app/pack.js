// Files in and out.

const MAGIC = [0xb5, 0x53, 0x55, 0x52];
const SUFFIX = ".sur";
let run = 0;

async function takeFile(file) {
  const beginning = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const isArchive = file.name.endsWith(SUFFIX) || MAGIC.every((byte, i) => beginning[i] === byte);
  const present = ++run;
  busy(true);
  $("outcome").replaceChildren();
  $("job").hidden = false;
  $("job-name").textContent = `${isArchive ? "Restoring" : "Compressing"} ${file.name}, ${grouped(file.size)} bytes`;
  $("job-progress").value = 0;
  const started = performance.now();
  const onProgress = (part) => {
    if (present === run) $("job-progress").value = Math.max($("job-progress").value, Math.min(1, part));
  };
  try {
    const done = await work(isArchive ? "restore" : "compress", { file }, onProgress);
    if (present !== run) return;
    showOutcome(file, isArchive, done, (performance.now() - started) / 1000);
  } catch (error) {
    if (present !== run) return;
    showFailure(file, isArchive, error);
  }
  $("job").hidden = true;
  busy(false);
}

function cancelJob() {
  run++;
  cancelWork();
  $("job").hidden = true;
  $("outcome").textContent = "Cancelled. Nothing was kept.";
  busy(false);
  $("file").focus();
}

/** What the program's user would do about a missing model is nothing that a page offers. */
const onPage = (message) => message.replace(/: pass the right folder with -m$/, ", and this page has no other: restore it with the program");

function showFailure(file, isArchive, error) {
  $("outcome").replaceChildren(element("p", { className: "error", role: "alert", textContent:
    `${file.name} could not be ${isArchive ? "restored" : "compressed"}: ${onPage(error.message)}` }));
}

function showOutcome(file, isArchive, { blob, summary }, seconds) {
  const name = isArchive ? file.name.replace(/\.sur$/, "") || "restored" : file.name + SUFFIX;
  const link = element("a", { className: "button", href: URL.createObjectURL(blob), download: name, id: "save",
    textContent: `Save ${name}, ${grouped(blob.size)} bytes` });
  const rows = [
    ["Content", `${grouped(summary.bytesIn)} bytes, ${grouped(summary.lines)} lines`],
    ["Archive", `${grouped(summary.bytesOut)} bytes: ${(summary.bytesIn / summary.bytesOut).toFixed(3)} to 1, in ${seconds.toFixed(1)} s`],
  ];
  const blocks = [["by the model", summary.modelledBlocks], ["by zstd", summary.zstdBlocks], ["as they are", summary.rawBlocks]];
  const kinds = blocks.filter(([, count]) => count).map(([how, count]) => `${count} ${how}`).join(", ");
  rows.push(["Blocks", kinds || "none"]);
  if (isArchive) {
    rows.push(["Checked", element("span", { className: "ok", textContent: "every checksum holds" })]);
  } else if (summary.tokens) {
    const bits = summary.codedBits / summary.tokens;
    const model = DATA().models.find(({ name }) => name === summary.model);
    rows.push(["Bits a token", `${bits.toFixed(4)} coded; the training of ${summary.model} ended at a loss of ${model.lossBits.toFixed(4)}`]);
  }
  rows.push(["SHA-256 of the content", element("span", { className: "hash", textContent: summary.contentSha256 })]);
  rows.push(["SHA-256 of the archive", element("span", { className: "hash", textContent: summary.archiveSha256 })]);
  const table = element("table", {}, element("tbody", {}, ...rows.map(([head, cell]) =>
    element("tr", {}, element("th", { scope: "row", textContent: head }), element("td", {}, cell)))));
  $("outcome").replaceChildren(element("p", { className: "save" }, link), table);
}

/** A million bytes of random sums. */
function sampleFile() {
  const lines = Array.from({ length: Math.ceil(1e6 / 28) }, randomSum);
  return new File([lines.join("\n").slice(0, 28 * lines.length) + "\n"], "sums.txt");
}

function startPacking() {
  const drop = $("drop");
  $("file").onchange = () => {
    const [file] = $("file").files;
    $("file").value = "";
    if (file) takeFile(file);
  };
  $("sample").onclick = () => takeFile(sampleFile());
  $("cancel").onclick = cancelJob;
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file && !$("file").disabled) takeFile(file);
  });
}
