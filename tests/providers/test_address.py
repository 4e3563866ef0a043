"""Addresses are judged by their text alone."""

from __future__ import annotations

import pytest

from voicemode.errors import SettingsError
from voicemode.providers.address import check_address, is_public


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("http://127.0.0.1:8880/v1", "http://127.0.0.1:8880/v1"),
        ("http://127.0.0.1:8880/v1/", "http://127.0.0.1:8880/v1"),
        ("http://127.0.0.1:8880", "http://127.0.0.1:8880/v1"),
        ("http://127.0.0.1:8880/", "http://127.0.0.1:8880/v1"),
        ("  http://LOCALHOST:2022/v1 ", "http://localhost:2022/v1"),
        ("http://[::1]:2022", "http://[::1]:2022/v1"),
        ("https://api.example.com/openai/v1", "https://api.example.com/openai/v1"),
        ("https://api.example.com/v1/openai/", "https://api.example.com/v1/openai"),
        ("http://127.0.0.1:8880/v1/audio/speech", "http://127.0.0.1:8880/v1"),
        ("http://127.0.0.1:2022/v1/audio/transcriptions/", "http://127.0.0.1:2022/v1"),
        ("http://kokoro_1.lan:8880", "http://kokoro_1.lan:8880/v1"),
    ],
)
def test_addresses_are_taken_as_people_write_them(written: str, base: str) -> None:
    """A trailing slash, a missing /v1 or a whole path copied from a manual mean the same endpoint."""
    address = check_address(written)
    assert address.base_url == base
    assert address.url("/audio/speech") == f"{base}/audio/speech"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "127.0.0.1:8880",
        "localhost:8880/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "http://:8880/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:0/v1",
        "http://127.0.0.1:port/v1",
        "http://[::1/v1",
        "http://a b/v1",
        "http://127.0.0.1\\@evil.example/v1",
        "http://127.0.0.1/v1\nHost: evil.example",
        "http://127.0.0.1/v1\x00",
        "http://ev%69l.example/v1",
        "http://127.0.0.1/v1?key=1",
        "http://127.0.0.1/v1#top",
        "http://127.0.0.1/\u2028v1",
        "http://127.0.0.1/\u202ev1",
        "http://\uff11\uff12\uff17.0.0.1/v1",
        "http://\u24dbocalhost/v1",
        "gopher://127.0.0.1/v1",
        "unix:///run/speech.sock",
        "javascript://127.0.0.1/v1",
    ],
)
def test_what_is_no_address_is_refused_naming_the_setting(wrong: str) -> None:
    """The error carries the setting's name and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        check_address(wrong, key="VOICEMODE_TTS_BASE_URLS")
    assert caught.value.key == "VOICEMODE_TTS_BASE_URLS"
    assert "http" in caught.value.allowed
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("url", ["http://me:secret1@127.0.0.1/v1", "http://secret1@127.0.0.1/v1"])
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    """A password in a URL would show up in every error that names the endpoint."""
    with pytest.raises(SettingsError) as caught:
        check_address(url)
    assert "secret1" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_local_only_takes_what_can_only_be_this_machine(host: str) -> None:
    """All spellings of loopback that need no name lookup."""
    assert check_address(f"http://{host}:8880/v1", local_only=True).loopback


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "192.168.1.5",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "foo.localhost",
        "loopback",
    ],
)
def test_local_only_refuses_every_other_host_without_looking_it_up(host: str) -> None:
    """Names that would resolve to this machine are refused too: the DNS may change its mind."""
    with pytest.raises(SettingsError) as caught:
        check_address(f"https://{host}/v1", local_only=True, key="VOICEMODE_STT_BASE_URLS")
    assert caught.value.key == "VOICEMODE_STT_BASE_URLS"
    assert "VOICEMODE_LOCAL_ONLY" in str(caught.value)
    assert not check_address(f"https://{host}/v1").loopback


@pytest.mark.parametrize("local_only", [False, True])
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "169.254.170.2",
        "169.254.0.1",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "169.16689662",
        "[fe80::1]",
        "[FE80::1%25eth0]",
        "[febf::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[::169.254.169.254]",
        "168.63.129.16",
        "192.0.0.192",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fd00:ec2::254]",
        "[fd00:ec2:0:0::254%25eth0]",
        "100.100.100.200",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
        "metadata",
    ],
)
def test_link_local_and_metadata_hosts_are_refused_however_they_are_spelt(host: str, local_only: bool) -> None:
    """A cloud's machines are told their secrets there; no speech service is."""
    with pytest.raises(SettingsError) as caught:
        check_address(f"http://{host}/v1", local_only=local_only, key="VOICEMODE_TTS_BASE_URLS")
    assert caught.value.key == "VOICEMODE_TTS_BASE_URLS"
    assert local_only or "metadata" in str(caught.value)


@pytest.mark.parametrize(
    "host",
    ["169.253.0.1", "170.254.169.254", "1694", "256.1", "1.2.3.4.5", "09.9", "metadata.example", "[fec0::1]", "[fd00::1]"],
)
def test_their_neighbours_are_not(host: str) -> None:
    """A private network may well have a speech service."""
    assert not check_address(f"http://{host}/v1").loopback


@pytest.mark.parametrize("address", ["fec0::1", "::127.0.0.1", "::10.0.0.1", "64:ff9b:1::a00:1", "64:ff9b::7f00:1", "fd00::1"])
def test_an_address_of_a_network_of_somebody_is_not_public(address: str) -> None:
    """Also where Python takes it for global."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "64:ff9b::909:909"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """By NAT64 too, without which a network of IPv6 alone reaches half of it."""
    assert is_public(address)
