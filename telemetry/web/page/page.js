// The page: asks for the state every two seconds and shows it. Text from outside is only ever set as text.

import { drawPools, drawResource, forget } from "./charts.js";
import { amount, clock, duration, forecast, isBytes, learn, level, percent, perFold, place, title } from "./words.js";

const EVERY = 2000;
const OLD_SECONDS = 30;
const OTHERS_NAMED = 10;
const $ = (id) => document.getElementById(id);
const keyOf = (run) => JSON.stringify([run.run, run.host, run.rank]);
let chosen = new URLSearchParams(location.search);
let shownKey = null;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const titleOf = (run) => `${run.run} (${[run.host, run.rank && `rank ${run.rank}`].filter(Boolean).join(", ")})`;

function showRuns(state) {
  const select = $("runs");
  $("runs-label").hidden = state.runs.length < 2;
  $("run-name").hidden = state.runs.length !== 1;
  if (state.runs.length === 1) $("run-name").textContent = titleOf(state.runs[0]);
  if (document.activeElement === select) return; // a list that is open must not change under the hand
  select.replaceChildren(
    ...state.runs.map((run) => {
      const full = run.binding?.ratio == null ? "" : ` · ${percent(run.binding.ratio)}`;
      const option = make("option", "", `${titleOf(run)}${run.is_live ? full : ""}${run.state === "running" ? "" : ` · ${run.state}`}`);
      option.value = keyOf(run);
      option.selected = state.run !== null && keyOf(run) === keyOf(state.run);
      return option;
    }),
  );
}

function showStatus(state) {
  const status = $("status");
  const run = state.run;
  if (run === null || run.last_time === null) {
    status.className = "status";
    status.textContent = "waiting for a first reading";
    return;
  }
  const age = state.now - run.last_time;
  const isOld = age > OLD_SECONDS;
  status.className = `status ${run.is_live ? (isOld ? "old" : "live") : ""}`;
  const word = run.is_live && !isOld ? "live, read" : `${run.state}, last read`;
  status.textContent = `${word} ${duration(age)} ago`;
}

// Those of the run that is shown; of the others a count, and a way to each.
function showAlerts({ alerts, run, runs }) {
  const isOwn = ({ labels }) => run === null || ((labels.run || run.run) === run.run && (labels.host || run.host) === run.host);
  const list = alerts.filter(isOwn).map((alert) => {
    const element = make("div", `alert ${alert.severity === "critical" ? "critical" : "warning"}`);
    const now = alert.facts.command_now ? [make("code", "", alert.facts.command_now)] : [];
    element.append(make("strong", "", alert.summary), ...now, make("span", "", alert.description));
    return element;
  });
  const others = alerts.filter((alert) => !isOwn(alert));
  const names = [...new Set(others.map(({ labels }) => labels.run))];
  if (names.length) {
    const element = make("div", "alert others", `${others.length} more of ${names.length === 1 ? "another run" : `${names.length} other runs`}: `);
    const known = names.map((name) => runs.find((one) => one.run === name)).filter(Boolean);
    element.append(
      ...known.slice(0, OTHERS_NAMED).map((one) => {
        const link = make("a", "", one.run);
        link.href = `?${new URLSearchParams({ run: one.run, host: one.host, rank: one.rank })}`;
        return link;
      }),
    );
    list.push(element);
  }
  const before = $("alerts").textContent;
  if (before !== list.map((element) => element.textContent).join("")) $("alerts").replaceChildren(...list);
}

function showBinding(run) {
  const { binding } = run;
  const card = $("binding");
  card.classList.remove("near", "full");
  if (level(binding?.ratio)) card.classList.add(level(binding.ratio));
  $("binding-name").textContent = binding ? title(binding.ceiling) + (binding.child ? ` of ${binding.child}` : "") : "none is known with its limit";
  $("binding-ratio").textContent = binding ? percent(binding.ratio) : "–";
  card.querySelector(".meter span").style.width = `${Math.min(100, (binding?.ratio ?? 0) * 100)}%`;
  $("binding-count").textContent = binding
    ? `${amount(binding.ceiling, binding.current)} of ${amount(binding.ceiling, binding.limit)}, ${amount(binding.ceiling, binding.limit - binding.current)} left`
    : "";
  const growth = run.growth.find(({ resource, child }) => binding && resource === binding.column && child === (binding.child ?? ""));
  $("forecast").textContent = growth?.folds_to_limit == null ? "" : `At this rate full in ${forecast(growth.folds_to_limit)}`;
  const { pids_limit_hits: hits, oom_kills: kills } = run.hits;
  $("hits").textContent = [hits ? `${hits} forks refused at the limit` : "", kills ? `${kills} processes killed for memory` : ""].filter(Boolean).join("; ");
  document.title = `${binding ? `${percent(binding.ratio)} · ` : ""}${run.run} · foldwatch`;
}

