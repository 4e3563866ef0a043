"""What Twilio asks and is answered over HTTP: signatures, TwiML and the calls of its REST API, as texts.

https://www.twilio.com/docs/usage/webhooks/webhooks-security, https://www.twilio.com/docs/voice/twiml/stream,
https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from voicemode.errors import RequestError

__all__ = [
    "ACCOUNT",
    "API_VERSION",
    "calls_path",
    "connect",
    "e164",
    "hang_up",
    "is_signed",
    "new_call",
    "refuse_call",
    "signature",
    "stream_url",
]

API_VERSION = "2010-04-01"
ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_CALL = re.compile(r"CA[0-9a-zA-Z]{1,64}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164: 15 digits at most, and no country code begins with 0. Seven at least: shorter ones are no subscriber's."""
_DRESSING = str.maketrans("", "", " -()./\t")
_RING_S = 30
"""How long an outbound call rings: six times, after which voice mail answers in most networks."""


def e164(number: str, field: str) -> str:
    """A number as people write it, in E.164. Raises RequestError."""
    bare = number.strip().translate(_DRESSING)
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    if not _E164.fullmatch(bare):
        raise RequestError(field, "it is not an international telephone number", "as +4930123456: +, country code, number")
    return bare


def signature(url: str, parameters: Iterable[tuple[str, str]], auth_token: str) -> str:
    """X-Twilio-Signature of a request: its whole address and the fields of its form, sorted, each name with its value."""
    signed = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_signed(url: str, parameters: Sequence[tuple[str, str]], auth_token: str, given: str) -> bool:
    """Whether Twilio sent it. Twilio signs the address with its port or without, so both are tried, as its own libraries do."""
    if not auth_token:
        return False
    wanted = [signature(each, parameters, auth_token) for each in _spellings(url)]
    return any([hmac.compare_digest(each.encode(), given.encode()) for each in wanted])  # noqa: C419  (each is compared)


def _spellings(url: str) -> Iterable[str]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    bare = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    for netloc in (bare, f"{bare}:{port}"):
        yield urlunsplit(parts._replace(netloc=netloc))


def stream_url(public_url: str, path: str) -> str:
    """Where the media stream connects to."""
    scheme, _, place = public_url.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{place}{path}"


def connect(url: str, parameters: Mapping[str, str]) -> str:
    """TwiML: hold the call over a media stream, and hang up when that ends."""
    given = "".join(f'<Parameter name="{_text(name)}" value="{_text(value)}"/>' for name, value in parameters.items())
    return _response(f'<Connect><Stream url="{_text(url)}">{given}</Stream></Connect><Hangup/>')


def refuse_call(*, incoming: bool, busy: bool = False) -> str:
    """TwiML: nobody answers. An incoming call is not billed; one of ours has been answered and can only end."""
    if not incoming:
        return _response("<Hangup/>")
    return _response(f'<Reject reason="{"busy" if busy else "rejected"}"/>')


def calls_path(account: str, call_sid: str = "") -> str:
    """Of one call, or of all. Raises ValueError for what is no call's name: it comes from a message."""
    if call_sid and not _CALL.fullmatch(call_sid):
        raise ValueError("call_sid")
    return f"/{API_VERSION}/Accounts/{account}/Calls{'/' + call_sid if call_sid else ''}.json"


def new_call(*, to: str, from_: str, url: str) -> dict[str, str]:
    """The form that begins a call; ``url`` answers with TwiML when somebody picks up."""
    return {"To": to, "From": from_, "Url": url, "Method": "POST", "Timeout": str(_RING_S)}


def hang_up() -> dict[str, str]:
    """The form that ends a call."""
    return {"Status": "completed"}


def _response(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'


def _text(value: str) -> str:
    return html.escape(value, quote=True)
