#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests, installing Debian's when there is none and we may.
set -euo pipefail

find_chromium() {
    if [ -n "${CHROMIUM:-}" ]; then
        command -v "$CHROMIUM" || { echo "chromium: CHROMIUM=$CHROMIUM is not a command here" >&2; exit 1; }
        return
    fi
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" && return
    done
    return 1
}

find_chromium && exit 0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        as_root="none"
    fi
    if [ "$as_root" != none ]; then
        echo "chromium: installing it with apt-get" >&2
        $as_root apt-get update -qq >&2
        # `env` carries the variable through sudo.
        # Debian calls the package chromium, Ubuntu chromium-browser.
        for package in chromium chromium-browser; do
            if $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >&2; then
                find_chromium && exit 0
            fi
        done
    fi
fi
{
    echo "chromium: the browser tests need Chromium, and none was found."
    echo "          On Debian run:   sudo apt-get install chromium"
    echo "          On Ubuntu run:   sudo snap install chromium"
    echo "          Or set CHROMIUM=/path/to/chrome."
} >&2
exit 1
