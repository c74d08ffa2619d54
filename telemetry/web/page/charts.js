// The charts: one per resource over time, and the threads by pool. Plotly draws; this says what.

import { amount, isCached, level, percent, scale, share, title } from "./words.js";

/* global Plotly */

let library = null;

// The library is 4.6 MB: it is asked for when a run is looked at, not with the overview.
export function loadCharts() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "assets/plotly.min.js";
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => {
      library = null;
      script.remove();
      reject(new Error("the chart library did not come"));
    });
    document.head.append(script);
  });
  return library;
}

const CONFIG = { displayModeBar: false, responsive: true };
const LIMIT_IN_SIGHT = 0.25; // under this share the limit would press the curve flat
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map();

dark.addEventListener("change", () => drawn.forEach((draw) => draw()));

function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

function frame(colour) {
  return {
    autosize: true,
    dragmode: false,
    showlegend: false,
    hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "inherit", size: 12, color: colour("soft") },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
  };
}

// Text in a chart is a small language of tags: what a journal brings must not speak it.
export const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const date = (seconds) => new Date(seconds * 1000);

function foldLine(curve, column, divisor, colour) {
  return {
    type: "scatter",
    mode: "lines",
    x: curve.times.map(date),
    y: curve[column].map((value) => (value === null ? null : value / divisor)),
    connectgaps: true,
    line: { color: colour("accent"), width: 2, shape: "linear" },
    fill: "tozeroy",
    fillcolor: colour("fill"),
    name: curve.fold === null ? "" : `fold ${curve.fold}`,
    hovertemplate: "%{x|%H:%M:%S}  <b>%{y:,.4~r}</b><extra>%{fullData.name}</extra>",
  };
}

function nearest(curve, column, time) {
  let low = 0;
  let high = curve.times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (curve.times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return curve[column][low] ?? null;
}

function marks(run, column, divisor, colour) {
  const points = [];
  for (const checkpoint of run.checkpoints) {
    const curve = run.curves.find((one) => one.fold === checkpoint.fold && one[column]);
    const value = curve ? nearest(curve, column, checkpoint.time) : null;
    if (value !== null) points.push({ checkpoint, value: value / divisor });
  }
  return {
    type: "scatter",
    mode: "markers",
    x: points.map(({ checkpoint }) => date(checkpoint.time)),
    y: points.map(({ value }) => value),
    text: points.map(({ checkpoint: { fold, stage } }) => plain((fold === null ? "" : `Fold ${fold} `) + stage)),
    marker: { size: 7, color: colour("card"), line: { color: colour("accent"), width: 1.5 } },
    hovertemplate: "<b>%{text}</b><br>%{x|%H:%M:%S}  %{y:,.4~r}<extra></extra>",
  };
}

function foldShades(run, colour) {
  const shapes = [];
  const annotations = [];
  const curves = run.curves.filter((curve) => curve.fold !== null && curve.times.length);
  const span = Math.max(...curves.map((curve) => curve.times.at(-1))) - Math.min(...curves.map((curve) => curve.times[0]));
  let named = -Infinity;
  curves.forEach((curve, number) => {
    const [x0, x1] = [date(curve.times[0]), date(curve.times.at(-1))];
    if (number % 2) {
      shapes.push({ type: "rect", yref: "paper", x0, x1, y0: 0, y1: 1, fillcolor: colour("faint"), line: { width: 0 }, layer: "below" });
    }
    // A name takes about a ninth of a chart: of folds that lie closer, one is named.
    if (curve.times[0] - named >= span / 9) {
      named = curve.times[0];
      annotations.push({ x: x0, y: 1, yref: "paper", xanchor: "left", yanchor: "bottom", text: `fold ${curve.fold}`, showarrow: false, font: { size: 11, color: colour("soft") } });
    }
  });
  return { shapes, annotations };
}

function resourceLayout(run, resource, largest, { divisor, unit }, colour) {
  const { shapes, annotations } = foldShades(run, colour);
  const isInSight = resource.limit !== null && largest >= resource.limit * LIMIT_IN_SIGHT;
  if (isInSight) {
    const y = resource.limit / divisor;
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: colour("limit"), width: 1.5, dash: "dash" } });
    annotations.push({ xref: "paper", x: 1, y, xanchor: "right", yanchor: "bottom", text: `limit ${amount(resource.name, resource.limit)}`, showarrow: false, font: { size: 11, color: colour("limit") } });
  }
  const top = (isInSight ? Math.max(resource.limit, largest) * 1.12 : Math.max(largest, 1) * 1.2) / divisor;
  return {
    ...frame(colour),
    margin: { l: 8, r: 8, t: 20, b: 8 },
    shapes,
    annotations,
    xaxis: { type: "date", automargin: true, nticks: 5, tickangle: 0, tickformat: timeFormat(run), gridcolor: colour("faint"), linecolor: colour("line"), zeroline: false },
    yaxis: { range: [0, top], automargin: true, nticks: 5, ticksuffix: unit, gridcolor: colour("faint"), zerolinecolor: colour("line"), tickformat: ",.3~r", fixedrange: true },
  };
}

