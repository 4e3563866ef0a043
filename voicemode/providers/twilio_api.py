"""A telephone line at Twilio: what the settings say of it, and its REST API."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from pydantic import SecretStr

from voicemode.errors import EndpointError, RequestError, SettingsError
from voicemode.providers.address import Address, check_address
from voicemode.providers.http import Call, HttpPool
from voicemode.settings import Settings
from voicemode.wire.twilio_http import ACCOUNT, calls_path, e164, hang_up, new_call

__all__ = ["INCOMING_PATH", "STREAM_PATH", "Dialled", "Line", "TwilioApi", "line_of", "telephone"]

INCOMING_PATH = "/incoming"
STREAM_PATH = "/twilio"
_NAME = "Twilio"
_FIRST_BYTE_S = 10.0
_MASK = "********"
_LONGEST_HAND_OFF = 200
"""It goes into an address: an id, never the token with the whole transcript."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One account of Twilio, and who may call and be called."""

    account: str
    auth_token: SecretStr = field(repr=False)
    public_url: str
    """Where Twilio reaches us, without a slash at its end."""
    public_host: str
    allowed: frozenset[str]
    """E.164."""
    api: Address
    number: str = ""
    """Ours, E.164; empty: nobody is called."""
    max_calls: int = 4
    call_s: float = 1800.0

    @property
    def incoming_url(self) -> str:
        return self.public_url + INCOMING_PATH


def line_of(settings: Settings) -> Line | None:
    """None where no telephone is configured. Raises SettingsError where only half of one is, or a value is wrong."""
    if not (settings.twilio_account_sid or settings.twilio_auth_token or settings.twilio_number):
        return None
    if settings.twilio_auth_token is None or not settings.twilio_auth_token.get_secret_value().strip():
        # Without it nobody could tell Twilio's requests from anybody else's.
        raise _missing("TWILIO_AUTH_TOKEN", "Twilio's console shows it beside the account's SID")
    if not ACCOUNT.fullmatch(settings.twilio_account_sid):
        raise _missing("TWILIO_ACCOUNT_SID", "AC and 32 hexadecimal digits")
    if not settings.public_url:
        raise _missing("PUBLIC_URL", "https://host[:port], where Twilio reaches this server")
    public = check_address(settings.public_url, key="VOICEMODE_PUBLIC_URL", speech=False)
    if not public.loopback and not public.base_url.startswith("https://"):
        raise SettingsError("VOICEMODE_PUBLIC_URL", "what is said would go over the network unencrypted", "https://host[:port]")
    return Line(
        account=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token,
        public_url=public.base_url,
        public_host=public.host,
        allowed=frozenset(_number(each, "TWILIO_ALLOWED_NUMBERS") for each in settings.twilio_allowed_numbers),
        api=check_address(
            settings.twilio_api_url, local_only=settings.local_only, key="VOICEMODE_TWILIO_API_URL", speech=False
        ),
        number=_number(settings.twilio_number, "TWILIO_NUMBER") if settings.twilio_number else "",
        max_calls=settings.twilio_max_calls,
        call_s=settings.twilio_call_s,
    )


def telephone(settings: Settings) -> Line:
    """The line. Raises SettingsError where there is none, too."""
    line = line_of(settings)
    if line is None:
        raise _missing("TWILIO_ACCOUNT_SID", "AC and 32 hexadecimal digits; 'voicemode call' needs a telephone line")
    return line


@dataclass(frozen=True, slots=True)
class Dialled:
    """A call of ours, before it is made."""

    url: str
    form: dict[str, str]
    account: str

    def as_json(self) -> dict[str, object]:
        """All that is sent, but for the password."""
        return {"method": "POST", "url": self.url, "authorization": f"Basic {self.account}:{_MASK}", "form": self.form}


class TwilioApi:
    """Begins and ends calls. Shares the pool of the process."""

    def __init__(self, line: Line, pool: HttpPool) -> None:
        self._line, self._pool = line, pool

    def dialled(self, number: str, hand_off: str = "") -> Dialled:
        """What would be sent to call this number; nothing is. Raises RequestError, SettingsError."""
        line = self._line
        if not line.number:
            raise _missing("TWILIO_NUMBER", "a number of the account, as +4930123456")
        to = e164(number, "number")
        if to not in line.allowed:
            raise RequestError(
                "number", f"{to} is not among the numbers that may be called", "VOICEMODE_TWILIO_ALLOWED_NUMBERS"
            )
        if len(hand_off) > _LONGEST_HAND_OFF or (not hand_off.replace("_", "").replace("-", "").isalnum() and hand_off):
            raise RequestError("hand-off", "it is not the id of a hand-off", "the id that POST /api/handoffs gave")
        url = line.incoming_url + (f"?handoff={hand_off}" if hand_off else "")
        form = new_call(to=to, from_=line.number, url=url)
        return Dialled(line.api.url(calls_path(line.account)), form, line.account)

    async def call(self, dialled: Dialled) -> str:
        """Make it; its SID. Raises EndpointError."""
        status, body = await self._post(calls_path(self._line.account), dialled.form)
        return _sid(status, body)

    async def hang_up(self, call_sid: str) -> None:
        """End a call. Raises EndpointError, ValueError for what is no call's name."""
        await self._post(calls_path(self._line.account, call_sid), hang_up())

    async def _post(self, path: str, form: dict[str, str]) -> tuple[int, bytes]:
        line = self._line
        password = f"{line.account}:{line.auth_token.get_secret_value()}"
        headers = {"Authorization": "Basic " + base64.b64encode(password.encode()).decode()}
        # Asked once: a second call of somebody is worse than none.
        call = Call(line.api, _NAME, path, headers=headers, form=form, first_byte_s=_FIRST_BYTE_S, once=True)
        answer = await self._pool.open(call)
        try:
            body = await answer.read()
        finally:
            await answer.aclose()
        if not 200 <= answer.status < 300:
            raise EndpointError(_NAME, _refusal(answer.status, body), answer.status, retryable=False)
        return answer.status, body


def _sid(status: int, body: bytes) -> str:
    match _json(body):
        case {"sid": str(sid)} if len(sid) <= 64 and sid.isalnum():
            return sid
    raise EndpointError(_NAME, "answered something that is no call", status, retryable=False)


def _refusal(status: int, body: bytes) -> str:
    """Twilio's errors have a number, whose page says more; its sentence may repeat what was sent."""
    match _json(body):
        case {"code": int(code)}:
            return f"answered {status}, error {code} (https://www.twilio.com/docs/api/errors/{code})"
    return f"answered {status}"


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _number(written: str, setting: str) -> str:
    try:
        return e164(written, setting)
    except RequestError as error:
        raise SettingsError(f"VOICEMODE_{setting}", error.detail, error.allowed) from None


def _missing(setting: str, allowed: str) -> SettingsError:
    return SettingsError(f"VOICEMODE_{setting}", "it is missing or wrong", allowed)
