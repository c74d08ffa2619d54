// The page of a run, or of one rank of it: what is wrong first, then its limits, folds, verdict, ranks and curves.

import { announce, showAlert, showAlertsOf } from "./alerts.js";
import { drawPools, drawResource, forget, loadCharts } from "./charts.js";
import { $, chip, make } from "./elements.js";
import { showRanks } from "./ranks.js";
import { amount, clock, counted, duration, isBytes, isCached, left, level, outlook, percent, perFold, place, share, title, used } from "./words.js";

const keyOf = (run) => JSON.stringify([run.run, run.host, run.rank]);
let shownKey = null;
let last = null;

const foldName = (fold) => (fold.fold === null ? "The run" : `Fold ${fold.fold}`);

// What is wrong with a run that no alert tells of any more: what ended it, and how to go on.
function noticeOf(run) {
  const fold = [...run.parts].reverse().find(({ state }) => state === "failed" || state === "died");
  const facts = { command_now: run.resume };
  const files = run.directory ? `Its files are in ${run.directory}` : "";
  const where = files && `${files}; foldwatch analyze ${run.directory} says why.`;
  const notices = {
    unreadable: () => ({ severity: "warning", summary: `Nothing of this run can be read: ${run.unreadable}`, description: "Give the daemon the right to read it (--group-readable), or remove what is no run." }),
    stale: () => ({ severity: "warning", summary: "Nothing is heard of it, and it may be there still", description: `Look at its process, and at its host. ${files}` }),
    died: () => ({ severity: "critical", summary: `${foldName(fold)} died: its process is gone without a word`, description: where, facts }),
    failed: () => ({ severity: "critical", summary: `${foldName(fold)} failed${fold.cause ? `: ${fold.cause}` : `, exit code ${fold.exit_code}`}`, description: where, facts }),
  };
  if (run.state === "failed" && (!fold || fold.was_interrupted)) return make("div", "alert others", "Somebody interrupted it. ", ...(run.resume ? [make("code", "", run.resume)] : []));
  return notices[run.state] ? showAlert(notices[run.state]()) : null;
}

function showLead(run) {
  const at = run.parts.find(({ fold, state }) => fold === run.present && state === "running");
  const fold = run.present === null ? "" : ` fold ${run.present}${run.folds ? ` of ${run.folds}` : ""}`;
  const rank = run.rank ? `rank ${run.rank} on ${run.host}` : `on ${run.host}`;
  const words = [`${fold}${at?.stage ? ` at ${at.stage}` : ""}`.trim(), rank].filter(Boolean).join(" · ");
  $("lead").replaceChildren(chip(run.state), ` ${words}`);
}

function foldsLeft(run) {
  if (run.folds === null) return null;
  const over = new Set(["finished", "failed", "died", "skipped"]);
  return Math.max(0, run.folds - run.parts_left_out - run.parts.filter(({ fold, state }) => fold !== null && over.has(state)).length);
}

function showBinding(run) {
  const { binding } = run;
  const card = $("binding");
  const near = run.state === "finished" ? "" : level(binding?.judged);
  card.classList.remove("near", "full");
  if (near) card.classList.add(near);
  $("binding-title").textContent = run.is_live ? "Nearest limit" : "Nearest limit, at the last reading";
  $("binding-name").textContent = binding ? title(binding.ceiling) + (binding.child ? ` of ${binding.child}` : "") : "none is known with its limit";
  $("binding-ratio").textContent = binding ? percent(share(binding)) : "–";
  card.querySelector(".meter span").style.width = `${Math.min(100, (share(binding) ?? 0) * 100)}%`;
  $("binding-count").textContent = binding ? `${used(binding)}, ${left(binding)} left` : "";
  const growth = run.growth.find(({ resource, child }) => binding && resource === binding.column && child === (binding.child ?? ""));
  const isGrowing = growth?.verdict === "growing" || growth?.verdict === "critical";
  const { words, isMet } = outlook(isGrowing ? growth.folds_to_limit : null, foldsLeft(run));
  $("forecast").textContent = growth && run.is_live && growth.verdict !== "inconclusive" ? words : "";
  $("forecast").classList.toggle("met", isMet);
  const { pids_limit_hits: hits, oom_kills: kills } = run.hits;
  $("hits").textContent = [hits ? `${hits} forks refused at the limit` : "", kills ? `${kills} processes killed for memory` : ""].filter(Boolean).join("; ");
  document.title = `${binding && run.is_live ? `${percent(share(binding))} · ` : ""}${run.run} · foldwatch`;
}

