#!/usr/bin/env bash
# Rewrites requirements/lock.txt from what .venv holds now. `make lock` calls it.
# To upgrade: .venv/bin/pip install -U NAME, make lock, make chapters test.
set -euo pipefail
cd "$(dirname "$0")/.."
{
    echo "# Every package of the environment in which the chapters were executed and tested (make lock)."
    echo "# Local version labels such as +cpu are dropped, so that plain pip finds a build for any machine."
    .venv/bin/python -m pip --disable-pip-version-check freeze --exclude-editable --exclude tutorlib \
        | grep -vixFf <(grep == requirements/no-deps.txt) \
        | grep -E '^[A-Za-z0-9._-]+==' | sed -E 's/\+[A-Za-z0-9.]+$//' | LC_ALL=C sort -f
} > requirements/lock.txt.new
mv requirements/lock.txt.new requirements/lock.txt
echo "lock: $(grep -c == requirements/lock.txt) packages in requirements/lock.txt"
