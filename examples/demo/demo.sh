#!/usr/bin/env bash
# Runs an experiment on a real, small model, damages the system prompt, runs again, and lets the gate catch it.
set -euo pipefail
cd "$(dirname "$0")"

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}

show insidellms model pull smollm2
show insidellms run baseline.yaml --run-dir runs/baseline --overwrite
printf '\n$ diff baseline.yaml candidate.yaml\n'
diff baseline.yaml candidate.yaml || true
show insidellms run candidate.yaml --run-dir runs/candidate --overwrite

code=0
show insidellms diff runs/baseline runs/candidate --limit 4 || code=$?
printf '\nThe diff exited with %d: ' "$code"
if [ "$code" -eq 3 ]; then
  echo "the gate caught the damaged prompt, and the merge would stop here."
  echo "Look at the runs: examples/demo/runs/baseline/report.html, examples/demo/runs/candidate/report.html"
else
  echo "the gate should have failed with 3; please report this."
  exit 1
fi
