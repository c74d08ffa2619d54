// The ranks of a run side by side, those first that need somebody.

import { $, chip, fillRows, link, make, walkRows } from "./elements.js";
import { amount, count, duration, level, percent, perFold, share, title } from "./words.js";

const FIRST = 12;
let isAll = false;
let last = null;

walkRows($("ranks"));

function beside(name, value, most) {
  const bar = make("span", "beside");
  bar.style.width = `${most ? (100 * (value ?? 0)) / most : 0}%`;
  bar.setAttribute("aria-hidden", "true");
  return [bar, make("span", "", amount(name, value))];
}

function verdictCell(rank, now) {
  const words = rank.growing.map((one) => `${title(one.resource)} ${perFold(one.resource, one.per_fold)}`.trim());
  const verdict = rank.growing[0]?.verdict ?? (rank.is_judged ? "stable" : "");
  const silent = rank.state === "stale" ? [`nothing heard for ${duration(now - rank.last_time)}`] : [];
  const text = [...silent, ...words, ...(words.length ? [] : rank.odd)].join(", ");
  return [make("span", "chips", ...(rank.state === "running" ? [] : [chip(rank.state)]), ...(verdict ? [chip(verdict)] : [])), make("span", "", text)];
}

function rowOf(rank, run, most, now) {
  const name = link(rank.rank || "launcher", { run: run.run, host: rank.host, rank: rank.rank });
  const isShown = rank.host === run.host && rank.rank === run.rank;
  if (isShown) name.setAttribute("aria-current", "true");
  const at = [rank.fold === null ? "" : `fold ${rank.fold}`, rank.stage ?? ""].join(" ").trim();
  const near = level(rank.binding?.judged);
  const nearest = rank.binding ? [make("span", near, `${title(rank.binding.ceiling)} `, make("b", "", percent(share(rank.binding))))] : [];
  return {
    key: `${rank.host} ${rank.rank}`,
    className: isShown ? "shown" : "",
    cells: [
      [name, make("small", "", rank.host)],
      [make("span", "", at)],
      nearest,
      beside("threads", rank.threads, most.threads),
      beside("max_map_count", rank.maps, most.maps),
      beside("rss_bytes", rank.rss_bytes, most.rss_bytes),
      verdictCell(rank, now),
    ],
  };
}

function fill() {
  const { run, now } = last;
  const all = run.ranks.length + run.ranks_left_out;
  const most = Object.fromEntries(["threads", "maps", "rss_bytes"].map((name) => [name, Math.max(...run.ranks.map((rank) => rank[name] ?? 0))]));
  const shown = run.ranks.filter((rank, number) => isAll || number < FIRST || (rank.host === run.host && rank.rank === run.rank));
  fillRows($("ranks"), shown.map((rank) => rowOf(rank, run, most, now)));
  $("ranks-count").textContent = `(${shown.length < all ? `${shown.length} of ` : ""}${all.toLocaleString("en")}, those first that need somebody)`;
  $("all-ranks").hidden = run.ranks.length <= FIRST;
  $("all-ranks").textContent = isAll ? `Show the first ${FIRST}` : `Show all ${count(run.ranks.length, "rank")}`;
}

export function showRanks(state) {
  last = state;
  $("ranks-card").hidden = !state.run.ranks.length;
  if (state.run.ranks.length) fill();
}

$("all-ranks").addEventListener("click", () => {
  isAll = !isAll;
  fill();
});
