"use strict";
(() => {
  const data = JSON.parse(document.getElementById("findings-data").textContent);
  const decided = new Map(Object.entries(data.rows).map(([index, row]) => [Number(index), row[4]]));
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
  const isDropped = (index) => decided.get(index) === "drop";

  function fill(select, names, all) {
    select.append(make("option", { value: "" }, all));
    for (const [value, label] of names) select.append(make("option", { value }, label));
  }

  function decide(index, drop) {
    const suggested = data.rows[index][4];
    decided.set(index, drop ? "drop" : suggested === "drop" ? "keep" : suggested);
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

  function cell(index) {
    const [file, , , , , name, part] = data.rows[index];
    const box = make("input", { type: "checkbox", checked: isDropped(index) });
    box.dataset.index = index;
    box.addEventListener("change", () => { decide(index, box.checked); count(); });
    const label = make("label", { className: "cell", title: file || `image ${index}` });
    if (data.thumbs[index]) {
      label.append(make("img", { src: `data:image/jpeg;base64,${data.thumbs[index]}`, alt: `image ${index}, ${name}` }));
    }
    label.append(make("span", {}, box, ` ${index}`), make("span", { className: "what" }, part ? `${name}, ${part}` : name));
    return label;
  }

  function card(place) {
    const one = data.findings[place];
    const head = make("div", { className: "head" });
    head.append(make("strong", {}, data.kinds[one.kind]), make("span", {}, one.file ? `${one.file}: ${one.reason}` : one.reason));
    const made = make("article", { className: "card finding" }, head);
    made.dataset.kind = one.kind;
    if (one.images.length > 1) {
      const all = make("input", { type: "checkbox" });
      all.dataset.finding = place;
      all.addEventListener("change", () => { one.images.forEach((index) => decide(index, all.checked)); count(); });
      head.append(make("label", { className: "all" }, all, ` drop all ${number(one.images.length)}`));
    }
    const cells = make("div", { className: "cells" }, ...one.images.slice(0, data.most).map(cell));
    for (const other of one.others) {
      cells.append(make("figure", { className: "cell other" },
        make("img", { src: `data:image/jpeg;base64,${other.thumb}`, alt: other.name }),
        make("span", { className: "what" }, other.name)));
    }
    if (one.images.length > data.most) {
      cells.append(make("span", { className: "more" }, `and ${number(one.images.length - data.most)} more`));
    }
    if (one.images.length || one.others.length) made.append(cells);
    return made;
  }

  function fits(one) {
    const words = text.value.trim().toLowerCase();
    const rows = one.images.map((index) => data.rows[index]);
    return (!kind.value || one.kind === kind.value)
      && (!ofClass.value || rows.some((row) => row[5] === ofClass.value))
      && (!dropped.checked || one.images.some(isDropped))
      && (!words || `${one.reason} ${one.file} ${one.images.join(" ")} ${rows.map((row) => row[0]).join(" ")}`.toLowerCase().includes(words));
  }

  function more() {
    byId("list").append(...shown.slice(drawn, drawn + STEP).map(card));
    drawn = Math.min(shown.length, drawn + STEP);
    byId("more").hidden = drawn >= shown.length;
    byId("number").textContent = `${number(shown.length)} of ${number(data.findings.length)} findings`;
    count();
  }

  function filter() {
    shown = data.findings.map((one, place) => place).filter((place) => fits(data.findings[place]));
    if (order.value === "index") {
      shown.sort((a, b) => (data.findings[a].images[0] ?? -1) - (data.findings[b].images[0] ?? -1));
    } else if (order.value === "size") {
      shown.sort((a, b) => data.findings[b].images.length - data.findings[a].images.length);
    }
    drawn = 0;
    byId("list").replaceChildren();
    more();
  }

  const safe = (value) => (/^[=+\-@\t\r']/.test(value) ? `'${value}` : value);
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

  function csv() {
    const lines = [data.columns, ["", "", data.hash, "data", `${data.count} images`, ""]];
    for (const index of [...decided.keys()].sort((a, b) => a - b)) {
      const [file, hash, finding, reason] = data.rows[index];
      lines.push([String(index), safe(file), hash, finding, safe(reason), decided.get(index)]);
    }
    return lines.map((line) => line.map(quoted).join(",")).join("\n") + "\n";
  }

  byId("download").addEventListener("click", () => {
    const link = make("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "decisions.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  byId("reset").addEventListener("click", () => {
    for (const [index, row] of Object.entries(data.rows)) decided.set(Number(index), row[4]);
    count();
  });

  const found = new Map();
  for (const one of data.findings) found.set(one.kind, (found.get(one.kind) || 0) + 1);
  fill(kind, [...found].map(([name, many]) => [name, `${data.kinds[name]} (${number(many)})`]), "all kinds");
  fill(ofClass, data.classes.map((name) => [name, name]), "all classes");
  for (const control of [kind, ofClass, dropped, order]) control.addEventListener("change", filter);
  text.addEventListener("input", filter);
  byId("more").addEventListener("click", more);
  byId("findings").hidden = false;
  filter();
})();
