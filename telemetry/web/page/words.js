// What numbers and names are called. It knows nothing of the page.

export const NAMES = {
  pids_cgroup: "PIDs of the cgroup",
  max_map_count: "Memory maps",
  cgroup_memory: "Memory of the cgroup",
  nproc: "Tasks of the user",
  gpu_memory: "GPU memory",
  open_files: "Open files",
  address_space: "Address space",
  data_size: "Private writable memory",
  threads_max: "Tasks of the host",
  pid_max: "PID numbers of the host",
  threads: "Threads of the process",
  rss_bytes: "Resident memory",
  cgroup_pids: "PIDs of the cgroup",
  maps: "Memory maps",
};

const BYTES = new Set(["cgroup_memory", "gpu_memory", "address_space", "data_size", "rss_bytes"]);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const isBytes = (name) => BYTES.has(name);

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
