// What numbers and names are called.

// By name: title, unit and place of each limit and resource, as the state's catalogue has them.
let catalogue = new Map();

export function learn(entries) {
  catalogue = new Map(entries.map((entry, place) => [entry.name, { ...entry, place }]));
}

export const title = (name) => catalogue.get(name)?.title ?? name;
export const isBytes = (name) => catalogue.get(name)?.is_bytes ?? false;
export const place = (name) => catalogue.get(name)?.place ?? catalogue.size;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function scale(name, largest) {
  if (!isBytes(name)) return { divisor: 1, unit: "" };
  if (largest >= 2 ** 40) return { divisor: 2 ** 40, unit: " TB" };
  return largest >= 2 ** 30 ? { divisor: 2 ** 30, unit: " GB" } : { divisor: 2 ** 20, unit: " MB" };
}

export function amount(name, value) {
  if (value === null || value === undefined) return "?";
  if (typeof value === "string") return value;
  const { divisor, unit } = scale(name, Math.abs(value));
  return (divisor === 1 ? whole : short).format(value / divisor) + unit;
}

export function percent(ratio) {
  if (ratio === null || ratio === undefined) return "";
  if (ratio > 0 && ratio < 0.001) return "< 0.1 %";
  const shown = ratio * 100;
  // As alerts round it, but full is only what is full.
  return `${ratio < 0.1 ? short.format(shown) : whole.format(ratio < 1 ? Math.min(99, Math.round(shown)) : Math.floor(shown))} %`;
}

export const level = (ratio) => (ratio > 0.95 ? "full" : ratio > 0.8 ? "near" : "");

// Of a limit what counts, as alerts judge it: page cache, which the kernel takes back, does not.
export const share = (limit) => limit?.judged ?? limit?.ratio ?? null;
export const counted = ({ judged, current, limit }) => (judged === null || judged === undefined ? current : Math.round(judged * limit));
export const isCached = ({ judged, ratio }) => judged !== null && judged !== undefined && judged < ratio;
export const left = (limit) => amount(limit.ceiling, Math.max(0, limit.limit - counted(limit)));
export const used = (limit) => `${amount(limit.ceiling, counted(limit))} of ${amount(limit.ceiling, limit.limit)}`;

// As telemetry/formatting.py's format_duration.
export function duration(seconds) {
  const rounded = Math.max(0, Math.round(seconds));
  if (rounded < 120) return `${rounded} s`;
  if (rounded < 7200) return `${Math.floor(rounded / 60)} min`;
  return rounded < 172800 ? `${short.format(rounded / 3600)} h` : `${whole.format(rounded / 86400)} days`;
}

export function perFold(resource, value) {
  if (!value) return "";
  const size = isBytes(resource) ? amount(resource, value) : short.format(value);
  return `${value > 0 ? "+" : ""}${size} a fold`;
}

const IN_SIGHT = 100; // folds: a limit that is farther away than that, nothing grows toward

// In how many folds a limit is full at this rate, with how many are left of the run: words, and whether it is met.
export function outlook(toLimit, foldsLeft) {
  if (toLimit === null || toLimit === undefined || toLimit > IN_SIGHT) return { words: "Nothing grows toward it", isMet: false };
  const folds = toLimit < 0.1 ? "no time" : `${(toLimit < 10 ? short : whole).format(toLimit)} ${toLimit === 1 ? "fold" : "folds"}`;
  const isMet = foldsLeft === null || toLimit < foldsLeft;
  const rest = foldsLeft === null ? "" : `; ${foldsLeft === 0 ? "none is" : foldsLeft === 1 ? "1 is" : `${foldsLeft} are`} left`;
  return { words: `Full in ${folds} at this rate${rest}`, isMet };
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
export const count = (number, one, several = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
export const ago = (now, then) => (then === null ? "never" : `${duration(now - then)} ago`);
