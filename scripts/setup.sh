#!/usr/bin/env bash
# Sets up what a make target needs, and is silent and quick when it is there.
#
#   scripts/setup.sh lint      .venv with the locked Python packages and voicemode itself
#   scripts/setup.sh run       that, and PortAudio
#   scripts/setup.sh test      that, and a virtual sound card (Linux only)
#   scripts/setup.sh services  .venv-services with the locked packages of both speech services, and what tests them
#   scripts/setup.sh clients   .venv-clients with the vendors' clients that the realtime server is tested with, Node, a browser
#   scripts/setup.sh demo      like run, and the virtual card only where no person sits at a real one; goes on without
#
# PYTHON=python3.13 chooses the interpreter. Runs in bash 3.2, which is what macOS has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The goals "services" and "clients" are about other environments than all others.
case ${1:-run} in
    clients) readonly venv=.venv-clients lock=tests_clients/requirements.lock ;;
    services) readonly venv=.venv-services lock=requirements-services.lock ;;
    *) readonly venv=.venv lock=requirements.lock ;;
esac
readonly stamp=$venv/.setup-done
readonly python_names="python3.13 python3.12 python3.11 python3 python3.14"
# Without these pip and apt-get stop to ask, or talk about themselves.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 DEBIAN_FRONTEND=noninteractive

goal=${1:-run}
missing=()     # Debian packages
described=()   # the same for people with another package manager
log=$(mktemp "${TMPDIR:-/tmp}/voicemode-setup.XXXXXX")
trap 'rm -f "$log"' EXIT

