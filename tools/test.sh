#!/usr/bin/env bash
# Runs every check in one go and says at the end which step failed. Called by `make test`.
# A failing step does not hide the next one's result; the exit status is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}

summary=()
failed=0
step() {
    local name=$1 start=$SECONDS
    shift
    echo
    echo "=== $name"
    if "$@"; then
        summary+=("ok      $name ($((SECONDS - start)) s)")
    else
        summary+=("FAILED  $name ($((SECONDS - start)) s)")
        failed=1
    fi
}

set_chromium() { CHROMIUM=$(tools/chromium.sh) && export CHROMIUM && echo "$CHROMIUM"; }

step "chromium" set_chromium
step "ruff check" "$BIN"/ruff check .
step "ruff format" "$BIN"/ruff format --check .
step "mypy" "$BIN"/mypy
step "book" make --no-print-directory BIN="$BIN" book
# Slow tests last, so that a broken unit is seen early.
# PYTEST_ARGS is a list of words.
# shellcheck disable=SC2086
step "pytest" "$BIN"/python -m pytest --durations=15 ${PYTEST_ARGS:-}

echo
echo "=== summary"
printf '%s\n' "${summary[@]}"
exit $failed
