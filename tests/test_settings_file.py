"""What changing a setting does to the file, and what it must not do."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from dotenv.parser import parse_stream
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from voicemode.errors import SettingsError
from voicemode.load_config import load_settings
from voicemode.settings import Settings
from voicemode.settings_file import MASK, describe, example_text, set_value, unset_value

EXAMPLE = Path(__file__).parents[1] / "config" / "voicemode.env.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the settings file of a person with the home folder ``tmp_path`` is."""
    return tmp_path / ".voicemode" / "voicemode.env"


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def values(path: Path) -> dict[str, str | None]:
    """What the file says, as its parser reads it."""
    text = path.read_bytes().decode()
    return {binding.key: binding.value for binding in parse_stream(io.StringIO(text, newline="")) if binding.key}


def test_the_first_value_makes_the_file_for_its_owner_only(path: Path) -> None:
    """Keys live in it, so neither file nor new folders are open to others."""
    set_value(path, "VOICEMODE_VOICES", "nova,alloy")
    assert path.read_text() == "VOICEMODE_VOICES=nova,alloy\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["voicemode.env"]


def test_every_new_folder_is_closed_to_others(tmp_path: Path) -> None:
    """Not only the last one."""
    set_value(tmp_path / "a" / "b" / "voicemode.env", "VOICEMODE_VOICES", "nova")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_an_open_file_is_closed_when_it_is_written(path: Path) -> None:
    """An old file that others could read loses that with the first change."""
    written(path, "").chmod(0o644)
    set_value(path, "VOICEMODE_STT_API_KEY", "secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\n\nVOICEMODE_VAD=auto\n\n# end\n", "# mine\n\nVOICEMODE_VAD=silero\n\n# end\n"),
        ("export VOICEMODE_VAD = 'auto' # why\nX=1", "export VOICEMODE_VAD =silero # why\nX=1"),
        ('VOICEMODE_VAD="a#b"#why\n', "VOICEMODE_VAD=silero #why\n"),
        ("VOICEMODE_VAD= # empty\n", "VOICEMODE_VAD=silero # empty\n"),
        ("VOICEMODE_VAD=auto", "VOICEMODE_VAD=silero"),
        ("VOICEMODE_VAD=auto\r\nA=b\r\n", "VOICEMODE_VAD=silero\r\nA=b\r\n"),
        ("A=b\r\n", "A=b\r\nVOICEMODE_VAD=silero\r\n"),
        ("A=b", "A=b\nVOICEMODE_VAD=silero\n"),
        ("VOICEMODE_VAD=auto\nVOICEMODE_VAD=auto\n", "VOICEMODE_VAD=auto\nVOICEMODE_VAD=silero\n"),
        ("# help\n# VOICEMODE_VAD=auto\n\n# more\n", "# help\n# VOICEMODE_VAD=auto\nVOICEMODE_VAD=silero\n\n# more\n"),
    ],
)
def test_only_the_value_changes(path: Path, before: str, after: str) -> None:
    """Comments, order, blank lines and line ends stay; a new line goes below its example, or to the end."""
    set_value(written(path, before), "VOICEMODE_VAD", "silero")
    assert path.read_bytes().decode() == after


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(
        st.one_of(st.sampled_from("'\"\\#$`{}()% =\u00e9"), st.characters(categories=["L", "N", "P", "S", "Zs"])), max_size=40
    ),
    st.sampled_from(["", "VOICEMODE_INPUT_DEVICE='old \\' one' # why\n", "# VOICEMODE_INPUT_DEVICE=\n", "A='x'\n"]),
)
@example("\\'", "")
@example("$(touch x) `id` ${HOME} %h", "")
@example(" spaces ", "")
@example("#", "VOICEMODE_INPUT_DEVICE=\n")
def test_every_value_is_read_back_as_it_was_given(path: Path, value: str, before: str) -> None:
    """Quotes, hash signs, backslashes, spaces and dollars survive the file's syntax."""
    set_value(written(path, before), "VOICEMODE_INPUT_DEVICE", value)
    assert values(path)["VOICEMODE_INPUT_DEVICE"] == value
    assert load_settings({}, path.parents[1], path.parents[1]).settings.input_device == value.strip()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("VOICEMODE_TTS_SPEED", "9"),
        ("VOICEMODE_VAD", "loud"),
        ("VOICEMODE_VOICE", "nova"),
        ("voices", "nova"),
        ("VOICEMODE_INPUT_DEVICE", "a\nVOICEMODE_LOCAL_ONLY=false"),
        ("VOICEMODE_BASE_DIR", "~root/x"),
    ],
)
def test_a_bad_value_leaves_the_file_untouched(path: Path, key: str, value: str) -> None:
    """Validation comes before the first byte is written."""
    written(path, "# mine\n")
    with pytest.raises(SettingsError):
        set_value(path, key, value)
    assert path.read_text() == "# mine\n"
    assert [found.name for found in path.parent.iterdir()] == ["voicemode.env"]