function timeFormat(run) {
  const times = run.curves.flatMap((curve) => [curve.times[0], curve.times.at(-1)]);
  const span = Math.max(...times) - Math.min(...times);
  if (span < 300) return "%H:%M:%S";
  return span < 86400 ? "%H:%M" : "%b %d, %H:%M";
}

function figure(parent, resource) {
  const element = document.createElement("figure");
  element.className = "card";
  element.id = `chart-${resource.name}`;
  const caption = element.appendChild(document.createElement("figcaption"));
  caption.append(document.createElement("span"), document.createElement("span"));
  caption.firstChild.textContent = title(resource.name);
  caption.lastChild.className = "share";
  const plot = element.appendChild(document.createElement("div"));
  plot.className = "plot";
  plot.setAttribute("aria-hidden", "true"); // the caption says what a reader of text needs
  parent.append(element);
  return element;
}

export function drawResource(parent, run, resource) {
  const element = document.getElementById(`chart-${resource.name}`) ?? figure(parent, resource);
  const values = run.curves.flatMap((curve) => curve[resource.column] ?? []);
  const largest = values.reduce((high, value) => (value > high ? value : high), 0);
  const scaled = scale(resource.name, resource.limit && largest >= resource.limit * LIMIT_IN_SIGHT ? resource.limit : largest);
  const cache = isCached(resource) ? " without page cache" : "";
  const of = resource.limit === null ? "" : ` of ${amount(resource.name, resource.limit)} · ${percent(share(resource))}${cache}`;
  element.classList.remove("near", "full");
  if (level(resource.judged)) element.classList.add(level(resource.judged));
  element.querySelector(".share").textContent = amount(resource.name, resource.current) + of;
  const draw = () => {
    const colour = colours();
    const curves = run.curves.filter((curve) => curve[resource.column]);
    const traces = curves.map((curve) => foldLine(curve, resource.column, scaled.divisor, colour));
    traces.push(marks(run, resource.column, scaled.divisor, colour));
    Plotly.react(element.querySelector(".plot"), traces, resourceLayout(run, resource, largest, scaled, colour), CONFIG);
  };
  drawn.set(element.id, draw);
  draw();
  return element;
}

export function drawPools(element, pools) {
  element.style.height = `${pools.length * 27 + 12}px`;
  const shown = [...pools].reverse();
  const names = shown.map(({ pool }) => plain(pool.length > 24 ? `${pool.slice(0, 23)}…` : pool));
  // By number, not by name: two pools may be cut to the same name.
  const bar = (key, colour, width, name) => ({ type: "bar", orientation: "h", y: shown.map((_, number) => number), x: shown.map((pool) => pool[key]), marker: { color: colour }, width, name, hovertemplate: `${name}: %{x:,}<extra></extra>` });
  const draw = () => {
    const colour = colours();
    const now = { ...bar("threads", colour("accent"), 0.62, "now"), text: shown.map(({ threads, at_first: first }) => (threads === first ? `${threads}` : `${threads} (${threads > first ? "+" : "−"}${Math.abs(threads - first)})`)), textposition: "outside", cliponaxis: false, textfont: { color: colour("ink") } };
    const first = bar("at_first", colour("muted"), 0.62, "at the fold's first label");
    Plotly.react(element, [now, { ...first, width: 0.3 }], {
      ...frame(colour),
      barmode: "overlay",
      margin: { l: 8, r: 70, t: 4, b: 8 },
      xaxis: { visible: false, fixedrange: true, rangemode: "tozero" },
      yaxis: { automargin: true, fixedrange: true, ticklabelstandoff: 8, tickmode: "array", tickvals: shown.map((_, number) => number), ticktext: names },
    }, CONFIG);
  };
  drawn.set(element.id, draw);
  draw();
}

export function forget() {
  drawn.clear();
}
