"use strict";
// Sorting, filtering and charts of the page. Every number can be read without this script.

const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

// ---- tables ----

/** Return the sort key of a cell: its value, its first number, or its text; null for an empty cell, which comes last. */
function orderOf(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim().replaceAll("\u2212", "-");
  const number = text.match(/^[<\s]*([+-]?\d+(\.\d+)?)/);
  if (text === "" || text === "\u2013") return null;
  return number ? Number(number[1]) - (text.startsWith("<") ? 1e-9 : 0) : text.toLowerCase();
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}

function sortBy(table, column, direction) {
  const rows = [...table.tBodies[0].rows];
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = rows.map((row) => [orderOf(row.cells[column]), row]);
  keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
  for (const head of table.tHead.rows[0].cells) {
    if (head.cellIndex === column) head.setAttribute("aria-sort", direction);
    else head.removeAttribute("aria-sort");
  }
}

/** Sort numbers from the highest and text from A; sorting again reverses the order. */
function turn(table, head) {
  const before = head.getAttribute("aria-sort");
  const cells = [...table.tBodies[0].rows].map((row) => orderOf(row.cells[head.cellIndex]));
  const first = cells.some((value) => typeof value === "number") ? "descending" : "ascending";
  const other = { ascending: "descending", descending: "ascending" };
  sortBy(table, head.cellIndex, before ? other[before] : first);
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button.sort");
    if (button) turn(table, button.parentElement);
  });
}

// On a phone, each row is a card without column heads.
for (const select of document.querySelectorAll("select[data-table]")) {
  const table = document.getElementById(select.dataset.table);
  const heads = [...table.tHead.rows[0].cells].filter((head) => head.querySelector("button"));
  select.append(...heads.map((head) => new Option(head.textContent.trim(), head.cellIndex)));
  select.value = heads.find((head) => head.hasAttribute("aria-sort")).cellIndex;
  select.addEventListener("change", () => {
    const head = table.tHead.rows[0].cells[select.value];
    head.removeAttribute("aria-sort");
    turn(table, head);
  });
}

for (const filter of document.querySelectorAll(".filter")) {
  const rows = [...document.getElementById(filter.dataset.table).tBodies[0].rows];
  const count = filter.parentElement.querySelector(".count");
  filter.addEventListener("change", (event) => {
    for (const row of rows) row.hidden = event.target.value !== "" && row.dataset.model !== event.target.value;
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} variants`;
  });
}

// ---- navigation ----

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const visible = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      const link = links.get(entry.target.id);
      link.setAttribute("aria-current", "true");
      const bar = link.closest("ul");
      if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = link.offsetLeft - 24;
    }
  },
  { rootMargin: "-15% 0px -80% 0px" },
);
for (const id of links.keys()) visible.observe(document.getElementById(id));

/** Open a closed section that a link points into. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

// ---- charts ----

const charts = [...document.querySelectorAll(".chart")];

/** Parse a figure, and replace the colours of the light page on the dark one. */
function themed(text) {
  if (printing || !dark.matches) return JSON.parse(text);
  const swaps = { "#0072b2": "#58b0ee", "#1c2430": "#e7ecf2", "#009e73": "#2fc79a", "#8a6d3b": "#c9a76a" };
  return JSON.parse(text.replace(/#[0-9a-f]{6}/g, (colour) => swaps[colour] ?? colour));
}

function layoutOf(figure) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
  const layout = { ...figure.layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true };
  layout.font = { family: style.fontFamily, size: 12, color: ink };
  for (const name of ["xaxis", "yaxis"]) {
    layout[name] = { gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true, ...layout[name] };
  }
  return layout;
}

function draw(chart) {
  const figure = themed(document.getElementById(chart.dataset.figure).textContent);
  chart.dataset.drawn = "yes";
  return Plotly.react(chart, figure.data, layoutOf(figure), { displayModeBar: false, responsive: true });
}

function redraw() {
  for (const chart of charts) if (chart.dataset.drawn) draw(chart);
}

async function unpacked() {
  const bytes = Uint8Array.from(atob(document.getElementById("plotly").textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function start() {
  const script = document.createElement("script");
  script.textContent = await unpacked();
  document.head.append(script);
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting && !target.dataset.drawn) draw(target);
      }
    },
    { rootMargin: "600px" },
  );
  for (const chart of charts) seen.observe(chart);
  dark.addEventListener("change", redraw);
  document.documentElement.dataset.charts = "ready";
}

// In print, all sections are open and have the colours of the light page.
addEventListener("beforeprint", () => {
  printing = true;
  for (const part of document.querySelectorAll("details:not([open]):not(.numbers)")) {
    part.open = true;
    part.dataset.closed = "yes";
  }
  if (globalThis.Plotly) charts.forEach(draw);
});
addEventListener("afterprint", () => {
  printing = false;
  for (const part of document.querySelectorAll("details[data-closed]")) {
    part.open = false;
    delete part.dataset.closed;
  }
  redraw();
});

start().catch(() => {
  for (const chart of charts) chart.replaceChildren("This browser cannot draw the chart. Its numbers are in the table.");
});
