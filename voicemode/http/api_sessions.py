"""``/api/sessions``: a backend or a page begins sessions, types in them, ends them, and reads what is kept.

Whose a session is follows from the key: the token of the installation is its owner's, who may name somebody (``user_id``) for
whom they vouch; a client secret has its own identity and its own thread, and is told of no other.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from voicemode.core.handoff import MOST_TOKEN, HandOff, briefing
from voicemode.http.bodies import json_object, text_of
from voicemode.http.client_secrets import DEFAULT_S, ClientSecrets
from voicemode.http.errors import HttpError
from voicemode.http.guard import SESSIONS_PATH, caller_of
from voicemode.http.session_lifecycle import Finish, SessionLifecycle, Whose
from voicemode.http.session_records import Memory
from voicemode.http.session_tools import SessionTools
from voicemode.http.sessions import MakeSession, SessionWish, effective_session
from voicemode.record import OWNER, Entry, Role, Standing

__all__ = ["Parts", "session_routes", "whose_asks"]

LONGEST_NAME = 200
"""Characters of an identity or a thread."""
_LONGEST_TEXT = 100_000
_LONGEST_FEEDBACK = 4_000
_MOST_CALLS = 64
_STATUS = {"started": Standing.IN_FLIGHT, "completed": Standing.WHOLE, "failed": Standing.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes are made of."""

    lifecycle: SessionLifecycle
    secrets: ClientSecrets
    make_session: MakeSession
    tools: SessionTools
    accept: Callable[[str], Awaitable[HandOff]]
    """A hand-off, by its token or id; it is used with that. Raises HttpError."""


def session_routes(parts: Parts) -> list[Route]:
    """What begins, goes on with and ends a session."""

    async def session(request: Request) -> JSONResponse:
        if caller_of(request.scope).secret is not None:
            raise HttpError(403, "client_secret_not_allowed", "A client secret is for the one session it was made for.")
        body = await json_object(request, empty={})
        asked = _session_asked(body)
        whose = whose_asks(request, body, thread_needed=False)
        shown = effective_session(parts.make_session, SessionWish.of_session(asked))
        given = text_of(body, "handoff_id", most=MOST_TOKEN, default="")
        if given:
            # Last of all that may fail but for a longer text: a hand-off is used with this.
            hand_off = await parts.accept(given)
            whose = Whose(hand_off.identity, hand_off.thread, hand_off.memory or whose.memory)
            asked = _told(asked, briefing(hand_off))
            shown = effective_session(parts.make_session, SessionWish.of_session(asked))
        whose = parts.lifecycle.begin(whose, "incognito")
        bound = SessionWish.of_session(asked, identity=whose.identity, thread=whose.thread, memory=whose.memory)
        value, secret = parts.secrets.make(DEFAULT_S, bound)
        return JSONResponse(
            {
                "client_secret": value,
                "expires_at": secret.expires_at,
                "thread_id": whose.thread,
                "user_id": whose.identity,
                "memory_mode": whose.memory,
                "session_config": dict(shown),
            }
        )

    async def tools(request: Request) -> JSONResponse:
        body = await json_object(request, empty={})
        whose = whose_asks(request, body)
        name = text_of(body, "tool_name", most=LONGEST_NAME, default="")
        whose = await parts.lifecycle.check(whose)
        if not name:
            offered = await parts.tools.offered(whose)
            shown = [{"name": t.name, "description": t.description, "parameters": dict(t.parameters)} for t in offered]
            return JSONResponse({"thread_id": whose.thread, "tools": shown})
        arguments = body.get("arguments", {})
        if not isinstance(arguments, Mapping):
            raise HttpError(400, "invalid_type", "It is an object.", param="arguments")
        output = await parts.tools.call(whose, name, arguments)
        return JSONResponse({"thread_id": whose.thread, "output": dict(output)})

    async def turn(request: Request) -> JSONResponse:
        body = await json_object(request)
        whose = whose_asks(request, body)
        memory, count, problem = await parts.lifecycle.put(whose, _entries(body))
        reason = problem or ("The session is incognito: it is kept in memory while it lasts." if memory == "incognito" else "")
        answer = {"recorded": not reason, "thread_id": whose.thread, "message_count": count}
        return JSONResponse(answer | ({"detail": reason} if reason else {}))

    async def end(request: Request) -> JSONResponse:
        body = await json_object(request)
        whose = whose_asks(request, body)
        feedback = text_of(body, "feedback", most=_LONGEST_FEEDBACK, default="")
        return JSONResponse(_finish(whose, await parts.lifecycle.end(whose, feedback)))

    return [
        Route(f"{SESSIONS_PATH}/session", session, methods=["POST"]),
        Route(f"{SESSIONS_PATH}/tools", tools, methods=["POST"]),
        Route(f"{SESSIONS_PATH}/turn", turn, methods=["POST"]),
        Route(f"{SESSIONS_PATH}/end", end, methods=["POST"]),
    ]


