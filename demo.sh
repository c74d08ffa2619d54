#!/bin/sh
# `make demo`: three real folds with live metrics, then the verdicts. Leaves demo-run/ behind.
set -eu
run=demo-run
printf 'Training three folds of real TensorFlow, each in a process of its own (about 45 s).\n\n'
: >"$run.stderr"  # on a busy machine it is read before the shell in the background has made it
foldwatch train --folds 3 --output "$run" --port 0 2>"$run.stderr" >"$run.stdout" &
training=$!
trap 'kill "$training" 2>/dev/null || true; rm -f "$run.stderr" "$run.stdout"' EXIT

scrape() {  # the live page while the folds run: threads, maps and memory of the one that runs
    python - "$1" <<'PYTHON'
import sys, urllib.request
names = ("foldwatch_threads", "foldwatch_memory_maps", "foldwatch_resident_memory_bytes")
with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
    lines = answer.read().decode().splitlines()
found = [line for line in lines if line.startswith(tuple(name + "{" for name in names))]
print("\n".join(found) if found else "(no reading yet)")
PYTHON
}

while kill -0 "$training" 2>/dev/null; do
    url=$(sed -n 's/^metrics at \([^ ,]*\).*/\1/p' "$run.stderr")
    if [ -n "$url" ] && metrics=$(scrape "$url" 2>/dev/null); then
        printf 'GET %s\n%s\n\n' "$url" "$metrics"
    fi
    sleep 10
done
status=0
wait "$training" || status=$?
cat "$run.stderr" "$run.stdout"
[ "$status" -eq 0 ] || exit "$status"

printf '\nWhat the run says of itself: foldwatch analyze %s\n\n' "$run"
foldwatch analyze "$run" --plot "$run/resources.png"
printf '\nWhat the incident'\''s log says (rebuilt from its figures): it grew, and it crashed.\n\n'
foldwatch analyze tests/logs/incident_reconstructed.log --plot "$run/rebuilt-incident.png" --exit-zero
printf '\nPlots: %s and %s\n' "$run/resources.png" "$run/rebuilt-incident.png"
