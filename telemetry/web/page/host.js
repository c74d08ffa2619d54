// The page of a host: what its runs use together of its limits, who holds the rest, and the runs themselves.

import { announce, showAlertsOfNone } from "./alerts.js";
import { $, fillRows, link, make, meter } from "./elements.js";
import { lead, showTable } from "./runs.js";
import { ago, amount, count, level, percent, share, title, used } from "./words.js";

function usedCell(limit) {
  const words = typeof limit.limit === "number" ? used(limit) : `${amount(limit.ceiling, limit.current)}, ${limit.limit}`;
  const full = share(limit) === null ? [] : [make("b", level(limit.judged), percent(share(limit))), " "];
  return [make("span", "", ...full, make("small", "", words)), ...(full.length ? [meter(share(limit), level(limit.judged))] : [])];
}

function runsCell(limit, runs) {
  const whole = typeof limit.limit === "number" && limit.limit ? limit.of_runs / limit.limit : null;
  const words = `${amount(limit.ceiling, limit.of_runs)} by ${count(limit.runs_in_all, "run")}${whole === null ? "" : `, ${percent(whole)} of the limit`}`;
  const named = limit.runs.flatMap(({ run, amount: held }, number) => {
    const row = runs.find((one) => one.run === run);
    const name = row ? link(run, { run, host: row.host, rank: row.rank }) : run;
    return [number ? ", " : "", name, ` ${amount(limit.ceiling, held)}`];
  });
  return [make("span", "", words), make("small", "", ...named, limit.runs_in_all > limit.runs.length ? ", …" : "")];
}

function holdersCell({ holders }, now) {
  if (!holders) return [];
  return [make("span", "", holders.sentence), make("small", "", `${holders.advice} Looked at ${ago(now, holders.time)}.`)];
}

function limitRow(limit, { runs, now }) {
  const scope = limit.scope && limit.scope !== "host" ? limit.scope : "";
  const name = [make("strong", "", title(limit.ceiling)), make("small", "", scope)];
  return { key: `${limit.ceiling} ${limit.scope}`, className: "", cells: [name, usedCell(limit), runsCell(limit, runs), holdersCell(limit, now)] };
}

export function showHost(state) {
  $("title").textContent = state.host;
  $("lead").textContent = state.runs.length ? lead(state) : "";
  $("empty").textContent = `No run of ${state.host} is here.`;
  $("empty").hidden = state.runs.length > 0;
  showAlertsOfNone([]);
  announce(state.runs.filter(({ alert }) => alert).map(({ run, alert }) => ({ id: `${run} ${alert.name} ${alert.severity}`, words: `${run}: ${alert.summary}` })));
  $("limits-card").hidden = !state.runs.length;
  $("limits-note").textContent = state.limits.length
    ? "Who holds a limit is looked at once it is over 80 % full."
    : "None of them runs, so nothing is known of what is used now.";
  fillRows($("limits"), state.limits.map((limit) => limitRow(limit, state)));
  showTable(state);
  $("hosts").hidden = true;
  document.title = `${state.host} · foldwatch`;
}
