"use strict";
(() => {
  const data = JSON.parse(document.getElementById("findings-data").textContent);
  const rows = new Map(data.rows.map(([index, file, hash, place, action, label, part]) => {
    const { kind, reason } = data.findings[place];
    return [index, { file, hash, finding: kind, reason, action, name: data.classes[label], part }];
  }));
  const decided = new Map([...rows].map(([index, row]) => [index, row.action]));
  const byId = (id) => document.getElementById(id);
  const kind = byId("kind"), ofClass = byId("class"), text = byId("text"), dropped = byId("dropped"), order = byId("order");
  const STEP = 40;
  let shown = [], drawn = 0;

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in element && name !== "list") element[name] = value; else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  const number = (value) => value.toLocaleString("en");
  const many = (value, what) => `${number(value)} ${what}${value === 1 ? "" : "s"}`;
  const isDropped = (index) => decided.get(index) === "drop";
  const say = (words) => { byId("note").textContent = words; };

  // --- deciding, and keeping what was decided ---

  const memory = `cellcls audit ${data.hash}`;

  function decide(indices, drop) {
    for (const index of indices) {
      const suggested = rows.get(index).action;
      decided.set(index, drop ? "drop" : suggested === "drop" ? "keep" : suggested);
    }
    changed();
  }

  function changed() {
    count();
    const own = [...decided].filter(([index, action]) => rows.get(index).foreign || rows.get(index).action !== action);
    const kept = own.map(([index, action]) => [index, action, rows.get(index).foreign ? rows.get(index) : null]);
    try {
      if (kept.length) localStorage.setItem(memory, JSON.stringify(kept)); else localStorage.removeItem(memory);
    } catch {
      say("This browser does not store data for this page: download the file before leaving it.");
    }
  }

  function restore() {
    let kept = [];
    try {
      kept = JSON.parse(localStorage.getItem(memory)) ?? [];
    } catch {
      return; // no storage; the user is told when ticking the first box
    }
    for (const [index, action, foreign] of kept) {
      if (foreign && !rows.has(index)) rows.set(index, foreign);
      if (rows.has(index)) decided.set(index, action);
    }
    if (kept.length) say(`Restored ${many(kept.length, "decision")} stored by this browser.`);
  }

  function suggestions() {
    for (const [index, row] of rows) {
      if (row.foreign) { rows.delete(index); decided.delete(index); } else decided.set(index, row.action);
    }
  }

  function count() {
    let gone = 0;
    for (const action of decided.values()) gone += action === "drop";
    byId("count").textContent =
      `${number(gone)} to drop, ${number(data.count - gone)} of ${number(data.count)} kept`;
    for (const box of document.querySelectorAll("input[data-index]")) {
      box.checked = isDropped(Number(box.dataset.index));
    }
    for (const box of document.querySelectorAll("input[data-finding]")) {
      const images = data.findings[Number(box.dataset.finding)].images;
      const ticked = images.filter(isDropped).length;
      box.checked = ticked === images.length;
      box.indeterminate = ticked > 0 && ticked < images.length;
    }
  }

  // --- the list ---

  const picture = (thumb, alt) => (thumb
    ? make("img", { src: `data:image/jpeg;base64,${thumb}`, alt })
    : make("span", { className: "none" }, "no thumbnail"));

  function cell(index) {
    const { file, name, part } = rows.get(index);
    const box = make("input", { type: "checkbox", checked: isDropped(index) });
    box.dataset.index = index;
    box.addEventListener("change", () => decide([index], box.checked));
    return make("label", { className: "cell", title: file || `image ${index}` },
      picture(data.thumbs[index], `image ${index}, ${name}`),
      make("span", {}, box, ` ${index}`), make("span", { className: "what" }, part ? `${name}, ${part}` : name));
  }

  function rest(images) {
    const button = make("button", { type: "button", className: "more" }, `and ${number(images.length)} more`);
    button.addEventListener("click", () => {
      button.replaceWith(...images.slice(0, 200).map(cell), ...(images.length > 200 ? [rest(images.slice(200))] : []));
      count();
    });
    return button;
  }

  function card(place) {
    const finding = data.findings[place];
    const head = make("div", { className: "head" });
    head.append(make("strong", {}, data.kinds[finding.kind]), make("span", {}, finding.file ? `${finding.file}: ${finding.reason}` : finding.reason));
    const article = make("article", { className: "card finding" }, head);
    article.dataset.kind = finding.kind;
    article.classList.toggle("wide", finding.images.length + finding.others.length > 3);
    if (finding.images.length > 1) {
      const all = make("input", { type: "checkbox" });
      all.dataset.finding = place;
      all.addEventListener("change", () => decide(finding.images, all.checked));
      head.append(make("label", { className: "all" }, all, ` drop all ${number(finding.images.length)}`));
    }
    const cells = make("div", { className: "cells" }, ...finding.images.slice(0, data.most).map(cell));
    for (const index of finding.others) {
      const [name, thumb] = data.others[index];
      cells.append(make("figure", { className: "cell other" }, picture(thumb, name), make("span", { className: "what" }, name)));
    }
    if (finding.images.length > data.most) cells.append(rest(finding.images.slice(data.most)));
    if (finding.images.length || finding.others.length) article.append(cells);
    return article;
  }

  const searchable = data.findings.map((finding) => [finding.reason, finding.file, ...finding.images.map((index) => `${index} ${rows.get(index).file}`)]
    .join(" ").toLowerCase());

  function fits(place) {
    const finding = data.findings[place];
    return (!kind.value || finding.kind === kind.value)
      && (!ofClass.value || finding.images.some((index) => rows.get(index).name === ofClass.value))
      && (!dropped.checked || finding.images.some(isDropped))
      && searchable[place].includes(text.value.trim().toLowerCase());
  }

  function more() {
    byId("list").append(...shown.slice(drawn, drawn + STEP).map(card));
    drawn = Math.min(shown.length, drawn + STEP);
    byId("more").hidden = drawn >= shown.length;
    byId("more").textContent = `Show ${number(Math.min(STEP, shown.length - drawn))} more of ${number(shown.length - drawn)}`;
    count();
  }

  function filter() {
    shown = data.findings.map((_, place) => place).filter(fits);
    if (order.value === "index") {
      shown.sort((a, b) => (data.findings[a].images[0] ?? -1) - (data.findings[b].images[0] ?? -1));
    } else if (order.value === "size") {
      shown.sort((a, b) => data.findings[b].images.length - data.findings[a].images.length);
    }
    byId("number").textContent = `${number(shown.length)} of ${many(data.findings.length, "finding")}`;
    drawn = 0;
    byId("list").replaceChildren();
    more();
  }

  const listed = () => shown.flatMap((place) => data.findings[place].images);

  // --- decisions.csv: written and read as in ops/curation/decisions.py ---

  const safe = (value) => (/^[=+\-@\t\r']/.test(value) ? `'${value}` : value);
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

  function csv() {
    const lines = [data.columns, ["", "", data.hash, "data", `${data.count} images`, ""]];
    for (const index of [...decided.keys()].sort((a, b) => a - b)) {
      const { file, hash, finding, reason } = rows.get(index);
      lines.push([String(index), safe(file), hash, finding, safe(reason), decided.get(index)]);
    }
    return lines.map((line) => line.map(quoted).join(",")).join("\n") + "\n";
  }

  function parse(given) {
    const whole = given.replace(/^\uFEFF/, "");
    const first = whole.split("\n", 1)[0];
    const mark = [",", ";", "\t"].reduce((best, mark) => (first.split(mark).length > first.split(best).length ? mark : best));
    const part = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${mark}\\r\\n]*))(${mark}|\\r?\\n|$)`, "y");
    const lines = [[]];
    while (part.lastIndex < whole.length) {
      const found = part.exec(whole);
      if (!found) throw new Error("is not valid CSV");
      lines.at(-1).push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
      if (found[3].endsWith("\n")) lines.push([]);
    }
    return lines.filter((line) => line.length);
  }

  function read(given) {
    const [heads = [], ...lines] = parse(given);
    if (!data.columns.every((name) => heads.includes(name))) throw new Error(`lacks some of the columns ${data.columns.join(", ")}`);
    const texts = new Set(["file", "reason"]); // blanks are their own
    const named = lines.map((line) => Object.fromEntries(heads.map((name, place) => {
      const cell = line[place] ?? "";
      return [name, texts.has(name) ? cell : cell.trim()];
    })));
    const about = named.find((line) => line.finding === "data");
    if (!about || about.hash !== data.hash || Number.parseInt(about.reason, 10) !== data.count) {
      throw new Error("is about another set");
    }
    return named.flatMap((line, place) => {
      if (line === about) return [];
      const index = Number(line.index);
      const wrong = !/^\d+$/.test(line.index) || index >= data.count || !data.actions.includes(line.action)
        || (rows.has(index) && rows.get(index).hash !== line.hash);
      if (wrong) throw new Error(`has an invalid decision in line ${place + 2}`);
      return [{ ...line, index }];
    });
  }

  function load(given) {
    const lines = read(given);
    suggestions();
    let foreign = 0;
    for (const { index, file, hash, finding, reason, action } of lines) {
      if (!rows.has(index)) {
        foreign += 1;
        const [name, why] = [file, reason].map((value) => value.replace(/^'/, ""));
        rows.set(index, { file: name, hash, finding, reason: why, action, name: "", part: "", foreign: true });
      }
      decided.set(index, action);
    }
    return many(lines.length, "decision") + (foreign ? `; ${number(foreign)} of them on images that are not listed here; these are kept in the download` : "");
  }

  byId("load").addEventListener("change", async () => {
    const [file] = byId("load").files;
    if (!file) return;
    const given = await file.text();
    byId("load").value = "";
    try {
      const found = load(given);
      say(`Loaded from ${file.name}: ${found}.`);
    } catch (error) {
      say(`${file.name} ${error.message}; nothing was changed.`);
      return;
    }
    changed();
  });
  byId("download").addEventListener("click", () => {
    const link = make("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "decisions.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  byId("reset").addEventListener("click", () => { suggestions(); say(""); changed(); });
  byId("drop-listed").addEventListener("click", () => decide(listed(), true));
  byId("keep-listed").addEventListener("click", () => decide(listed(), false));

  const found = new Map();
  for (const finding of data.findings) found.set(finding.kind, (found.get(finding.kind) || 0) + 1);
  fill(kind, [...found].map(([name, some]) => [name, `${data.kinds[name]} (${number(some)})`]), "all kinds");
  fill(ofClass, data.classes.map((name) => [name, name]), "all classes");
  for (const control of [kind, ofClass, dropped, order]) control.addEventListener("change", filter);
  text.addEventListener("input", filter);
  byId("more").addEventListener("click", more);
  byId("decisions").hidden = false;
  restore();
  filter();

  function fill(select, names, all) {
    select.append(make("option", { value: "" }, all));
    for (const [value, label] of names) select.append(make("option", { value }, label));
  }
})();