def test_a_file_with_a_bad_line_is_not_rewritten(path: Path) -> None:
    """What cannot be read cannot be kept."""
    written(path, "what is this\n")
    with pytest.raises(SettingsError, match=r"voicemode\.env:1"):
        set_value(path, "VOICEMODE_VAD", "silero")
    assert path.read_text() == "what is this\n"


def test_an_unset_value_is_gone_wherever_it_was_set(path: Path) -> None:
    """All lines of the key go, and nothing else."""
    written(path, "# a\nVOICEMODE_VAD=auto\n\nVOICEMODE_VAD='x' # y\n# b\n")
    unset_value(path, "VOICEMODE_VAD")
    assert path.read_text() == "# a\n\n# b\n"


def test_what_is_not_set_can_be_unset(path: Path) -> None:
    """Neither a missing file nor a missing key is an error, and no file is made."""
    unset_value(path, "VOICEMODE_VAD")
    assert not path.exists()
    with pytest.raises(SettingsError, match="VOICEMODE_VOICES"):
        unset_value(path, "VOICEMODE_VOICE")


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """Dotfile managers keep the file elsewhere."""
    real = written(tmp_path / "dotfiles" / "voice", "# mine\n")
    path.parent.mkdir()
    path.symlink_to(real)
    set_value(path, "VOICEMODE_VAD", "silero")
    assert path.is_symlink()
    assert real.read_text() == "# mine\nVOICEMODE_VAD=silero\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error says which file and why."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be"):
        set_value(tmp_path / "file" / "voicemode.env", "VOICEMODE_VAD", "silero")


def test_every_setting_is_described_and_keys_are_masked(tmp_path: Path) -> None:
    """The list shows value, source, meaning and default, but never a key."""
    loaded = load_settings({"VOICEMODE_TTS_API_KEY": "hunter2", "VOICEMODE_VOICES": "a, b"}, tmp_path, tmp_path)
    facts = {fact.name: fact for fact in describe(loaded)}
    assert len(facts) == len(Settings.model_fields)
    assert facts["VOICEMODE_TTS_API_KEY"].value == MASK
    assert facts["VOICEMODE_STT_API_KEY"].value == ""
    assert facts["VOICEMODE_VOICES"].value == "a,b"
    assert facts["VOICEMODE_VOICES"].source == "environment"
    assert facts["VOICEMODE_PATIENCE"].allowed == "quick, normal, patient"
    assert all(fact.description for fact in facts.values())
    assert "hunter2" not in repr(facts)


def test_the_example_file_is_in_step_with_the_settings() -> None:
    """Run 'python -c "from voicemode.settings_file import example_text; print(example_text(), end=str())"' to renew it."""
    assert EXAMPLE.read_text() == example_text()


def test_the_example_file_says_the_defaults(path: Path) -> None:
    """Uncommented as a whole, it changes nothing."""
    lines = [line.removeprefix("# ") if line.startswith("# VOICEMODE_") else line for line in EXAMPLE.read_text().split("\n")]
    home = written(path, "\n".join(lines)).parents[1]
    path.chmod(0o600)
    loaded = load_settings({}, home, home)
    assert sum(line.startswith("VOICEMODE_") for line in lines) == len(Settings.model_fields)
    assert loaded.settings == load_settings({}, home, home / "nobody").settings.model_copy(
        update={"base_dir": home / ".voicemode"}
    )
    assert loaded.warnings == ()
