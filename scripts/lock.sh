#!/usr/bin/env bash
# Compiles requirements.lock: every package for every platform and Python we support, each file with its hash.
#
# docopt is left out: num2words names it only for a command line program of its own, and it exists only as source, so
# installing it would run a build with tools that no hash covers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v uv >/dev/null || { echo "lock: uv is missing; 'pipx install uv' brings it" >&2; exit 1; }
uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-emit-package docopt --custom-compile-command "make lock" \
    --extra builtin --group dev pyproject.toml -o requirements.lock
echo "lock: $(grep -c '^[a-zA-Z]' requirements.lock) packages in requirements.lock"
