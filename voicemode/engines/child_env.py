"""The environment child processes get: an allow-list, so nothing the MCP client put into ours can reach them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["child_environment"]

_NAMES = frozenset(
    {
        # POSIX
        "HOME",
        "LANG",
        "LANGUAGE",
        "PATH",
        "TMPDIR",
        "TZ",
        # the dynamic linker, where native libraries live in unusual places (NixOS, Conda, Homebrew)
        "DYLD_FALLBACK_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "LD_LIBRARY_PATH",
        # Python: what finds the same interpreter and packages again
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONUTF8",
        "VIRTUAL_ENV",
        # Windows: without SYSTEMROOT no socket opens and no random number is made
        "LOCALAPPDATA",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "USERPROFILE",
        "WINDIR",
    }
)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of ``environ`` that a child process may see. Names compare as on Windows, without regard to case."""
    return {name: value for name, value in environ.items() if name.upper() in _NAMES or name.upper().startswith("LC_")}
