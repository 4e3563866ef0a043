"""The token of the installation: made once, its owner's alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from voicemode.errors import SettingsError
from voicemode.http.tokens import install_secret, install_token, is_one_of, new_install_token


def test_it_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    """0600 in a folder that is 0700, and the same afterwards."""
    base = tmp_path / "new" / "base"
    token = install_token(base).get_secret_value()
    assert len(token) > 40
    assert stat.S_IMODE((base / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    assert install_token(base).get_secret_value() == token
    assert [each.name for each in base.iterdir()] == ["token"]


def test_two_first_starts_get_the_same(tmp_path: Path) -> None:
    """Whoever is first, nobody overwrites what the other one printed."""
    for number in range(20):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda base: install_token(base).get_secret_value(), [tmp_path / str(number)] * 8))
        assert len(set(made)) == 1


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It is no secret any more; a new one is the remedy."""
    old = install_token(tmp_path).get_secret_value()
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(SettingsError, match="--new"):
        install_token(tmp_path)
    new = new_install_token(tmp_path).get_secret_value()
    assert new not in ("", old)
    assert install_token(tmp_path).get_secret_value() == new


@pytest.mark.parametrize("text", ["", "short", "with a space in it....", "äöüäöüäöüäöüäöüäöü", "a,b,c,d,e,f,g,h,i,j,k"])
def test_what_is_no_token_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    """Neither in the file nor in the setting."""
    (tmp_path / "token").write_text(text)
    (tmp_path / "token").chmod(0o600)
    for given in (None, SecretStr(text)):
        with pytest.raises(SettingsError) as caught:
            install_token(tmp_path, given)
        assert not text or text not in str(caught.value)


def test_a_setting_wins_and_makes_no_file(tmp_path: Path) -> None:
    """As in a container."""
    assert install_token(tmp_path / "base", SecretStr("0123456789abcdef")).get_secret_value() == "0123456789abcdef"
    assert not (tmp_path / "base").exists()


def test_every_key_is_compared() -> None:
    """The right one counts wherever it stands."""
    token = SecretStr("0123456789abcdef")
    assert is_one_of([b"x", b"0123456789abcdef"], token)
    assert not is_one_of([b"0123456789abcde", b""], token)
    assert not is_one_of([], token)


def test_other_secrets_are_kept_as_the_token_is(tmp_path: Path) -> None:
    """Each in a file of its own, 0600; a setting wins; and one that others can read is refused with its own remedy."""
    made = install_secret(tmp_path, "handoff-secret", None, "VOICEMODE_HANDOFF_SECRET").get_secret_value()
    path = tmp_path / "handoff-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made == install_secret(tmp_path, "handoff-secret", None, "VOICEMODE_HANDOFF_SECRET").get_secret_value()
    assert made != install_token(tmp_path).get_secret_value()
    given = SecretStr("0123456789abcdef")
    assert install_secret(tmp_path, "handoff-secret", given, "VOICEMODE_HANDOFF_SECRET") is not None
    with pytest.raises(SettingsError, match="VOICEMODE_HANDOFF_SECRET"):
        install_secret(tmp_path, "handoff-secret", SecretStr("short"), "VOICEMODE_HANDOFF_SECRET")
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="remove it"):
        install_secret(tmp_path, "handoff-secret", None, "VOICEMODE_HANDOFF_SECRET")
