#!/usr/bin/env bash
# Sets up the vendors' own clients that the realtime server is tested with, and is silent and quick when they are there:
# .venv-clients for those in Python, Node and a browser from the system, and tests_clients/node_modules, as locked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh clients

readonly stamp=tests_clients/node_modules/.setup-done
wanted=$(cat tests_clients/package.json tests_clients/package-lock.json | if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
    command -v npm >/dev/null || { echo "setup: npm is missing; it comes with Node.js" >&2; exit 1; }
    echo "setup: packages of tests_clients/package-lock.json, each checked against its hash"
    # No package's own scripts run: none of these needs one.
    npm ci --prefix tests_clients --ignore-scripts --no-audit --no-fund --loglevel=error
    printf '%s\n' "$wanted" >$stamp
fi
