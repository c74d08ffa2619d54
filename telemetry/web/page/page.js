// The page: which of its three views the address names, what that asks the daemon for every two seconds, and the way back.

import { forgetAlerts, speak } from "./alerts.js";
import { $, way } from "./elements.js";
import { showHost } from "./host.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";
import { ago, learn } from "./words.js";

const EVERY = 2000;
const OLD_SECONDS = 30; // as /healthz has it
const VIEWS = {
  runs: { address: () => "api/overview", show: showRuns },
  host: { address: ({ host }) => `api/host${way({ host })}`, show: showHost },
  run: { address: ({ run, host, rank }) => `api/state${way({ run, host, rank })}`, show: showRun },
};
const OF_VIEW = { runs: ["runs-card", "hosts"], host: ["limits-card", "runs-card"], run: ["run"] };
let asked = read();
let turn = 0;
let isLost = false;
let overview = null; // shown at once on the way back
let left = null; // the address of the run that was looked at

// ?run=R&host=H&rank=K is a run, as an alert's link has it; ?host=H a host; anything else every run.
function read() {
  const query = new URLSearchParams(location.search);
  const [run, host, rank] = ["run", "host", "rank"].map((name) => query.get(name) ?? "");
  return { view: run ? "run" : host ? "host" : "runs", run, host, rank, filter: query.get("filter") ?? "" };
}

function showWay(state) {
  const isOne = asked.view === "run" && state.run_names === 1;
  $("way-runs").hidden = asked.view === "runs" || isOne;
  const host = asked.view === "run" ? (state.run?.host ?? "") : "";
  $("way-host").hidden = !host;
  $("way-host").textContent = host;
  $("way-host").href = way({ host });
}

function showStatus({ now, published_at: published, run }) {
  const status = $("status");
  if (now - published > OLD_SECONDS) {
    status.className = "status old";
    status.textContent = `the daemon last collected ${ago(now, published)}`;
    return;
  }
  if (asked.view !== "run") {
    status.className = "status live";
    status.textContent = "live";
    return;
  }
  if (!run || run.last_time === null) {
    status.className = "status";
    status.textContent = "waiting for a first reading";
    return;
  }
  const isOld = now - run.last_time > OLD_SECONDS;
  status.className = `status ${run.is_live ? (isOld ? "old" : "live") : ""}`;
  status.textContent = `${run.is_live && !isOld ? "live, read" : `${run.state}, last read`} ${ago(now, run.last_time)}`;
}

function show(state) {
  if (asked.view === "runs" && state.runs_in_all === 1) {
    const [{ run, host, rank }] = state.runs;
    history.replaceState(null, "", way({ run, host, rank }));
    open();
    return;
  }
  learn(state.catalogue);
  $("version").textContent = `foldwatch ${state.version}`;
  for (const id of new Set(Object.values(OF_VIEW).flat())) if (!OF_VIEW[asked.view].includes(id)) $(id).hidden = true;
  showWay(state);
  showStatus(state);
  VIEWS[asked.view].show(state, asked);
  if (asked.view === "runs") overview = state;
}

async function renew() {
  const mine = ++turn;
  const { view } = asked;
  try {
    const answer = await fetch(VIEWS[view].address(asked), { cache: "no-store" });
    if (!answer.ok) throw new Error(`the daemon answered ${answer.status}`);
    const state = await answer.json();
    if (mine !== turn) return; // another view was opened meanwhile
    if (isLost) speak("The daemon answers again");
    isLost = false;
    show(state);
  } catch (error) {
    if (mine !== turn) return;
    $("status").className = "status lost";
    $("status").textContent = error instanceof TypeError ? "the daemon does not answer" : error.message;
    if (!isLost) speak($("status").textContent);
    isLost = true;
  }
}

function open() {
  asked = read();
  forgetAlerts();
  $("filter").value = asked.filter;
  if (asked.view === "runs" && overview) show(overview);
  return renew();
}

async function go(address) {
  if (asked.view !== "runs") left = null;
  else left = address;
  history.pushState(null, "", address);
  scrollTo(0, 0);
  await open();
  $("title").focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-way]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});

addEventListener("popstate", async () => {
  const back = left;
  await open();
  [...document.querySelectorAll("#runs a")].find((link) => link.getAttribute("href") === back)?.focus();
});

document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });

$("filter").value = asked.filter;
for (;;) {
  if (!document.hidden) await renew();
  await new Promise((resolve) => setTimeout(resolve, EVERY));
}
