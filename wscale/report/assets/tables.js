
"use strict";
// Tables of class "sorts" sort by a click on a header; those with controls also filter.

// A cell's value: a number where it has data-n (NaN where that is empty), otherwise its text
function valueOf(row, column) {
  const cell = row.cells[column];
  const number = cell.dataset.n;
  if (number === undefined) return cell.textContent.trim();
  return number === "" ? NaN : Number(number);
}

const isEmpty = (value) => value === "" || Number.isNaN(value);

function compare(a, b, sign) {
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) - isEmpty(b); // empty ones last, either way
  if (typeof a === "number") return sign * (a - b);
  return sign * a.localeCompare(b, "en", { numeric: true });
}

function sortBy(table, header) {
  const column = header.cellIndex;
  const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  rows.sort((one, two) => compare(one[0], two[0], sign));
  body.append(...rows.map(([, row]) => row));
}

function prepareSorting(table) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(table, header));
  }
}

function prepareFilter(controls) {
  const table = document.getElementById(controls.dataset.table);
  const text = controls.querySelector("input");
  const status = controls.querySelector("select");
  const shown = controls.querySelector("output");
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [row, content] of rows) {
      const fits = (status.value === "" || row.dataset.status === status.value)
        && words.every((word) => content.includes(word));
      row.classList.toggle("out", !fits);
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  }
  text.addEventListener("input", filter);
  status.addEventListener("change", filter);
  filter(); // a browser may have kept what was typed before the page was loaded anew
  controls.hidden = false;
}

document.querySelectorAll("table.sorts").forEach(prepareSorting);
document.querySelectorAll(".controls").forEach(prepareFilter);

// On paper nothing can be opened
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) {
    part.open = true;
    part.dataset.closed = "";
  }
});
addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details[data-closed]")) {
    part.open = false;
    delete part.dataset.closed;
  }
});
