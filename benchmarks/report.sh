#!/usr/bin/env bash
# Run the report's recipes on the real cells, most important first, and write docs/results.md from the run folders.
# Stops cleanly after --minutes N; called again, it goes on where it stopped.
#
#   benchmarks/report.sh --data training_set.npz [--minutes 60] [--runs runs/report] [--profile gpu|cpu]
#                        [--weights DIR] [--threads N] [--only lite,cnn5]
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
exec "$PYTHON" benchmarks/report.py "$@"