function showFolds(run, now) {
  $("folds").replaceChildren(
    ...run.parts.map((fold) => {
      const item = make("li");
      const name = fold.fold === null ? "before" : `Fold ${fold.fold}`;
      let what = fold.state === "running" ? (fold.stage ?? "") : "";
      if (fold.seconds !== null) what = duration(fold.seconds);
      else if (fold.ended_at !== null && fold.began_at !== null) what = duration(fold.ended_at - fold.began_at);
      else if (fold.began_at !== null) what = `${what} · ${duration(now - fold.began_at)}`;
      if (fold.exit_code) what = `exit code ${fold.exit_code} · ${what}`;
      const text = make("span", "what", what);
      text.title = fold.cause || what;
      item.append(make("span", "", name), make("span", `chip ${fold.state}`, fold.state), text);
      return item;
    }),
  );
  if (run.parts_left_out) $("folds").prepend(make("li", "more", `${run.parts_left_out.toLocaleString("en")} more folds`));
}

function showVerdict(run) {
  const items = run.growth.map((growth) => {
    const item = make("li");
    const rate = growth.per_fold === null ? "" : ` ${perFold(growth.resource, growth.per_fold)}`;
    const name = make("span", "", title(growth.resource) + (growth.child ? ` of ${growth.child}` : ""));
    name.append(make("small", "", rate));
    item.append(name, make("span", `chip ${growth.verdict}`, growth.verdict), make("span", "reason", growth.reason));
    item.append(...growth.grown.map((words) => make("span", "reason", words)));
    return item;
  });
  items.push(...run.odd.map((words) => make("li", "reason", words)));
  if (run.unreadable) items.unshift(make("li", "reason", `Not all of this run can be read: ${run.unreadable}`));
  if (run.series_left_out) {
    const count = run.series_left_out.toLocaleString("en");
    items.unshift(make("li", "reason", `${count} series are left out of /metrics: this run has too many`));
  }
  if (run.growth.length && run.judged_until) items.push(make("li", "reason", `As of ${run.judged_until}`));
  if (!items.length) items.push(make("li", "", "Nothing to judge yet: growth shows from fold to fold."));
  $("verdict").replaceChildren(...items);
}

function showRanks(run) {
  $("ranks-card").hidden = !run.ranks.length;
  $("ranks-count").textContent = `(${(run.ranks.length + run.ranks_left_out).toLocaleString("en")})`;
  if ($("ranks").contains(document.activeElement)) return; // a rank that is about to be chosen must stay under the hand
  $("ranks").replaceChildren(
    ...run.ranks.map((rank) => {
      const isShown = rank.host === run.host && rank.rank === run.rank;
      const row = make("tr", isShown ? "shown" : "");
      const button = make("button", "", rank.rank || "launcher");
      button.addEventListener("click", () => {
        button.blur();
        choose(run.run, rank.host, rank.rank);
      });
      const name = make("th");
      name.scope = "row";
      name.append(button);
      const words = rank.growing.map((one) => `${title(one.resource)}${one.per_fold === null ? "" : ` ${perFold(one.resource, one.per_fold)}`}`);
      const verdict = make("td");
      const chip = rank.growing[0]?.verdict ?? (rank.is_judged ? "stable" : "");
      if (chip) verdict.append(make("span", `chip ${chip}`, chip));
      verdict.append(make("span", "", [...words, ...(words.length ? [] : rank.odd)].join(", ")));
      const at = rank.fold === null ? (rank.stage ?? "") : `fold ${rank.fold} ${rank.stage ?? ""}`;
      row.append(name, make("td", "", rank.host), make("td", "", rank.is_live ? at : `${at} · ${rank.state}`));
      row.append(make("td", "number", amount("threads", rank.threads)), make("td", "number", amount("max_map_count", rank.maps)));
      row.append(make("td", "number", amount("rss_bytes", rank.rss_bytes)), verdict);
      return row;
    }),
  );
}

// The binding one first, then in an order that never changes: a chart must not jump about.
function resourcesOf(run) {
  const hasCurve = (column) => run.curves.some((curve) => curve[column]);
  const limits = run.ceilings
    .map((limit) => ({ ...limit, name: limit.ceiling, limit: typeof limit.limit === "number" ? limit.limit : null }))
    .filter(({ name, limit }) => limit !== null || !isBytes(name));
  const own = ["threads", "rss_bytes"].map((name) => ({ name, column: name, current: run[name], limit: null, ratio: null }));
  const rank = ({ name }) => (name === run.binding?.ceiling ? -1 : place(name));
  return [...limits, ...own].filter(({ column }) => hasCurve(column)).sort((one, other) => rank(one) - rank(other));
}

