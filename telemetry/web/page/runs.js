// The overview: each run in a row, the most urgent first, and what is to be done in one line.

import { announce, showAlertsOfNone } from "./alerts.js";
import { $, chip, fillRows, link, make, meter, walkRows } from "./elements.js";
import { ago, count, duration, left, level, outlook, percent, perFold, share, title } from "./words.js";

const NEEDS = { critical: "now", warning: "soon" };
const WORDS_OF_URGENCY = { critical: "needs you now", warning: "needs you soon", watch: "grows" };
let last = null;

walkRows($("runs"));

const place = ({ run, host, rank }) => ({ run, host, rank });
const wordsOf = (row) => [row.run, row.host, row.state, row.stage, row.verdict, row.cause, row.unreadable, row.alert?.summary,
  WORDS_OF_URGENCY[row.urgency], row.binding && title(row.binding.ceiling)].join(" ").toLowerCase();

function runCell(row) {
  const where = row.hosts > 1 ? [`${row.hosts} hosts`] : [link(row.host, { host: row.host })];
  const ranks = row.members > 1 ? [` · ${count(row.members, "rank")}`] : row.rank ? [` · rank ${row.rank}`] : [];
  return [link(row.run, place(row)), make("small", "", ...where, ...ranks)];
}

function stateCell(row) {
  const several = Object.entries(row.states).filter(() => row.members > 1 && Object.keys(row.states).length > 1);
  const needs = NEEDS[row.urgency] ? [chip(NEEDS[row.urgency], row.urgency)] : [];
  const words = several.map(([state, number]) => `${number} ${state}`).join(", ");
  const state = row.urgency === "over" && row.state !== "finished" ? chip(row.state, "over") : chip(row.state);
  return [make("span", "chips", state, ...needs), ...(words ? [make("small", "", words)] : [])];
}

function foldCell(row) {
  const fold = row.fold === null ? "" : row.folds ? `${row.fold} of ${row.folds}` : `${row.fold}`;
  return [make("span", "", fold), " ", make("small", "", row.stage ?? "")];
}

function limitCell(row) {
  const { binding } = row;
  if (!binding || !row.is_live) return [];
  const near = level(binding.judged);
  const whose = [binding.child && `of ${binding.child}`, row.members > 1 && row.binding_rank && `rank ${row.binding_rank}`].filter(Boolean);
  const ahead = outlook(row.folds_to_limit, null);
  const time = row.alert?.ceiling === binding.ceiling && row.alert.time_left;
  const words = time ? `full in ${time} at this rate` : ahead.isMet ? ahead.words.toLowerCase() : "";
  const name = make("span", `name ${near}`, `${title(binding.ceiling)} `, make("b", "", percent(share(binding))));
  return [name, meter(share(binding), near), make("small", "", [...whose, near || words ? `${left(binding)} left` : "", words].filter(Boolean).join(" · "))];
}

function why(row, now) {
  if (row.unreadable && row.state === "unreadable") return `Cannot be read: ${row.unreadable}`;
  if (row.alert) return row.alert.summary;
  if (row.state === "failed" && row.cause === null) return "Interrupted";
  if (row.state === "failed") return `Exit code ${row.exit_code}${row.cause ? `: ${row.cause}` : ""}`;
  if (row.state === "died") return "Its process is gone without a word";
  if (row.state === "stale") return `Nothing heard for ${duration(now - row.last_time)}`;
  return row.unreadable ? `Not all can be read: ${row.unreadable}` : "";
}

function verdictCell(row, now) {
  const text = why(row, now);
  const growing = row.growing.map((one) => `${title(one.resource)}${one.child ? ` of ${one.child}` : ""} ${perFold(one.resource, one.per_fold)}`);
  const grows = growing.join(", ") + (row.growing_members > 1 ? ` in ${row.growing_members} ranks` : "");
  const isTold = row.verdict && (growing.length || (row.is_live && !text && !NEEDS[row.urgency]));
  return [
    ...(text ? [make("span", "why", text)] : []),
    ...(isTold ? [make("span", "chips", chip(row.verdict), make("small", "", grows || (row.odd ?? "")))] : []),
  ];
}

