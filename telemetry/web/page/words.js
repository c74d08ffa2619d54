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
  if (ratio === null) return "";
  if (ratio > 0 && ratio < 0.001) return "< 0.1 %";
  const shown = ratio * 100;
  return `${ratio < 0.1 ? short.format(shown) : whole.format(Math.floor(shown))} %`;
}

export const level = (ratio) => (ratio >= 0.95 ? "full" : ratio >= 0.8 ? "near" : "");

// As telemetry/formatting.py's format_duration.
export function duration(seconds) {
  const rounded = Math.max(0, Math.round(seconds));
  if (rounded < 120) return `${rounded} s`;
  if (rounded < 7200) return `${Math.floor(rounded / 60)} min`;
  return rounded < 172800 ? `${short.format(rounded / 3600)} h` : `${whole.format(rounded / 86400)} days`;
}

export function perFold(resource, value) {
  if (value === null) return "";
  const size = isBytes(resource) ? amount(resource, value) : short.format(value);
  return `${value > 0 ? "+" : ""}${size} a fold`;
}

export function forecast(folds) {
  if (folds < 0.1) return "no time";
  return `${folds < 10 ? short.format(folds) : whole.format(folds)} folds`;
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
