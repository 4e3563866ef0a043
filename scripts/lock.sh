#!/usr/bin/env bash
# Compiles the locks: every package for every platform and Python we support, each file with its hash.
#
#   requirements.lock                      voicemode with the extras builtin, turns and plot, and what tests and builds it
#   requirements-services.lock             both services, and what tests them
#   voicemode/supervise/locks/NAME.lock    one service alone, for "voicemode service install": a part of the one above
#   tests_clients/requirements.lock        the vendors' clients that the realtime server is tested with, and nothing of ours
#   docker/NAME-cuda.lock                  the same with CUDA's libraries, for Linux on x86-64 and the image's Python only
#
# docopt is left out: num2words names it only for a command line program of its own, and it exists only as source, so
# installing it would run a build with tools that no hash covers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v uv >/dev/null || { echo "lock: uv is missing; 'pipx install uv' brings it" >&2; exit 1; }

# Each lock is held to the ones before it: what two of them name has one version.
compile() {
    local out=$1
    shift
    uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" "$@" -o "$out"
    echo "lock: $(grep -c '^[a-zA-Z]' "$out") packages in $out"
}

# The project's own dependencies are none of the services', so the extras alone are compiled.
wanted_by() {
    .venv/bin/python - "$@" <<'PYTHON'
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
lists = project["project"]["optional-dependencies"] | {"tests": project["dependency-groups"]["services"]}
print(*sorted({requirement for name in sys.argv[1:] for requirement in lists[name]}), sep="\n")
PYTHON
}

# A service's packages must all be wheels: no compiler is asked for, and no build runs.
compile_service() {
    local out=$1 below=$2
    shift 2
    wanted_by "$@" | compile "$out" --constraint "$below" --only-binary :all: --annotation-style line -
}

compile requirements.lock --no-emit-package docopt --extra builtin --extra turns --extra plot --group dev pyproject.toml
compile_service requirements-services.lock requirements.lock whisper kokoro tests
for service in whisper kokoro; do
    compile_service "voicemode/supervise/locks/$service.lock" requirements-services.lock "$service"
done

# Not held to ours: the vendors' own ceilings decide what goes together.
compile tests_clients/requirements.lock --no-emit-package docopt --annotation-style line tests_clients/requirements.in

# CTranslate2 is built for CUDA 12 and loads cuBLAS alone. onnxruntime has another package for CUDA, in the place of the usual
# one; its extras name the libraries it was built for.
compile_cuda() {
    local service=$1 instead=$2
    shift 2
    { wanted_by "$service" | grep -v "^$instead"; printf '%s\n' "$@"; } |
        uv pip compile --quiet --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes \
            --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --only-binary :all: \
            --annotation-style line --constraint requirements-services.lock --no-emit-package "$instead" \
            - -o "docker/$service-cuda.lock"
    echo "lock: $(grep -c '^[a-zA-Z]' "docker/$service-cuda.lock") packages in docker/$service-cuda.lock"
}

compile_cuda whisper none nvidia-cublas-cu12
compile_cuda kokoro onnxruntime 'onnxruntime-gpu[cuda,cudnn]'
