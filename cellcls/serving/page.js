"use strict";
const at = (id) => document.getElementById(id);
const token = location.hash.slice(1);
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const cells = [];
const queue = [];
let classes = [], running = 0, done = 0;

function add(parent, tag, text = "", className = "") {
  const made = parent.appendChild(document.createElement(tag));
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function begin() {
  const answer = await fetch("model", { headers });
  if (!answer.ok) { at("model").textContent = await answer.text(); return; }
  const model = await answer.json();
  classes = model.classes;
  at("model").textContent = `${model.name}: ${classes.join(", ")}` + (model.rehearsal ? ". Weights of a rehearsal: they know nothing of cells." : "");
  if (model.card) { at("card").textContent = model.card; at("about").hidden = false; }
}

function take(files) {
  for (const file of files) {
    if (!/\.(jpe?g|png|webp|bmp|tiff?)$/i.test(file.name) && !file.type.startsWith("image/")) continue;
    const cell = { file, name: file.webkitRelativePath || file.name, item: add(at("cells"), "li") };
    const picture = add(cell.item, "img");
    picture.src = URL.createObjectURL(file);
    picture.alt = cell.name;
    cell.text = add(cell.item, "div");
    add(cell.text, "div", cell.name, "name");
    add(cell.text, "div", "waiting …");
    cells.push(cell);
    queue.push(cell);
  }
  at("actions").hidden = !cells.length;
  next();
}

function next() {
  at("status").textContent = cells.length ? `${done} of ${cells.length} images done` : "";
  while (running < 4 && queue.length) {
    running += 1;
    ask(queue.shift()).finally(() => { running -= 1; next(); });
  }
}

async function send(cell, heat) {
  for (let wait = 1; ; wait = Math.min(8, 2 * wait)) {
    const query = new URLSearchParams({ name: cell.name.slice(-255), heat });
    const answer = await fetch(`predict?${query}`, { method: "POST", headers, body: cell.file });
    if (answer.status !== 503) return answer;
    await new Promise((go) => setTimeout(go, 1000 * wait));
  }
}

async function ask(cell) {
  try {
    const answer = await send(cell, false);
    if (answer.ok) { cell.found = await answer.json(); show(cell); } else { fail(cell, await reason(answer)); }
  } catch (error) {
    fail(cell, `no answer: ${error.message}`);
  }
  done += 1;
}

async function reason(answer) {
  const text = await answer.text();
  try { const detail = JSON.parse(text).detail; return typeof detail === "string" ? detail : text; } catch { return text; }
}

function fail(cell, why) {
  cell.text.lastChild.remove();
  add(cell.text, "div", why, "error");
}

function show(cell) {
  const found = cell.found;
  cell.text.lastChild.remove();
  add(cell.text, "div", `${found.predicted}, ${percent(found.probability)}`, "class");
  if (found.unknown) add(cell.text, "div", `unknown: ${found.unknown}`, "unknown");
  const bars = add(cell.text, "ul", "", "bars");
  const likely = Object.entries(found.probabilities).sort((a, b) => b[1] - a[1]).slice(0, 3);
  for (const [name, share] of likely) {
    const bar = add(bars, "li");
    add(bar, "span", `${name} ${percent(share)}`);
    const meter = add(bar, "progress");
    meter.max = 1;
    meter.value = share;
    meter.setAttribute("aria-hidden", "true");
  }
  const label = add(cell.text, "label", "Correct class");
  const choice = add(label, "select");
  for (const name of [...classes, ""]) {
    const option = add(choice, "option", name || "no cell, leave out");
    option.value = name;
  }
  choice.value = cell.label = found.predicted;
  choice.addEventListener("change", () => { cell.label = choice.value; });
  const button = add(cell.text, "button", "Where it looks");
  button.addEventListener("click", () => heat(cell, button));
}

async function heat(cell, button) {
  button.disabled = true;
  const answer = await send(cell, true);
  if (!answer.ok) { button.textContent = await reason(answer); return; }
  const picture = add(cell.text, "img");
  picture.src = (await answer.json()).heat;
  picture.alt = `Where the network looked in ${cell.name}: green to yellow marks what speaks for ${cell.found.predicted}`;
  button.remove();
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;
// as cellcls.ops.text.cell does: no text is a formula for a spreadsheet
const safe = (text) => (/^[=+\-@\t\r']/.test(text) ? `'${text}` : text);
const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function download() {
  const rows = cells.filter((cell) => cell.found && cell.label).map((cell) =>
    [cell.name, cell.label, cell.found.predicted, cell.found.probability.toFixed(6), cell.found.unknown || ""]);
  const lines = [["file", "label", "predicted", "probability", "unknown"], ...rows];
  const text = lines.map((row) => row.map((value) => quoted(safe(value))).join(",") + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function clear() {
  for (const cell of cells) { URL.revokeObjectURL(cell.item.firstChild.src); cell.item.remove(); }
  cells.length = queue.length = done = 0;
  at("actions").hidden = true;
  next();
}

async function dropped(items) {
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((go, stop) => entry.file(go, stop));
      found.push(file);
    } else {
      const reader = entry.createReader();
      for (;;) {
        const inside = await new Promise((go, stop) => reader.readEntries(go, stop));
        if (!inside.length) break;
        for (const child of inside) await walk(child);
      }
    }
  };
  for (const entry of [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean)) await walk(entry);
  take(found);
}

const drop = at("drop");
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); dropped(event.dataTransfer.items); });
for (const id of ["files", "folder"]) at(id).addEventListener("change", () => { take(at(id).files); at(id).value = ""; });
at("download").addEventListener("click", download);
at("clear").addEventListener("click", clear);
begin().catch((error) => { at("model").textContent = `no answer: ${error.message}`; });
