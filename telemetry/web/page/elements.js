// How the page is built: elements whose text is only ever set as text, links within it, and tables that keep still.

export const $ = (id) => document.getElementById(id);

export function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

// Where a run, a host or all runs are: the query, which an alert's link has as well.
export const way = (place) => `?${new URLSearchParams(place)}`;

export function link(text, place) {
  const element = make("a", "", text);
  element.href = way(place);
  element.dataset.way = "";
  return element;
}

export const chip = (word, className = word) => make("span", `chip ${className}`, word);

export function meter(ratio, level) {
  const bar = make("span", "");
  bar.style.width = `${Math.min(100, (ratio ?? 0) * 100)}%`;
  const element = make("span", `meter ${level}`, bar);
  element.setAttribute("aria-hidden", "true"); // the number beside it says it
  return element;
}

const STILL = 10_000; // milliseconds after a hand was last here, for which rows keep their places
let handAt = -STILL;
for (const kind of ["pointermove", "pointerdown", "keydown"]) {
  addEventListener(kind, () => { handAt = performance.now(); }, { passive: true });
}

function put(cell, content) {
  const fresh = make("div", "", ...content);
  if (fresh.innerHTML === cell.innerHTML) return;
  const hadFocus = cell.contains(document.activeElement);
  cell.replaceChildren(...fresh.childNodes);
  if (hadFocus) cell.querySelector("a")?.focus({ preventScroll: true });
}

function makeRow(key, count) {
  const row = make("div", "", ...Array.from({ length: count }, () => make("div", "")));
  row.setAttribute("role", "row");
  row.dataset.key = key;
  [...row.children].forEach((cell, place) => cell.setAttribute("role", place ? "cell" : "rowheader"));
  return row;
}

// Rows of {key, className, cells}: what did not change stays as it is, and no row moves away under a hand.
export function fillRows(body, rows) {
  const before = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const wanted = rows.map(({ key, className, cells }) => {
    const row = before.get(key) ?? makeRow(key, cells.length);
    before.delete(key);
    if (row.className !== className) row.className = className;
    cells.forEach((content, place) => put(row.children[place], content));
    return row;
  });
  for (const row of before.values()) row.remove();
  const isHeld = performance.now() - handAt < STILL && body.matches(":hover, :focus-within");
  const ordered = isHeld ? [...body.children, ...wanted.filter((row) => !row.isConnected)] : wanted;
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  ordered.forEach((row, place) => {
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
  });
  focused?.focus({ preventScroll: true });
}

// The arrow keys, Home and End go from link to link of the rows; Tab goes on as everywhere.
export function walkRows(body) {
  body.addEventListener("keydown", (event) => {
    const links = [...body.querySelectorAll("[role=rowheader] > a")];
    const at = links.indexOf(document.activeElement?.closest("[role=row]")?.querySelector("[role=rowheader] > a"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined || !links[to]) return;
    event.preventDefault();
    links[to].focus();
  });
}
