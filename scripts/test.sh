#!/usr/bin/env bash
# Runs the tests of voicemode, then those of the speech services in their environment. Arguments go to pytest, both times;
# where they name tests of one side, the other is left out.
#
# Without arguments there are two lanes: tests with sound wait most of their time, for sound takes as long as it takes; the
# others run beside them and give way.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A word such as -k ring may choose tests on one side only; that is no failure.
readonly nothing_chosen=5
status=0

run() {
    local code=0
    "$@" || code=$?
    [ "$code" = 0 ] || [ "$code" = "$nothing_chosen" ] || status=$code
}

own() { .venv/bin/python -m pytest "$@"; }

services() { PYTHONPATH="$PWD/services" .venv-services/bin/python -m pytest -c tests_services/pytest.ini "$@"; }

if [ $# -gt 0 ]; then
    case " $* " in *" tests_services"*) own= ;; *) own=yes ;; esac
    case " $* " in *" tests/"*) services= ;; *) services=yes ;; esac
    if [ -n "$own" ] || [ -z "$services" ]; then
        run own "$@"
    fi
    if [ -n "$services" ]; then
        # With tests named, pytest must not be given the whole folder too.
        run services "$@" ${own:+tests_services}
    fi
    exit "$status"
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# An interrupted shell must not leave the other lane behind; and SIGINT, which a background job ignores, is tested there.
nice -n 10 .venv/bin/python -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
    "$PWD/.venv/bin/python" -m pytest -m "not sound" -p no:cacheprovider >"$folder/silent.log" 2>&1 &
silent=$!
trap 'kill "$silent" 2>/dev/null || true; rm -rf "$folder"' EXIT

echo "Tests with sound; the others run beside them."
run own -m sound
run wait "$silent"
cat "$folder/silent.log"
run services tests_services
exit "$status"
