"""Which servers of tools may be asked, decided from the settings alone."""

from __future__ import annotations

import pytest

from voicemode.dialogue_tools import ToolServer
from voicemode.errors import SettingsError
from voicemode.providers.mcp_error import ToolServerError
from voicemode.providers.mcp_places import HttpPlace, McpPlaces, StdioPlace
from voicemode.settings import Settings


def places(**values: object) -> McpPlaces:
    return McpPlaces.of(Settings.model_validate(values))


def refused(known: McpPlaces, url: str, **server: object) -> str:
    with pytest.raises(ToolServerError) as caught:
        known.find(ToolServer("web", url=url, **server))  # type: ignore[arg-type]
    return caught.value.reason


def test_servers_are_written_as_people_write_commands() -> None:
    """With quotes around what has a space or a comma in it."""
    known = places(mcp_servers="files=npx -y 'my server' --of=\"a,b\" ~/x, web=https://Tools.example.com/mcp/,")
    assert known.labels == ("files", "web")
    assert known.find(ToolServer("files")) == StdioPlace("files", ("npx", "-y", "my server", "--of=a,b", "~/x"))
    web = known.find(ToolServer("web"))
    assert isinstance(web, HttpPlace)
    assert (web.url, web.host, web.port) == ("https://tools.example.com/mcp/", "tools.example.com", 443)


def test_without_settings_no_server_may_be_asked() -> None:
    """Neither by label nor by address."""
    known = places()
    assert refused(known, "") == "unknown_server"
    for url in ("https://example.com/mcp", "http://127.0.0.1:8000/mcp", "http://localhost/mcp"):
        assert refused(known, url) == "not_allowed"


def test_a_label_needs_no_entry_in_the_list_of_hosts() -> None:
    """The person wrote its address themselves."""
    assert places(mcp_servers="own=http://127.0.0.1:9000/mcp").find(ToolServer("own"))


@pytest.mark.parametrize(
    ("entries", "url", "allowed"),
    [
        ("tools.example.com", "https://tools.example.com/mcp", True),
        ("tools.example.com", "https://TOOLS.example.com./mcp", True),
        ("tools.example.com", "https://tools.example.com:8443/mcp", False),
        ("tools.example.com", "https://evil.example.com/mcp", False),
        ("tools.example.com", "https://tools.example.com.evil.org/mcp", False),
        ("tools.example.com:8443", "https://tools.example.com:8443/mcp", True),
        ("tools.example.com:8443", "https://tools.example.com/mcp", False),
        ("*.example.com", "https://a.b.example.com/mcp", True),
        ("*.example.com", "https://example.com/mcp", False),
        ("*.example.com", "https://evilexample.com/mcp", False),
        ("*", "https://anything.org/mcp", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/mcp", True),
        ("127.0.0.1:8000", "http://localhost:8000/mcp", False),
        ("[::1]:8000", "http://[::1]:8000/mcp", True),
        ("10.0.0.7:8000", "http://10.0.0.7:8000/mcp", True),
    ],
)
def test_an_entry_covers_its_host_and_port(entries: str, url: str, allowed: bool) -> None:
    """Without a port, the usual one."""
    known = places(mcp_allowed_hosts=entries)
    if allowed:
        assert known.find(ToolServer("web", url=url))
    else:
        assert refused(known, url) == "not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/mcp", "http://localhost/mcp", "http://[::1]/mcp", "http://10.1.2.3/mcp", "http://192.168.0.1/mcp"),
        *("http://[fd00::1]/mcp", "http://0.0.0.0/mcp", "http://100.64.0.1/mcp", "http://[::ffff:127.0.0.1]/mcp"),
    ],
)
def test_a_pattern_covers_public_addresses_only(url: str) -> None:
    """Who allows all the world does not mean this network."""
    assert refused(places(mcp_allowed_hosts="*"), url) == "not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        *("http://169.254.169.254/latest", "http://2852039166/", "http://metadata.google.internal/", "http://[fe80::1]/mcp"),
        *("http://[::ffff:169.254.169.254]/", "file:///etc/passwd", "ftp://example.com/", "http://user:pass@example.com/mcp"),
        *("http://exa mple.com/", "http://example.com\\@evil.org/", "https:///mcp", "https://example.com/mcp?key=1"),
    ],
)
def test_some_addresses_are_refused_whatever_is_allowed(url: str) -> None:
    """Where clouds tell their secrets, and what is no address of a server."""
    known = places(mcp_allowed_hosts="*, 169.254.169.254, [fe80::1], example.com, metadata.google.internal")
    assert refused(known, url) == "address_refused"


def test_the_local_only_switch_counts_for_tools_as_well() -> None:
    """Whatever hosts are allowed."""
    known = places(local_only=True, mcp_allowed_hosts="example.com, 127.0.0.1:8000")
    assert refused(known, "https://example.com/mcp") == "address_refused"
    assert known.find(ToolServer("web", url="http://127.0.0.1:8000/mcp"))
    with pytest.raises(SettingsError):
        places(local_only=True, mcp_servers="web=https://example.com/mcp")


def test_a_token_of_the_settings_goes_to_its_own_label_only() -> None:
    """A client that brings an address under the same label does not get it sent there."""
    known = places(
        mcp_servers="web=https://example.com/mcp", mcp_tokens="web=quicksilver=", mcp_allowed_hosts="other.example.org"
    )
    own = known.find(ToolServer("web"))
    assert isinstance(own, HttpPlace)
    assert own.headers == {"authorization": "Bearer quicksilver="}
    assert "quicksilver" not in repr(own)
    other = known.find(ToolServer("web", url="https://other.example.org/mcp"))
    assert isinstance(other, HttpPlace)
    assert other.headers == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("Host", "evil"), ("Mcp-Session-Id", "x"), ("X-Key", "a\r\nHost: evil"), ("X Key", "a"), ("Transfer-Encoding", "chunked")],
)
def test_a_header_that_would_change_the_request_is_refused(name: str, value: str) -> None:
    """And its value is not repeated."""
    known = places(mcp_allowed_hosts="example.com")
    with pytest.raises(ToolServerError) as caught:
        known.find(ToolServer("web", url="https://example.com/mcp", headers={name: value}))
    assert caught.value.reason == "header_refused"
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"mcp_servers": "no equals sign"},
        {"mcp_servers": "voicemode=mine"},
        {"mcp_servers": "a=b, a=c"},
        {"mcp_servers": "a='b"},
        {"mcp_servers": "a=https://example.com/mcp extra"},
        {"mcp_servers": "a=http://169.254.169.254/"},
        {"mcp_servers": "a b=c"},
        {"mcp_allowed_hosts": "https://example.com"},
        {"mcp_allowed_hosts": "exa*mple.com"},
        {"mcp_tokens": "quicksilver"},
        {"mcp_tokens": "unknown=quicksilver"},
        {"mcp_env": "NAME"},
        {"mcp_env": "unknown:NAME"},
    ],
)
def test_a_setting_that_cannot_be_meant_is_told(values: dict[str, str]) -> None:
    """By its name, and without the token."""
    with pytest.raises(SettingsError) as caught:
        places(**values)
    assert caught.value.key == f"VOICEMODE_{next(iter(values)).upper()}"
    assert "quicksilver" not in str(caught.value)
