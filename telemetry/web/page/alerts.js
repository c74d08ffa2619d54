// The alerts: those of what is shown in full, the others as a count with a way there; new ones are spoken once.

import { $, link, make } from "./elements.js";
import { count } from "./words.js";

const NAMED = 10;
const SPOKEN = 3;
let known = null;

export function showAlert({ severity, summary, description, facts }) {
  const element = make("div", `alert ${severity === "critical" ? "critical" : "warning"}`);
  const now = facts?.command_now ? [make("code", "", facts.command_now)] : [];
  const rest = description ? [make("span", "", description)] : [];
  element.append(make("strong", "", summary), ...now, ...rest);
  return element;
}

function put(list) {
  if ($("alerts").textContent !== list.map((element) => element.textContent).join("")) $("alerts").replaceChildren(...list);
}

export function showAlertsOfNone(alerts) {
  put(alerts.map(showAlert));
}

const byGravity = (one, other) => (one.severity === "critical" ? 0 : 1) - (other.severity === "critical" ? 0 : 1);

// Of one rank: its own in full, then what is wrong where no alert says it, then those of other ranks and runs.
export function showAlertsOf(state, notice) {
  const { alerts, run } = state;
  const isOfRun = ({ labels }) => (labels.run || run.run) === run.run;
  const isOwn = (alert) => isOfRun(alert) && (alert.labels.host || run.host) === run.host && (alert.labels.rank || run.rank) === run.rank;
  const own = alerts.filter(isOwn).sort(byGravity);
  const ofRanks = alerts.filter((alert) => isOfRun(alert) && !isOwn(alert)).sort(byGravity);
  const others = alerts.filter((alert) => !isOfRun(alert));
  const list = own.map(showAlert);
  if (notice && !own.length) list.push(notice);
  if (ofRanks.length) {
    const element = make("div", "alert others", `${count(ofRanks.length, "alert")} of other ranks: `);
    const ranks = new Map(ofRanks.map(({ labels, summary }) => [`${labels.host} ${labels.rank}`, { labels, summary }]));
    for (const { labels, summary } of [...ranks.values()].slice(0, NAMED)) {
      const there = link(labels.rank ? `rank ${labels.rank}` : labels.host, { run: run.run, host: labels.host, rank: labels.rank });
      element.append(make("span", "", there, ` ${summary}`));
    }
    list.push(element);
  }
  if (others.length) {
    const runs = new Set(others.map(({ labels }) => labels.run)).size;
    list.push(make("div", "alert others", `${count(others.length, "more alert")} of ${count(runs, "other run")}: `, link("all runs", {})));
  }
  put(list);
  announce(own.map(({ name, labels, summary }) => ({ id: JSON.stringify([name, labels]), words: summary })));
}

export function forgetAlerts() {
  known = null;
}

// Says what is new since the view was opened: not its numbers, which change with every look.
export function announce(alerts) {
  const ids = new Set(alerts.map(({ id }) => id));
  const fresh = known === null ? [] : alerts.filter(({ id }) => !known.has(id));
  known = ids;
  if (!fresh.length) return;
  const more = fresh.length > SPOKEN ? `; and ${fresh.length - SPOKEN} more` : "";
  speak(`New alert: ${fresh.slice(0, SPOKEN).map(({ words }) => words).join("; ")}${more}`);
}

export function speak(words) {
  if ($("spoken").textContent !== words) $("spoken").textContent = words;
}
