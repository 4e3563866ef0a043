#!/usr/bin/env bash
# Runs the tests of voicemode, those of the speech services in their environment, and the conversations that the vendors' own
# clients hold with the realtime server. Arguments go to pytest each time; where they name tests of one side, the others are
# left out. CLIENTS=no leaves the clients out, which need Node, a browser and 900 MB of packages.
#
# Tests with sound come first and have the machine to themselves: a virtual sound card on a busy one tears what it plays. The
# others then run in two processes, each file in one of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A word such as -k ring may choose tests on one side only; that is no failure.
readonly some_failed=1 nothing_chosen=5
status=0

run() {
    local code=0
    "$@" || code=$?
    [ "$code" = 0 ] || [ "$code" = "$nothing_chosen" ] || status=$code
}

# Again, alone, what failed among everything, once the machine wakes sleepers in time: one that others use tears sound and lets
# deadlines pass, for minutes. What fails each time has failed; what fails once is named above, with how late the machine was
# meanwhile, and is a test to be mended. After an hour it is repeated once.
readonly rounds=4 enough_s=3600
run_all() {
    local code=0 round=1
    "$@" || code=$?
    while [ "$code" = "$some_failed" ] && [ "$round" -lt "$rounds" ]; do
        [ "$round" = 1 ] || [ "$SECONDS" -lt "$enough_s" ] || break
        round=$((round + 1)) code=0
        echo "test: round $round, of what failed in: $*" >&2
        .venv/bin/python -m scripts.machine_stalls --calm-within 240 >&2
        "$@" --last-failed --last-failed-no-failures=none || code=$?
    done
    [ "$code" = 0 ] || status=$code
}

readonly stalls=(-p scripts.machine_stalls)

own() { .venv/bin/python -m pytest "${stalls[@]}" "$@"; }

services() { PYTHONPATH="$PWD/services" .venv-services/bin/python -m pytest "${stalls[@]}" -c tests_services/pytest.ini "$@"; }

clients() {
    if [ "${CLIENTS:-}" = no ]; then
        echo "test: the conversations of the vendors' clients are left out (CLIENTS=no)" >&2
        return
    fi
    .venv/bin/python -m pytest "${stalls[@]}" -c tests_clients/pytest.ini "$@"
}

frontend() {
    if [ "${CLIENTS:-}" = no ]; then
        echo "test: the page in a browser is left out (CLIENTS=no)" >&2
        return
    fi
    scripts/build_page.sh || return 2  # not what a failed test ends with
    .venv/bin/python -m pytest "${stalls[@]}" -c tests_frontend/pytest.ini "$@"
}

page_modules() {
    [ "${CLIENTS:-}" = no ] || npm run --silent test --prefix frontend
}

if [ $# -gt 0 ]; then
    # With tests named, pytest must not be given a whole folder too.
    case " $* " in
        *" tests/"* | *" tests "*) run own "$@" ;;
        *" tests_services"*) run services "$@" ;;
        *" tests_clients"*) run clients "$@" ;;
        *" tests_frontend"*) run frontend "$@" ;;
        *) run own "$@"; run services "$@" tests_services; run clients "$@" tests_clients ;;
    esac
    exit "$status"
fi

run_all own -m sound
run_all own -m "not sound" -n 2 --dist loadfile
run_all services tests_services
run_all clients tests_clients
run_all frontend tests_frontend
run page_modules
exit "$status"
