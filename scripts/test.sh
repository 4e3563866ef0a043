#!/usr/bin/env bash
# Runs the tests of voicemode, then those of the speech services in their environment. Arguments go to pytest, both times;
# where they name tests of one side, the other is left out.
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

case " $*" in *" tests_services"*) own= ;; *) own=yes ;; esac
case " $*" in *" tests/"*) services= ;; *) services=yes ;; esac

if [ -n "$own" ] || [ -z "$services" ]; then
    run .venv/bin/python -m pytest "$@"
fi
if [ -n "$services" ]; then
    # With tests named, pytest must not be given the whole folder too.
    run env PYTHONPATH="$PWD/services" .venv-services/bin/python -m pytest -c tests_services/pytest.ini "$@" ${own:+tests_services}
fi
exit "$status"