def whose_asks(request: Request, asked: Mapping[str, Any], *, thread: str = "", thread_needed: bool = True) -> Whose:
    """Identity, thread and memory: of who has a session's secret those of the session. ``asked`` is body or query.

    Raises HttpError: 404 where a secret's holder names a thread that is not theirs, whether or not there is one.
    """
    identity = text_of(asked, "user_id", most=LONGEST_NAME, default="").strip()
    named = thread or text_of(asked, "thread_id", most=LONGEST_NAME, default="").strip()
    memory = asked.get("memory_mode")
    if memory not in (None, "incognito", "persistent"):
        raise HttpError(400, "invalid_value", "It is 'incognito' or 'persistent'.", param="memory_mode")
    secret = caller_of(request.scope).secret
    if secret is not None:
        own = secret.wish
        if named not in ("", own.thread) or identity not in ("", own.identity) or memory not in (None, own.memory):
            raise HttpError(404, "thread_not_found", f"There is no thread '{named[:80]}'.", param="thread_id")
        return Whose(own.identity, own.thread, cast("Memory", own.memory))
    if thread_needed and not named:
        raise HttpError(400, "missing_required_parameter", "It says which session.", param="thread_id")
    return Whose(identity or OWNER, named, memory)


def _session_asked(body: Mapping[str, Any]) -> Mapping[str, Any]:
    session = body.get("session")
    if session is None:
        session = {}
    if not isinstance(session, Mapping):
        raise HttpError(400, "invalid_type", "It is an object.", param="session")
    voice = text_of(body, "assistant_voice", most=LONGEST_NAME, default="")
    if not voice:
        return session
    audio = session.get("audio")
    audio = audio if isinstance(audio, Mapping) else {}
    output = audio.get("output")
    output = output if isinstance(output, Mapping) else {}
    return {**session, "audio": {**audio, "output": {**output, "voice": voice}}}


def _told(session: Mapping[str, Any], more: str) -> Mapping[str, Any]:
    """The session object with more to its instructions."""
    instructions = session.get("instructions")
    return {**session, "instructions": f"{instructions}\n\n{more}" if isinstance(instructions, str) and instructions else more}


def _entries(body: Mapping[str, Any]) -> list[Entry]:
    """What a turn consists of, in its order: who spoke, what was called, what was answered. Raises HttpError."""
    user = text_of(body, "user_text", most=_LONGEST_TEXT, default="").strip()
    assistant = text_of(body, "assistant_text", most=_LONGEST_TEXT, default="").strip()
    calls = body.get("tool_calls") or []
    if not isinstance(calls, list) or len(calls) > _MOST_CALLS:
        raise HttpError(400, "invalid_type", f"It is a list of at most {_MOST_CALLS}.", param="tool_calls")
    entries = [Entry("", Role.USER, user)] if user else []
    entries += [_call(each) for each in calls]
    entries += [Entry("", Role.ASSISTANT, assistant)] if assistant else []
    if not entries:
        raise HttpError(400, "missing_required_parameter", "It has words of somebody, or a call.", param="user_text")
    return entries


def _call(value: object) -> Entry:
    if not isinstance(value, Mapping):
        raise HttpError(400, "invalid_type", "Each is an object.", param="tool_calls")
    name, status = text_of(value, "tool_name", most=LONGEST_NAME), value.get("status", "completed")
    if status not in _STATUS:
        raise HttpError(400, "invalid_value", f"It is one of {', '.join(_STATUS)}.", param="tool_calls.status")
    came = value.get("error") if status == "failed" else value.get("output")
    text = came if isinstance(came, str) else "" if came is None else json.dumps(came, ensure_ascii=False)
    given = value.get("arguments")
    arguments = given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False)
    call_id = text_of(value, "call_id", most=LONGEST_NAME, default="")
    if max(len(text), len(arguments)) > _LONGEST_TEXT:
        raise HttpError(400, "string_above_max_length", f"It has more than {_LONGEST_TEXT} characters.", param="tool_calls")
    return Entry("", Role.TOOL, text, _STATUS[status], tool=name, call_id=call_id, arguments=arguments)


def _finish(whose: Whose, finish: Finish) -> dict[str, Any]:
    return {
        "finalized": finish.finalized,
        "summary": finish.summary or None,
        "code": finish.code,
        "detail": finish.detail,
        "thread_id": whose.thread,
        "message_count": finish.entries,
        "ended_at": finish.ended_at or None,
    }