function rowOf(row, now) {
  const cells = [runCell(row), stateCell(row), foldCell(row), limitCell(row), verdictCell(row, now), [make("span", "age", ago(now, row.last_time))]];
  return { key: row.run, className: `urgency-${row.urgency}`, cells };
}

function fill() {
  const { runs, now, runs_in_all: all } = last;
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = runs.filter((row) => words.every((word) => wordsOf(row).includes(word)));
  fillRows($("runs"), shown.map((row) => rowOf(row, now)));
  const more = all > runs.length ? `; the ${count(all - runs.length, "least urgent run")} ${all - runs.length === 1 ? "is" : "are"} not listed` : "";
  const matches = words.length ? `${shown.length} of ${runs.length} shown${more}` : more.slice(2);
  if ($("matches").textContent !== matches) $("matches").textContent = matches;
}

const are = (number) => (number === 1 ? `${number} run needs` : `${number} runs need`);

export function lead({ counts, runs_in_all: all }) {
  const { critical = 0, warning = 0, watch = 0, fine = 0, over = 0 } = counts;
  const rest = [watch && `${watch} ${watch === 1 ? "grows" : "grow"} with no limit in sight`, fine && `${fine} ${fine === 1 ? "is" : "are"} fine`, over && `${over} ${over === 1 ? "is" : "are"} over`];
  const first = critical ? `${are(critical)} you now` : warning ? `${are(warning)} you soon` : "Nothing needs you";
  const second = critical && warning ? `${warning} soon` : "";
  return all ? `${[first, second].filter(Boolean).join(", ")}. ${[`Of ${all}`, rest.filter(Boolean).join(", ")].join(": ").replace(/: $/, "")}.` : "";
}

export function showTable(state) {
  last = state;
  $("runs-card").hidden = !state.runs.length;
  fill();
}

export function showRuns(state) {
  $("title").textContent = "Runs";
  $("lead").textContent = lead(state);
  $("empty").textContent = "No run has written anything here yet. This page looks again every two seconds.";
  $("empty").hidden = state.runs.length > 0;
  showAlertsOfNone(state.alerts);
  announce(state.runs.filter(({ alert }) => alert).map(({ run, alert }) => ({ id: `${run} ${alert.name} ${alert.severity}`, words: `${run}: ${alert.summary}` })));
  showTable(state);
  $("hosts").hidden = state.hosts.length === 0;
  const hosts = state.hosts.flatMap((host, number) => [number ? ", " : "", link(host, { host })]);
  if ($("hosts").textContent !== `Hosts: ${state.hosts.join(", ")}`) $("hosts").replaceChildren("Hosts: ", ...hosts);
  const urgent = (state.counts.critical ?? 0) + (state.counts.warning ?? 0);
  document.title = `${urgent ? `(${urgent}) ` : ""}Runs · foldwatch`;
}

// A whole row is a target for a thumb; text that somebody marks is not.
$("runs").addEventListener("click", (event) => {
  if (event.target.closest("a") || getSelection().toString()) return;
  event.target.closest("[role=row]")?.querySelector("[role=rowheader] a").click();
});
$("filter").addEventListener("input", () => {
  const place = new URLSearchParams(location.search);
  if ($("filter").value) place.set("filter", $("filter").value);
  else place.delete("filter");
  history.replaceState(null, "", `?${place}`);
  if (last) fill();
});
$("filter").addEventListener("keydown", (event) => {
  const first = $("runs").querySelector("[role=rowheader] a");
  if (event.key === "ArrowDown" && first) first.focus();
  else if (event.key === "Enter" && first && $("filter").value) first.click();
  else return;
  event.preventDefault();
});
