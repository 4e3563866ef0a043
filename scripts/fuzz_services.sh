#!/usr/bin/env bash
# Sends a running service whatever its own OpenAPI description allows, and what it does not, for so many seconds.
#
#   scripts/fuzz_services.sh 600 http://127.0.0.1:2022
#
# Fails when it answers with a server error (5xx) or with what it did not describe. TOKEN in the environment is sent, if set;
# SEED makes a run repeat itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# = 2 ] || { echo "usage: scripts/fuzz_services.sh SECONDS URL" >&2; exit 2; }
readonly seconds=$1 url=$2
readonly place=${TMPDIR:-/tmp}

cd "$(mktemp -d "$place/voicemode-fuzz.XXXXXX")" # it leaves a folder where it runs
trap 'rm -rf "$PWD"' EXIT
"$OLDPWD/.venv-services/bin/schemathesis" run "$url/openapi.json" --max-time "$seconds" --suppress-health-check all \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --request-timeout 30 ${SEED:+--seed "$SEED"} ${TOKEN:+--header "Authorization: Bearer $TOKEN"}
