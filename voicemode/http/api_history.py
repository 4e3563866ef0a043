"""``/api/sessions``, reading side: which threads there are, what was said in one, words in all of them; and forgetting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from voicemode.http.api_sessions import LONGEST_NAME, whose_asks
from voicemode.http.bodies import text_of
from voicemode.http.errors import HttpError
from voicemode.http.guard import SESSIONS_PATH, caller_of
from voicemode.http.session_lifecycle import SessionLifecycle, Whose
from voicemode.record import Entry, ForeignThreadError, RecordError, Role
from voicemode.store.export import thread_as_markdown
from voicemode.store.history import History

__all__ = ["history_routes"]

_MOST = 1_000
"""Threads, or places, or entries of one answer."""
_DIGITS = 6
"""Of a number in an address; Python reads 4,300 of them and SQLite 19."""
_LONGEST_KEY = 1_000
"""Of an entry, within its thread."""

Handler = Callable[[Request], Awaitable[Response]]


def history_routes(lifecycle: SessionLifecycle, sounds: Path | None = None) -> list[Route]:
    """All of them. Who has a client secret reads its own thread and nothing else. ``sounds`` is the folder of what was kept."""

    def kept(whose: Whose) -> History:
        return lifecycle.history(whose.memory or lifecycle.memory_of(whose) or "persistent")

    async def threads(request: Request) -> Response:
        whose = _owner(request)
        found = await kept(whose).threads(identity=whose.identity, last=_number(request, "limit", 50))
        return JSONResponse({"sessions": [{**asdict(each), "surfaces": [s.value for s in each.surfaces]} for each in found]})

    async def search(request: Request) -> Response:
        whose = _owner(request)
        words = text_of(dict(request.query_params), "q", most=1_000)
        thread = text_of(dict(request.query_params), "thread_id", most=LONGEST_NAME, default="")
        last = _number(request, "limit", 20)
        found = await kept(whose).search(words, identity=whose.identity, thread=thread, last=last)
        return JSONResponse({"found": [{"thread_id": f.thread, "snippet": f.snippet, "entry": _entry(f.entry)} for f in found]})

    async def show(request: Request) -> Response:
        whose = _thread(request)
        history = kept(whose)
        entries = await history.show(whose.thread, identity=whose.identity, last=_number(request, "limit", 200))
        sessions = await history.sessions(whose.thread, identity=whose.identity)
        told = [{**asdict(each), "surface": each.surface.value} for each in sessions]
        return JSONResponse({"thread_id": whose.thread, "sessions": told, "entries": [_entry(each) for each in entries]})

    async def export(request: Request) -> Response:
        whose = _thread(request)
        history = kept(whose)
        entries = await history.show(whose.thread, identity=whose.identity)
        kind = request.query_params.get("format", "markdown")
        if kind == "json":
            return JSONResponse({"thread_id": whose.thread, "entries": [_entry(each) for each in entries]})
        if kind != "markdown":
            raise HttpError(400, "invalid_value", "It is 'markdown' or 'json'.", param="format")
        sessions = await history.sessions(whose.thread, identity=whose.identity)
        page = thread_as_markdown(whose.thread, sessions, entries)
        return Response(page, media_type="text/markdown; charset=utf-8")

    async def sound(request: Request) -> Response:
        whose = _thread(request)
        key = text_of(dict(request.query_params), "key", most=_LONGEST_KEY)
        entries = await kept(whose).show(whose.thread, identity=whose.identity)
        file = _file(sounds, next((each.audio for each in entries if each.key == key), ""))
        if file is None:
            raise HttpError(404, "sound_not_found", "No sound of that entry is kept.", param="key")
        return FileResponse(file, media_type="audio/wav", headers={"cache-control": "no-store"})

    async def forget(request: Request) -> Response:
        whose = _thread(request)
        if caller_of(request.scope).secret is not None:
            raise HttpError(403, "client_secret_not_allowed", "A client secret forgets nothing.")
        gone = await lifecycle.forget(whose)
        return JSONResponse({"thread_id": whose.thread, "forgotten": asdict(gone)})

    return [
        Route(SESSIONS_PATH, _told(threads), methods=["GET"]),
        Route(f"{SESSIONS_PATH}/search", _told(search), methods=["GET"]),
        Route(f"{SESSIONS_PATH}/{{thread}}/export", _told(export), methods=["GET"]),
        Route(f"{SESSIONS_PATH}/{{thread}}/audio", _told(sound), methods=["GET"]),
        Route(f"{SESSIONS_PATH}/{{thread}}", _told(show), methods=["GET"]),
        Route(f"{SESSIONS_PATH}/{{thread}}", _told(forget), methods=["DELETE"]),
    ]


def _told(handler: Handler) -> Handler:
    """With its errors as HTTP tells them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ForeignThreadError as error:
            raise HttpError(404, error.code, error.problem, param="thread_id") from None
        except RecordError as error:
            raise HttpError(503, error.code, "The record of conversations cannot be used now.", retry_after_s=5) from None

    return answer


def _owner(request: Request) -> Whose:
    if caller_of(request.scope).secret is not None:
        raise HttpError(403, "client_secret_not_allowed", "A client secret reads its own session and nothing else.")
    return whose_asks(request, dict(request.query_params), thread_needed=False)


def _thread(request: Request) -> Whose:
    return whose_asks(request, dict(request.query_params), thread=request.path_params["thread"])


def _number(request: Request, name: str, default: int) -> int:
    given = request.query_params.get(name, str(default))
    if not (given.isascii() and given.isdigit()) or len(given) > _DIGITS or not 1 <= int(given) <= _MOST:
        raise HttpError(400, "invalid_value", f"It is a number from 1 to {_MOST}.", param=name)
    return int(given)


def _file(folder: Path | None, name: str) -> Path | None:
    """The file of that name, if it is one of those that were kept."""
    if folder is None or not name:
        return None
    file = Path(name).resolve()
    return file if file.parent == folder.resolve() and file.is_file() else None


def _entry(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {
        "key": entry.key,
        "role": entry.role.value,
        "text": entry.text,
        "standing": entry.standing.value,
        "began_at": entry.began_at,
        "surface": entry.surface.value if entry.surface is not None else None,
    }
    if entry.audio:
        told["audio"] = True
    if entry.role is Role.TOOL:
        told |= {"tool": entry.tool, "call_id": entry.call_id, "arguments": entry.arguments}
    return told | ({"timings": dict(entry.timings)} if entry.timings else {})