say() { printf 'setup: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
on_mac() { [ "$(uname -s)" = Darwin ]; }

# -- Python -----------------------------------------------------------------------------------------------------------

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
minor_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

find_python() {
    local name
    for name in ${PYTHON:-$python_names}; do
        # pyenv leaves names on the PATH that do not run, so running is the test.
        if new_enough "$name"; then command -v "$name"; return; fi
    done
    return 1
}

# Anything that would make the environment another one: where it is, and what belongs in it.
fingerprint() {
    { pwd; cat "$lock"; if own_project; then cat pyproject.toml; fi; } | if have sha256sum; then sha256sum; else shasum -a 256; fi
}

# The services run from their sources and need no project around them; voicemode itself is installed.
own_project() { [ $venv = .venv ]; }

# Whether the environment runs at all, and with the Python that was asked for, if one was.
venv_works() {
    new_enough $venv/bin/python && { [ -z "${PYTHON:-}" ] || [ "$(minor_of "$PYTHON")" = "$(minor_of $venv/bin/python)" ]; }
}

python_is_ready() { [ "$(cat $stamp 2>/dev/null)" = "$(fingerprint)" ] && venv_works; }

look_for_python() {
    local python
    venv_works && return
    if ! python=$(find_python); then
        [ -z "${PYTHON:-}" ] || fail "$PYTHON does not run or is older than Python 3.11."
        on_mac && { brew_install python@3.13; python=$(find_python) || fail "Python 3.11 or newer is not on the PATH."; return; }
        local package=python3
        have python3 && package=python3.11 # this release's own is too old; Ubuntu 22.04 has a newer one beside it
        want $package "Python 3.11 or newer"
        want $package-venv "its venv module"
    elif ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        # Debian ships the venv module in a package of its own.
        want "python$(minor_of "$python")-venv" "the venv module of Python $(minor_of "$python")"
    fi
}

build_environment() {
    python_is_ready && return
    local python minor began=$SECONDS
    rm -f $stamp
    if ! { venv_works && $venv/bin/python -m pip --version; } >/dev/null 2>&1; then
        python=$(find_python) || fail "Python 3.11 or newer is not on the PATH; set PYTHON to where it is."
        say "Python $(minor_of "$python") in $venv"
        rm -rf $venv
        "$python" -m venv $venv >"$log" 2>&1 || fail_with_log "Python's venv module failed."
    fi
    minor=$(minor_of $venv/bin/python)
    say "$(grep -c '^[a-zA-Z]' $lock) locked packages from $lock, each checked against its hash"
    if ! install_packages; then
        # Every package has wheels for Python 3.11 to 3.13; elsewhere something may have to be compiled.
        { have apt-get && ! can_compile; } || fail_with_log "pip could not install the locked packages."
        want build-essential "a C compiler"
        want "python$minor-dev" "the headers of Python $minor"
        install_missing
        install_packages || fail_with_log "pip could not install the locked packages."
    fi
    fingerprint >$stamp
    say "ready after $((SECONDS - began)) s"
}

# The lock is complete, so pip need not resolve anything; voicemode itself goes in as it stands in this folder.
install_packages() {
    $venv/bin/python -m pip install --quiet --require-hashes --no-deps -r $lock >"$log" 2>&1 || return
    own_project || return 0
    $venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . >>"$log" 2>&1
}

can_compile() { have cc && [ -e "$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; }

# -- what belongs to the system ---------------------------------------------------------------------------------------

want() { missing+=("$1"); described+=("$2"); }

look_for_portaudio() {
    on_mac && return  # known only once sounddevice, which brings its own, is installed
    # A user's PATH often lacks sbin. Not grep -q: it would end ldconfig early, which pipefail takes for a failure.
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep 'libportaudio\.so\.2' >/dev/null ||
        want libportaudio2 "PortAudio"
}

look_for_virtual_card() {
    on_mac && return
    if ! have pulseaudio && uses_pipewire; then
        say "no virtual sound card: PulseAudio would replace this desktop's PipeWire. What needs the card is skipped."
        return
    fi
    have pulseaudio || want pulseaudio "PulseAudio"
    have pactl || want pulseaudio-utils "pactl"
    compgen -G '/usr/lib*/alsa-lib/libasound_module_pcm_pulse.so' >/dev/null ||
        compgen -G '/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so' >/dev/null ||
        want libasound2-plugins "ALSA's PulseAudio plug-in"
}

# One test counts packets in a network of its own.
look_for_known_words() {
    on_mac || have espeak-ng || want espeak-ng "espeak-ng, whose words have known times"
}

look_for_namespaces() {
    on_mac || PATH="$PATH:/usr/sbin:/sbin" have ip || want iproute2 "ip"
}

# The clients in JavaScript run in Node, and one of them in a browser. Elsewhere people have both, or are told by the tests.
look_for_node_and_browser() {
    on_mac && return
    have node || want nodejs "Node.js 20 or newer"
    have npm || want npm "npm"
    [ -n "${VOICEMODE_TESTS_CHROMIUM:-}" ] || have chromium || have chromium-browser || have google-chrome ||
        want chromium "Chromium"
}

# Debian's and Ubuntu's packages of these conflict with pulseaudio.
uses_pipewire() {
    have dpkg-query && dpkg-query -W -f '${Status}\n' pipewire-audio pipewire-alsa 2>/dev/null | grep 'ok installed' >/dev/null
}

has_real_card() {
    on_mac || compgen -G '/dev/snd/pcmC*' >/dev/null || [ -n "${PULSE_SERVER:-}" ] ||
        [ -S "${XDG_RUNTIME_DIR:-/nonexistent}/pulse/native" ]
}

# As the demo decides it: without a person at a terminal the other side is played, and that takes a virtual card.
person_and_card() { [ -t 0 ] && [ -t 1 ] && [ -z "${CI:-}" ] && has_real_card; }

command_for_missing() {
    local install="apt-get install -y --no-remove --no-install-recommends ${missing[*]}"
    if have sudo; then echo "sudo apt-get update && sudo $install"; else echo "su -c 'apt-get update && $install'"; fi
}

# Exit status 1: not installed, and the person was told what to do.
install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! have apt-get; then
        say "install these with the package manager of this system, then call make again:" >&2
        printf '    %s\n' "${described[@]}" >&2
        return 1
    fi
    local sudo=""
    if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        # Without a terminal nobody can type a password.
        if ! have sudo || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && say "sudo for: ${missing[*]}" && sudo -v; }; }; then
            say "system packages are missing, and installing them takes an administrator. Run this, then call make again:" >&2
            printf '\n    %s\n\n' "$(command_for_missing)" >&2
            return 1
        fi
    fi
    say "system packages ${missing[*]}"
    # --no-remove: nothing of a person's system may go for the sake of ours.
    if ! { $sudo apt-get -qq update && $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install -y --no-remove --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        say "apt-get failed. The command was:" >&2
        printf '\n    %s\n\n' "$(command_for_missing)" >&2
        return 1
    fi
    missing=() described=()
}

brew_install() {
    have brew || fail "Homebrew (https://brew.sh) is missing. With it, run: brew install $1"
    say "brew install $1"
    brew install --quiet "$1" >"$log" 2>&1 || fail_with_log "brew failed."
}

fail_with_log() {
    tail -n 25 "$log" >&2
    fail "$1"
}

# -- the goals --------------------------------------------------------------------------------------------------------

case $goal in
    lint | services) look_for_python ;;
    clients) look_for_python; look_for_node_and_browser ;;
    run) look_for_python; look_for_portaudio ;;
    test) look_for_python; look_for_portaudio; look_for_virtual_card; look_for_known_words; look_for_namespaces ;;
    demo)
        look_for_python
        needed=${#missing[@]} # Python is; without sound the demo speaks and listens through files
        look_for_portaudio
        person_and_card || look_for_virtual_card
        ;;
    *) fail "unknown goal '$goal': lint, run, test, services, clients or demo" ;;
esac
if ! install_missing; then
    [ "$goal" = demo ] && [ "$needed" = 0 ] || exit 1
    say "going on without a sound card" >&2
fi
build_environment
if on_mac && [ "$goal" != lint ] && own_project && ! $venv/bin/python -c 'import sounddevice' >/dev/null 2>&1; then
    brew_install portaudio
fi