function showCharts(run) {
  const resources = resourcesOf(run);
  const wanted = new Set(resources.map(({ name }) => `chart-${name}`));
  for (const figure of [...$("charts").children]) if (!wanted.has(figure.id)) figure.remove();
  resources.forEach((resource, place) => {
    const figure = drawResource($("charts"), run, resource);
    if ($("charts").children[place] !== figure) $("charts").insertBefore(figure, $("charts").children[place]);
  });
  drawPools($("pools"), run.pools);
}

function showLimits(run) {
  $("ceilings").replaceChildren(
    ...run.ceilings.map((limit) => {
      const row = make("tr", limit.ceiling === run.binding?.ceiling && !run.binding.child ? "binds" : "");
      row.append(
        make("td", "", title(limit.ceiling)),
        make("td", "", amount(limit.ceiling, limit.current)),
        make("td", "", amount(limit.ceiling, limit.limit)),
        make("td", "", percent(limit.ratio)),
      );
      return row;
    }),
  );
}

function showHolders(run, now) {
  $("holders").replaceChildren(
    ...run.holders.map((held) => {
      const item = make("li", "", held.sentence);
      item.append(make("span", "", `${duration(now - held.time)} ago. ${held.advice}`));
      return item;
    }),
  );
}

function showChildren(run) {
  const { children, tree } = run;
  $("children-box").hidden = !children.length;
  const rowOf = (className, name, [threads, maps, rss, pss, fds], limit) => {
    const row = make("tr", className);
    const sizes = [rss, pss].map((size) => amount("rss_bytes", size));
    const cells = [amount("threads", threads), amount("max_map_count", maps), ...sizes, amount("open_files", fds)];
    const full = limit ? [title(limit.ceiling), percent(limit.ratio)] : ["", ""];
    row.append(...[name, ...cells, ...full].map((text) => make("td", "", text)));
    return row;
  };
  const rows = children.map((one) => {
    const counts = [one.threads, one.maps, one.rss_bytes, one.pss_bytes, one.open_fds];
    return rowOf(one.child === run.binding?.child ? "binds" : "", one.child, counts, one.binding);
  });
  const all = [tree.tree_threads, tree.tree_maps, tree.tree_rss_bytes, tree.tree_pss_bytes, tree.tree_open_fds];
  const words = `All ${(tree.descendants ?? children.length).toLocaleString("en")} and their parent`;
  $("children").replaceChildren(...rows, rowOf("sum", words, all, null));
}

function showCheckpoints(run) {
  const count = run.checkpoints.length.toLocaleString("en");
  const all = (run.checkpoints.length + run.checkpoints_left_out).toLocaleString("en");
  $("checkpoints-count").textContent = run.checkpoints_left_out ? `(the last ${count} of ${all})` : `(${count})`;
  if (!$("checkpoints-box").open) return;
  $("checkpoints").replaceChildren(
    ...[...run.checkpoints].reverse().map(({ time, fold, stage }) => {
      const row = make("tr");
      row.append(make("td", "", clock(time)), make("td", "", fold ?? ""), make("td", "", stage));
      return row;
    }),
  );
}

function show(state) {
  learn(state.catalogue);
  showRuns(state);
  showStatus(state);
  showAlerts(state);
  $("version").textContent = `foldwatch ${state.version}`;
  const { run } = state;
  $("run").hidden = run === null;
  $("empty").hidden = run !== null;
  if (run === null) return;
  if (shownKey !== keyOf(run)) {
    shownKey = keyOf(run);
    $("charts").replaceChildren();
    forget();
  }
  showBinding(run);
  showFolds(run, state.now);
  showVerdict(run);
  showRanks(run);
  showLimits(run);
  showHolders(run, state.now);
  showChildren(run);
  showCheckpoints(run);
  if (window.Plotly) showCharts(run);
}

async function renew() {
  try {
    const answer = await fetch(`api/state?${chosen}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`the daemon answered ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    $("status").className = "status lost";
    $("status").textContent = error instanceof TypeError ? "the daemon does not answer" : error.message;
  }
}

function choose(run, host, rank) {
  chosen = new URLSearchParams({ run, host, rank });
  history.replaceState(null, "", `?${chosen}`);
  renew();
}

$("runs").addEventListener("change", (event) => {
  event.target.blur();
  choose(...JSON.parse(event.target.value));
});
$("checkpoints-box").addEventListener("toggle", renew);

for (;;) {
  if (!document.hidden) await renew();
  await new Promise((resolve) => setTimeout(resolve, EVERY));
}
