"""What an answer shows, and what it does not: no person's voice goes to a program that happens to listen."""

from __future__ import annotations

import pytest

from voicemode.core.failover import UNDECLARED, Declared, Task
from voicemode.providers.known_services import KNOWN_SERVICES, Answers, declared_by, identified
from voicemode.wire.catalog import Model, Voice

KOKORO = Answers((Model("tts-1", "tts"), Model("kokoro", "tts")), (Voice("af_sky"), Voice("bm_george"), Voice("ff_siwis")))
SPEACHES = Answers(
    (
        Model("Systran/faster-whisper-small", "stt", ("en", "de")),
        Model("Systran/faster-whisper-small.en", "stt"),
        Model("speaches-ai/piper-en_US-lessac-medium", "tts", ("en",), (Voice("lessac", "en-us"),)),
        Model("speaches-ai/Kokoro-82M", "tts", (), (Voice("af_heart", "en-us"), Voice("pf_dora", "pt-br"))),
        Model("silero_vad_v5", "other"),
    ),
    (Voice("lessac"), Voice("af_heart"), Voice("pf_dora")),
)
OLLAMA = Answers((Model("gpt-oss:120b-cloud"), Model("llama3.2:latest"), Model("nomic-embed-text:latest", "other")))


def test_every_known_port_is_looked_at_on_this_machine_only() -> None:
    """The ports that the manual promises, at the loopback address."""
    assert {known.port: known.tasks for known in KNOWN_SERVICES} == {
        2022: ("stt",),
        8880: ("tts",),
        8000: ("stt", "tts"),
        8890: ("stt", "tts"),
        11434: ("chat",),
        8080: ("chat",),
    }
    assert all(known.url == f"http://127.0.0.1:{known.port}/v1" for known in KNOWN_SERVICES)


def test_kokoro_says_its_models_voices_and_languages() -> None:
    """The languages are those of its voices, since each tells its own."""
    assert identified(KOKORO, "tts", ("tts-1",)) == Declared(
        models=("tts-1", "kokoro"), voices=("af_sky", "bm_george", "ff_siwis"), languages=("en-us", "en-gb", "fr")
    )
    assert identified(KOKORO, "stt", ("whisper-1",)) is None


def test_voices_that_keep_their_language_to_themselves_restrict_nothing() -> None:
    """One that may speak anything is enough; "jo" is a name, not a language."""
    open_voices = Answers((Model("tts-1", "tts"),), (Voice("alloy"), Voice("af_sky")))
    short = Answers((Model("tts-1", "tts"),), (Voice("jo"), Voice("al")))
    for answers in (open_voices, short):
        declared = identified(answers, "tts", ())
        assert declared is not None
        assert declared.languages is None


def test_of_many_models_the_one_that_will_be_used_counts() -> None:
    """Its voices and languages, not those of all the models together."""
    kokoro = identified(SPEACHES, "tts", ("tts-1", "speaches-ai/Kokoro-82M"))
    assert kokoro is not None
    assert kokoro.voices == ("af_heart", "pf_dora")
    assert kokoro.languages == ("en-us", "pt-br")
    first = identified(SPEACHES, "tts", ("tts-1",))
    assert first is not None
    assert first.voices == ("lessac",)
    assert first.languages == ("en",)


def test_an_english_whisper_is_for_english() -> None:
    """It would write any other language down as English words."""
    wanted = "Systran/faster-whisper-small.en"
    declared = identified(SPEACHES, "stt", (wanted,))
    assert declared is not None
    assert declared.languages == ("en",)
    assert wanted in (declared.models or ())


def test_whisper_cpp_is_known_by_itself() -> None:
    """It has no list of models; it transcribes, and does nothing else."""
    answers = Answers(whisper_cpp=True)
    assert identified(answers, "stt", ("whisper-1",)) == UNDECLARED
    assert identified(answers, "tts", ("tts-1",)) is None


def test_models_that_run_in_a_cloud_are_not_on_this_machine() -> None:
    """Ollama lists them beside the others; what is said to them leaves the machine without anybody's consent."""
    assert identified(OLLAMA, "chat", ()) == Declared(models=("llama3.2:latest",))
    assert identified(Answers((Model("gpt-oss:120b-cloud"), Model("kimi-k2:cloud"))), "chat", ()) is None


@pytest.mark.parametrize("task", ["tts", "stt", "chat"])
@pytest.mark.parametrize("answers", [Answers(), Answers(models=()), Answers(models=(), voices=())])
def test_who_shows_nothing_is_nobody(answers: Answers, task: Task) -> None:
    """A web app, or a service that has no model yet."""
    assert identified(answers, task, ("tts-1", "whisper-1")) is None


def test_a_server_of_language_models_gets_no_voice() -> None:
    """vLLM listens on port 8000 too."""
    answers = Answers((Model("meta-llama/Llama-3.1-8B-Instruct"),))
    assert identified(answers, "stt", ("whisper-1",)) is None
    assert identified(answers, "tts", ("tts-1",)) is None


def test_voices_alone_show_that_it_speaks() -> None:
    """Some services list their voices and no models, or models of names of their own."""
    assert identified(Answers(voices=(Voice("anna"),)), "tts", ("tts-1",)) == Declared(voices=("anna",))
    own = Answers((Model("mine"),), (Voice("anna"),))
    assert identified(own, "tts", ("tts-1",)) == Declared(models=("mine",), voices=("anna",))


def test_a_named_endpoint_needs_to_show_nothing() -> None:
    """The person says what it is for; models of another task are not asked for, and a list of only those is not believed."""
    assert declared_by(Answers(), "stt", ("whisper-1",)) == UNDECLARED
    assert declared_by(Answers(models=()), "tts", ("tts-1",)) == UNDECLARED
    assert declared_by(Answers((Model("large-v3"), Model("tts-1", "tts"))), "stt", ()) == Declared(models=("large-v3",))
    assert declared_by(Answers((Model("kokoro-asr-v9", "tts"),)), "stt", ("whisper-1",)) == UNDECLARED
    assert declared_by(KOKORO, "tts", ("tts-1",)) == identified(KOKORO, "tts", ("tts-1",))


def test_a_service_that_streams_says_so() -> None:
    """Named or found; one that does not say it is not taken to."""
    for live in (True, False):
        answers = Answers((Model("whisper-1", "stt", live=live),))
        found = identified(answers, "stt", ("whisper-1",))
        assert found is not None
        assert found.live is declared_by(answers, "stt", ("whisper-1",)).live is (True if live else None)