function showFolds(run, now) {
  $("folds").replaceChildren(
    ...run.parts.map((fold) => {
      const item = make("li");
      const name = fold.fold === null ? "before" : `Fold ${fold.fold}`;
      let what = fold.state === "running" ? (fold.stage ?? "") : "";
      if (fold.seconds !== null) what = duration(fold.seconds);
      else if (fold.ended_at !== null && fold.began_at !== null) what = duration(fold.ended_at - fold.began_at);
      else if (fold.began_at !== null) what = [what, duration(now - fold.began_at)].filter(Boolean).join(" · ");
      if (fold.exit_code) what = `exit code ${fold.exit_code} · ${what}`;
      const text = make("span", "what", what);
      text.title = fold.cause || what;
      item.append(make("span", "", name), make("span", `chip ${fold.state}`, fold.state), text);
      return item;
    }),
  );
  if (run.parts_left_out) $("folds").prepend(make("li", "more", `${run.parts_left_out.toLocaleString("en")} more folds`));
  if ($("folds").scrollHeight > $("folds").clientHeight) $("folds").tabIndex = 0; // for the keyboard to scroll it
  else $("folds").removeAttribute("tabindex");
}

function showVerdict(run) {
  const calm = run.growth.filter(({ verdict, grown }) => verdict === "stable" && !grown.length);
  const nameOf = ({ resource, child }) => title(resource) + (child ? ` of ${child}` : "");
  const rank = ({ verdict }) => ["critical", "growing", "slow"].indexOf(verdict) + 1 || 4;
  const told = run.growth.filter((growth) => !calm.includes(growth)).sort((one, other) => rank(one) - rank(other));
  const items = told.map((growth) => {
    const item = make("li");
    const rate = growth.per_fold === null ? "" : ` ${perFold(growth.resource, growth.per_fold)}`;
    const name = make("span", "", nameOf(growth));
    name.append(make("small", "", rate));
    item.append(name, make("span", `chip ${growth.verdict}`, growth.verdict), make("span", "reason", growth.reason));
    item.append(...growth.grown.map((words) => make("span", "reason", words)));
    return item;
  });
  if (calm.length) items.push(make("li", "", make("span", "", calm.map(nameOf).join(", ")), chip("stable")));
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

function headCell(text) {
  const cell = make("th", "", text);
  cell.scope = "row";
  return cell;
}

function showLimits(run) {
  $("ceilings").replaceChildren(
    ...run.ceilings.map((limit) => {
      const row = make("tr", limit.ceiling === run.binding?.ceiling && !run.binding.child ? "binds" : "");
      row.append(
        headCell(title(limit.ceiling) + (isCached(limit) ? " without page cache" : "")),
        make("td", "", amount(limit.ceiling, counted(limit))),
        make("td", "", amount(limit.ceiling, limit.limit)),
        make("td", "", percent(share(limit))),
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
    row.append(headCell(name), ...[...cells, ...full].map((text) => make("td", "", text)));
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
  const { run } = state;
  if (shownKey !== keyOf(run)) {
    shownKey = keyOf(run);
    $("charts").replaceChildren();
    forget();
  }
  $("title").textContent = run.run;
  showLead(run);
  showAlertsOf(state, noticeOf(run));
  const isRead = run.present !== null || run.parts.some(({ last_time: time }) => time !== null);
  $("run").hidden = !isRead;
  if (!isRead) return;
  showBinding(run);
  showFolds(run, state.now);
  showVerdict(run);
  showRanks(state);
  showLimits(run);
  showHolders(run, state.now);
  showChildren(run);
  showCheckpoints(run);
  loadCharts().then(() => { if (last === state) showCharts(run); }, () => {});
}

export function showRun(state, asked) {
  last = state;
  const { run } = state;
  const isIt = run !== null && (!asked.run || run.run === asked.run);
  $("empty").hidden = isIt;
  $("run").hidden = !isIt;
  if (isIt) {
    show(state);
    return;
  }
  $("title").textContent = asked.run;
  $("lead").textContent = "";
  $("alerts").replaceChildren();
  announce([]);
  $("empty").textContent = "This run is not here: its directory is gone, or this daemon follows another one.";
  document.title = `${asked.run} · foldwatch`;
}

$("checkpoints-box").addEventListener("toggle", () => { if (last?.run) showCheckpoints(last.run); });
