#!/usr/bin/env bash
# Makes .venv from requirements/lock.txt. Called by `make setup`; PYTHON=python3.12 picks another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || { echo "setup: PYTHON=$PYTHON is not a command here" >&2; return 1; }
        new_enough "$PYTHON" || { echo "setup: $PYTHON is $("$PYTHON" --version 2>&1); the book needs Python 3.11 or newer" >&2; return 1; }
        echo "$PYTHON"
        return
    fi
    # Newest first. The list ends where the locked torch has wheels.
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: no Python 3.11 or newer found (python3 is: $(python3 --version 2>&1 || true))." >&2
    echo "       Install one, or use environment.yml with conda, then run make again." >&2
    return 1
}

make_venv() {
    "$1" -m venv .venv && return
    rm -rf .venv
    # Debian and Ubuntu split venv off: the package carries the minor version in its name.
    local version package
    version=$("$1" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
    package="python$version-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing $package"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package"
        "$1" -m venv .venv
    else
        echo "setup: '$1 -m venv' failed. On Debian or Ubuntu run:  sudo apt-get install $package" >&2
        echo "       then run make again." >&2
        return 1
    fi
}

# A virtual environment does not survive a moved folder or a removed interpreter: then it is made anew.
if [ -d .venv ] && ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
    echo "setup: .venv does not run any more; making it again"
    rm -rf .venv
fi
if [ ! -d .venv ]; then
    python=$(choose_python)
    echo "setup: making .venv with $("$python" --version 2>&1)"
    make_venv "$python"
fi

echo "setup: installing requirements/lock.txt (a few minutes the first time)"
.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements/lock.txt
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps -e .
# What is installed without its dependencies comes after the check, and does not count in the next one.
.venv/bin/python -m pip uninstall -qq --yes $(grep -oE '^[A-Za-z0-9._-]+' requirements/no-deps.txt) 2>/dev/null
.venv/bin/python -m pip check
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r requirements/no-deps.txt
# Otherwise matplotlib announces its font cache on stderr in the first notebook that plots.
.venv/bin/python -c 'import matplotlib.font_manager'
touch .venv/.setup-done
echo "setup: ready"
