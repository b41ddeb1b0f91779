"use strict";
// Tables whose head cells hold a button are sorted by it; cells that were not measured stay last in both directions.
(() => {
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const isMissing = (value) => value === "" || value === "nan";

  function compare(a, b, sign) {
    if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
    const [x, y] = [Number(a), Number(b)];
    return sign * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
  }

  function sortBy(table, head) {
    const opposite = { ascending: "descending", descending: "ascending" };
    const order = opposite[head.getAttribute("aria-sort")] ?? head.dataset.first ?? "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(key(a, head.cellIndex), key(b, head.cellIndex), sign));
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.tHead.rows[0].cells) {
      head.querySelector("button").addEventListener("click", () => sortBy(table, head));
    }
  }

  const dots = document.getElementById("dots");
  if (dots) dots.addEventListener("change", () => document.body.classList.toggle("no-dots", !dots.checked));
})();
