"""The official client, unmodified, against the service in a process of its own."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests_services.running import CLIP, Running
from tests_services.whisper.conftest import TEXT, TRANSLATED


@pytest.fixture
def client(whisper: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{whisper.url}/v1", api_key="none", max_retries=0, timeout=30) as client:
        yield client


def silence(seconds: int) -> io.BytesIO:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000 * seconds))
    out.seek(0)
    out.name = "silence.wav"
    return out


def test_json_is_the_text(client: OpenAI) -> None:
    """With the seconds that were heard."""
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=CLIP, language="en", prompt="Fixtures,", temperature=0.3
    )
    assert answer.text == TEXT
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == 3


def test_text_is_bare(client: OpenAI) -> None:
    """One line."""
    assert client.audio.transcriptions.create(model="whisper-1", file=CLIP, response_format="text") == TEXT + "\n"


def test_subtitles_have_a_cue_for_each_segment(client: OpenAI) -> None:
    """As SubRip and as WebVTT."""
    srt = client.audio.transcriptions.create(model="whisper-1", file=CLIP, response_format="srt")
    vtt = client.audio.transcriptions.create(model="whisper-1", file=CLIP, response_format="vtt")
    assert srt.startswith("1\n00:00:00,")
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    assert srt.count(" --> ") == vtt.count(" --> ") == 2


def test_verbose_json_has_the_times_asked_for(client: OpenAI) -> None:
    """Segments where nothing was said about it, words where words were asked for; none beyond the sound."""
    plain = client.audio.transcriptions.create(model="whisper-1", file=CLIP, response_format="verbose_json")
    words = client.audio.transcriptions.create(
        model="whisper-1", file=CLIP, response_format="verbose_json", timestamp_granularities=["word"]
    )
    both = client.audio.transcriptions.create(
        model="whisper-1", file=CLIP, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (plain.language, plain.text) == ("en", TEXT)
    assert plain.duration == pytest.approx(2.786, abs=0.001)
    assert plain.segments is not None
    assert [segment.text for segment in plain.segments] == [" Hello world, this is", " a fixture."]
    assert (plain.words, words.segments) == (None, None)
    assert words.words is not None
    assert [word.word for word in words.words] == TEXT.split()
    assert all(0 <= word.start <= word.end <= words.duration for word in words.words)
    assert both.segments
    assert both.words


def test_a_stream_ends_with_the_text_that_its_deltas_make(client: OpenAI) -> None:
    """As the client's own event types."""
    events = list(client.audio.transcriptions.create(model="whisper-1", file=CLIP, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.delta", "transcript.text.done"]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == TEXT
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == TEXT


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI's, of its own model
def test_translations_are_translated(client: OpenAI) -> None:
    """The engine is given the other task."""
    assert client.audio.translations.create(model="whisper-1", file=CLIP).text == TRANSLATED


def test_silence_gives_no_words(client: OpenAI) -> None:
    """In any format; though this model says something of every sound it is given."""
    assert client.audio.transcriptions.create(model="whisper-1", file=silence(3)).text == ""
    verbose = client.audio.transcriptions.create(model="whisper-1", file=silence(3), response_format="verbose_json")
    assert (verbose.text, verbose.segments, verbose.duration) == ("", [], 3)
    events = list(client.audio.transcriptions.create(model="whisper-1", file=silence(3), stream=True))
    assert [event.type for event in events] == ["transcript.text.done"]


def test_silence_is_heard_where_the_client_wants_it(client: OpenAI) -> None:
    """Without the filter the model is asked."""
    answer = client.audio.transcriptions.create(model="whisper-1", file=silence(3), extra_body={"vad_filter": False})
    assert answer.text == TEXT


def test_models_are_listed_and_found(client: OpenAI) -> None:
    """Under the names that requests may use."""
    names = [model.id for model in client.models.list()]
    assert {"toy-fixture", "whisper-1"} <= set(names)
    for name in names:
        assert client.models.retrieve(name).id == name
        assert client.audio.transcriptions.create(model=name, file=CLIP).text == TEXT
