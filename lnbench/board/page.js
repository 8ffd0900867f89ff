"use strict";
// Everything is in the page already; this only hides, orders and marks.

let shown;

function showTrack() {
  const sections = [...document.querySelectorAll("section.track")];
  const wanted = decodeURIComponent(location.hash.slice(1));
  shown = sections.find((s) => s.id === wanted) || shown || sections[0];
  for (const section of sections) section.hidden = section !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (shown && link.getAttribute("href") === "#" + shown.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function key(body, column) {
  const value = body.rows[0].cells[column].dataset.v;
  return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
}

function compare(a, b, down) { // what has no value stands last either way
  if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
  if (typeof a === typeof b) return (down ? -1 : 1) * (a < b ? -1 : a > b ? 1 : 0);
  return typeof a === "number" ? -1 : 1;
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const down = now ? now === "ascending" : head.dataset.best === "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const bodies = [...table.tBodies];
      bodies.sort((a, b) => compare(key(a, column), key(b, column), down));
      table.append(...bodies);
    });
  });
}

function makeOpenable(table) {
  table.classList.add("clickable");
  table.addEventListener("click", (event) => {
    const row = event.target.closest("tbody > tr:first-child");
    if (!row || event.target.closest("a, button, details") || String(getSelection())) return;
    const details = row.querySelector("details");
    details.open = !details.open;
  });
}

function makeFilterable(rows) {
  const box = rows.querySelector(".filter");
  const table = rows.querySelector("table.board");
  const input = box.querySelector("input");
  const status = box.querySelector("[role=status]");
  const update = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const body of table.tBodies) {
      const text = body.textContent.toLowerCase();
      body.hidden = !words.every((word) => text.includes(word));
      count += body.hidden ? 0 : 1;
    }
    status.textContent = count + " of " + table.tBodies.length + " rows";
  };
  input.addEventListener("input", update);
  box.hidden = false;
  update();
}

document.querySelectorAll("table.board").forEach(makeSortable);
document.querySelectorAll("table.board").forEach(makeOpenable);
document.querySelectorAll(".rows").forEach(makeFilterable);
addEventListener("hashchange", showTrack);
showTrack();
