#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests, installing one when there is none and we may.
set -euo pipefail
cd "$(dirname "$0")/.."
PY="${BIN:-.venv/bin}/python"

# Ubuntu's chromium-browser may be a stub that only asks for snap, so a candidate must say its version.
runs() { "$1" --version >/dev/null 2>&1; }

find_chromium() {
    local name path
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if path=$(command -v "$name") && runs "$path"; then
            echo "$path"
            return
        fi
    done
    # The one that Playwright may have downloaded earlier.
    path=$("$PY" -c 'from playwright.sync_api import sync_playwright as s
with s() as p: print(p.chromium.executable_path)' 2>/dev/null) && runs "$path" && echo "$path"
}

if [ -n "${CHROMIUM:-}" ]; then
    runs "$CHROMIUM" || { echo "chromium: CHROMIUM=$CHROMIUM does not run" >&2; exit 1; }
    echo "$CHROMIUM"
    exit 0
fi
find_chromium && exit 0

as_root=none
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
fi
if [ "$as_root" != none ] && command -v apt-get >/dev/null; then
    echo "chromium: installing it with apt-get" >&2
    $as_root apt-get update -qq >&2 || true
    # `env` carries the variable through sudo.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >&2 || true
    find_chromium && exit 0
    # Ubuntu has no such package outside snap; Playwright brings a build of its own and the libraries it needs.
    echo "chromium: trying Playwright's build" >&2
    timeout 600 "$PY" -m playwright install --with-deps chromium >&2 || true
    find_chromium && exit 0
fi
{
    echo "chromium: the browser tests need Chromium, and none was found."
    echo "          On Debian run:   sudo apt-get install chromium"
    echo "          On Ubuntu run:   sudo $PY -m playwright install-deps chromium && $PY -m playwright install chromium"
    echo "          Or set CHROMIUM=/path/to/chrome."
} >&2
exit 1
