#!/usr/bin/env bash
# Builds the page of frontend/ into voicemode/http/page, and is silent and quick when it is there and nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly stamp=frontend/node_modules/.page-built installed=frontend/node_modules/.setup-done

sum() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
sources() { find frontend -name node_modules -prune -o -type f -print | LC_ALL=C sort | while IFS= read -r file; do sum <"$file"; done | sum; }

command -v npm >/dev/null || { echo "page: npm is missing; it comes with Node.js 20.19 or newer" >&2; exit 1; }
wanted=$(cat frontend/package.json frontend/package-lock.json | sum)
if [ "$(cat $installed 2>/dev/null)" != "$wanted" ]; then
    echo "page: packages of frontend/package-lock.json, each checked against its hash"
    # No package's own scripts run: none of these needs one.
    npm ci --prefix frontend --ignore-scripts --no-audit --no-fund --loglevel=error
    printf '%s\n' "$wanted" >$installed
fi
wanted=$(sources)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ] || [ ! -f voicemode/http/page/index.html ]; then
    npm run --silent build --prefix frontend -- --logLevel warn
    printf '%s\n' "$wanted" >$stamp
fi
