"""Signatures, TwiML and numbers."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.errors import RequestError
from voicemode.wire.twilio_http import (
    calls_path,
    connect,
    e164,
    is_signed,
    new_call,
    refuse_call,
    signature,
    stream_url,
)

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
DOCUMENTED = [
    ("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
]
"""Of the examples in Twilio's documentation and helper libraries, whose auth token is "12345"."""


def form(caller: str) -> list[tuple[str, str]]:
    fields = {"CallSid": "CA1234567890ABCDE", "Caller": caller, "Digits": "1234", "From": caller, "To": "+18005551212"}
    return list(fields.items())


@pytest.mark.parametrize(("caller", "wanted"), DOCUMENTED)
def test_signatures_are_those_of_twilios_examples(caller: str, wanted: str) -> None:
    """In whatever order the fields came."""
    assert signature(URL, form(caller), "12345") == wanted
    assert signature(URL, form(caller)[::-1], "12345") == wanted
    assert is_signed(URL, form(caller), "12345", wanted)


@pytest.mark.parametrize(
    ("url", "token", "caller", "given_"),
    [
        (URL, "12345", "+14158675309", ""),
        (URL, "12345", "+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8"),
        (URL, "12345", "+14158675309", "ÄSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL, "12346", "+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL, "12345", "+14158675308", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL.replace("bar=2", "bar=3"), "12345", "+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ],
)
def test_any_other_signature_is_refused(url: str, token: str, caller: str, given_: str) -> None:
    """A letter of anything is enough."""
    assert not is_signed(url, form(caller), token, given_)


def test_without_an_auth_token_nothing_is_signed() -> None:
    """Not even what was signed with an empty one."""
    assert not is_signed(URL, form("+1"), "", signature(URL, form("+1"), ""))


@pytest.mark.parametrize("url", ["https://a.example/incoming", "https://a.example:443/incoming", "http://a.example/x?y=1"])
def test_a_port_may_be_signed_or_not(url: str) -> None:
    """Twilio does either; another port is another address."""
    other = url.replace("a.example/", "a.example:443/") if url.startswith("https") else url.replace("ple/", "ple:80/")
    assert is_signed(url, [], "t", signature(other, [], "t"))
    assert is_signed(other, [], "t", signature(url.replace(":443", ""), [], "t"))
    assert not is_signed(url, [], "t", signature("https://a.example:8443/incoming", [], "t"))


@given(
    st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
)
def test_whatever_is_given_along_is_one_parameter(parameters: dict[str, str]) -> None:
    """No value becomes a verb."""
    root = ET.fromstring(connect("wss://a.example/twilio", parameters))
    assert [each.tag for each in root] == ["Connect", "Hangup"]
    found = {each.attrib["name"]: each.attrib["value"] for each in root.iter("Parameter")}
    assert found == parameters
    assert [each.attrib for each in root.iter("Stream")] == [{"url": "wss://a.example/twilio"}]


def test_who_is_refused_hears_it_for_nothing() -> None:
    """Reject is not billed, but is for incoming calls alone."""
    assert "<Reject" in refuse_call(incoming=True)
    assert 'reason="busy"' in refuse_call(incoming=True, busy=True)
    assert "<Hangup/>" in refuse_call(incoming=False, busy=True)


@pytest.mark.parametrize(
    ("written", "number"),
    [("+49 30 123-456", "+4930123456"), ("0049 (30) 123456", "+4930123456"), (" +1.415.867.5309 ", "+14158675309")],
)
def test_numbers_are_taken_as_people_write_them(written: str, number: str) -> None:
    """And written as E.164 has them."""
    assert e164(written, "number") == number


@pytest.mark.parametrize(
    "wrong", ["", "030123456", "+", "+0301234567", "+4930123456789012", "+49abc1234", "+49\u0969\u0966\u0967\u0968", "911"]
)
def test_what_is_no_international_number_is_refused(wrong: str) -> None:
    """The emergency's included."""
    with pytest.raises(RequestError, match="international"):
        e164(wrong, "number")


def test_a_call_is_named_only_as_twilio_names_calls() -> None:
    """Its name comes in a message, and goes into an address with our password."""
    assert calls_path("AC1") == "/2010-04-01/Accounts/AC1/Calls.json"
    assert calls_path("AC1", "CA12ab") == "/2010-04-01/Accounts/AC1/Calls/CA12ab.json"
    for wrong in ("CA1/../../x", "CA", "XX1", "CA1\n", "CA1?Status=completed"):
        with pytest.raises(ValueError, match="call_sid"):
            calls_path("AC1", wrong)


def test_the_stream_is_encrypted_where_the_server_is() -> None:
    """Without TLS only where the public address has none."""
    assert stream_url("https://a.example", "/twilio") == "wss://a.example/twilio"
    assert stream_url("http://127.0.0.1:8", "/twilio") == "ws://127.0.0.1:8/twilio"
    assert new_call(to="+1", from_="+2", url="https://x")["Method"] == "POST"
