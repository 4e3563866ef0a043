"""A timeline as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sample_turn import sample_turn
from voicemode.core.timeline import Timeline, without_words
from voicemode.core.timeline_json import TimelineFormatError, decode, encode

TREE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=8), each, max_size=4),
    max_leaves=12,
)


def changed(**values: object) -> str:
    return json.dumps({**json.loads(encode(sample_turn())), **values})


def test_what_is_written_is_read() -> None:
    """With and without words, and with nothing at all."""
    for timeline in (sample_turn(), without_words(sample_turn()), Timeline()):
        assert decode(encode(timeline)) == timeline
        assert decode(encode(timeline).encode()) == timeline


def test_it_is_one_object_with_a_version() -> None:
    """Programs look at the version first, so it comes first."""
    text = encode(sample_turn())
    assert text.startswith('{"version":1,')
    assert "\n" not in text
    written = json.loads(text)
    assert written["microphone_dbfs"][160] == -20
    assert written["scores"][0] == {"at": 4.4, "probability": 0.2, "who": "smart-turn", "arrived": 4.52}
    assert written["moments"][0] == {"at": 2.5, "what": "listening"}


def test_times_have_milliseconds() -> None:
    """More is noise, and makes the file longer."""
    assert '"lasted_s":1.235,' in encode(Timeline(lasted_s=1.2345678))


def test_what_a_later_release_adds_is_ignored() -> None:
    """As long as it says that the version is the same."""
    assert decode(changed(mood="curious")) == sample_turn()


def test_another_version_is_told_from_damage() -> None:
    """So that somebody who went back to an older release learns why."""
    with pytest.raises(TimelineFormatError) as told:
        decode(changed(version=2))
    assert told.value.version == 2
    with pytest.raises(TimelineFormatError) as told:
        decode(changed(version="1"))
    assert told.value.version is None


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ""),
        ("[]", ""),
        (encode(sample_turn())[:-100], ""),
        (b"\xff\xfe", ""),
        ("[" * 100_000, ""),
        (changed(lasted_s="long"), "lasted_s"),
        (changed(lasted_s=True), "lasted_s"),
        (changed(lasted_s=float("nan")), "lasted_s"),
        (changed(lasted_s=1e300), "lasted_s"),
        (changed(text=1.5), "text"),
        (changed(text=None), "text"),
        (changed(microphone_dbfs=[-20, "loud"]), "microphone_dbfs[1]"),
        (changed(microphone_dbfs=[-20, 10**30]), "microphone_dbfs[1]"),
        (changed(microphone_dbfs=[0] * 30_001), "microphone_dbfs"),
        (changed(microphone_dbfs={}), "microphone_dbfs"),
        (changed(moments=[{"at": 1, "what": "sneeze"}]), "moments[0].what"),
        (changed(moments=[{"at": 1, "what": ["speech"]}]), "moments[0].what"),
        (changed(moments=[{"at": 1}]), "moments[0]"),
        (changed(moments=[None]), "moments[0]"),
        (changed(engines={"stt": 1}), "engines.stt"),
        (changed(timings_ms=[]), "timings_ms"),
        (changed(grain_s=0.03), "grain_s"),
        (changed(grain_s=0.01), "grain_s"),
        (changed(grain_s=0), "grain_s"),
    ],
)
def test_damage_is_told_with_its_place(text: str | bytes, where: str) -> None:
    """As one kind of error, whatever it is."""
    with pytest.raises(TimelineFormatError) as told:
        decode(text)
    assert told.value.where == where
    assert told.value.version is None


@given(st.dictionaries(st.sampled_from([*Timeline.__dataclass_fields__]), TREE))
@settings(max_examples=300, deadline=None)
def test_nothing_else_is_raised(values: dict[str, Any]) -> None:
    """Any JSON is either read, and then written again as it was understood, or refused."""
    try:
        timeline = decode(json.dumps({**values, "version": 1}))
    except TimelineFormatError:
        return
    assert decode(encode(timeline)) == decode(encode(decode(encode(timeline))))
