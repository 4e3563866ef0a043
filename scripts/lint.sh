#!/usr/bin/env bash
# Style, types, and what ruff and mypy do not see. Runs every check before it fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

readonly python=.venv/bin/python
readonly longest=400 # lines; a longer file answers more than one question
failed=0

check() {
    local name=$1
    shift
    "$@" || { echo "lint: $name failed" >&2; failed=1; }
}

# Not git ls-files: a source archive has no repository.
sources() {
    find . \( -name .git -o -name '.venv*' -o -name '.*_cache' -o -name __pycache__ -o -name results -o -name .hypothesis \
        -o -name .room -o -name node_modules \) -prune -o -type f "$@" -print0
}

short_files() {
    sources -name '*.py' | while IFS= read -r -d '' file; do
        lines=$(($(wc -l <"$file")))
        [ "$lines" -le "$longest" ] || echo "$file has $lines lines; the limit is $longest"
    done | report
}

# A home or a build folder of one machine, in a file that everyone gets. Nobody's home is /home/someone.
no_machine_paths() {
    # A grep that finds nothing fails, and finding nothing is what is wanted.
    {
        sources ! -name '*.wav' ! -name '*.lock' ! -name lint.sh |
            xargs -0 grep -IHnE '(^|[^[:alnum:]_./}-])/(work|root|home|Users)/[[:alnum:]]' | grep -vE '/(home|Users)/someone'
        true
    } | report
}

# Their libraries are in an environment of their own, and so are the types.
types_of_services() {
    MYPYPATH=services:. .venv-services/bin/python -m mypy --no-error-summary --config-file services/mypy.ini \
        services/voicemode_* tests_services bench_services
}

# The vendors' packages are in another environment, so the drivers are checked without their types.
types_of_clients() {
    MYPYPATH=. $python -m mypy --no-error-summary --config-file tests_clients/mypy.ini tests_clients/*.py &&
        MYPYPATH=tests_clients/drivers $python -m mypy --no-error-summary --config-file tests_clients/mypy.ini \
            tests_clients/drivers/*.py
}

# TypeScript's own compiler, where the page was built once.
types_of_page() {
    MYPYPATH=. $python -m mypy --no-error-summary --config-file tests_clients/mypy.ini tests_frontend/*.py || return
    [ ! -d frontend/node_modules ] || npm run --silent check --prefix frontend
}

# Prints what comes in; fails if anything did.
report() { ! grep . >&2; }

check "ruff check" $python -m ruff check --quiet .
check "ruff format" $python -m ruff format --quiet --diff .
check "mypy" $python -m mypy --no-error-summary
check "mypy of the services" types_of_services
check "mypy of the tests of clients" types_of_clients
check "types of the page" types_of_page
check "file length" short_files
check "machine paths" no_machine_paths
[ $failed = 0 ] && echo "lint: style, types, file length and paths are fine"
exit $failed
