"""Which endpoint is asked, which after it, and the reasons."""

from __future__ import annotations

import pytest

from voicemode.core.breaker import Breaker, Failure
from voicemode.core.failover import UNDECLARED, Candidate, Choice, Decision, Declared, Need, Origin, choose, in_order
from voicemode.core.health import Health
from voicemode.core.tally import STALE_S

NOW = 100.0
SPEAK = Need(task="tts", voice="af_sky", language="en", format="pcm", streaming=True)


def well(first_byte_s: float | None = None, *, in_flight: int = 0, used_at: float = NOW - 10) -> Health:
    """An endpoint that answered after so long; None: that was never asked."""
    health = Health.new(lambda: 0.0)
    if first_byte_s is not None:
        health.worked(health.begin(used_at), used_at + first_byte_s)
    for _ in range(in_flight):
        health.begin(NOW)
    return health


def ill(failure: Failure = Failure.BROKEN, *, ago_s: float = 0.0, retry_after_s: float | None = None) -> Health:
    """An endpoint that failed a while ago; it is left alone for a second after that, or as it wished."""
    health = Health.new(lambda: 0.0)
    health.failed(health.begin(NOW - ago_s), NOW - ago_s, failure, "crashed.", retry_after_s)
    return health


def candidate(
    name: str, *, origin: Origin = Origin.NAMED, rank: int = 0, declared: Declared = UNDECLARED, health: Health | None = None
) -> Candidate:
    return Candidate(name=name, origin=origin, rank=rank, declared=declared, health=health or well())


def names(choices: tuple[Choice, ...]) -> list[str]:
    return [choice.name for choice in choices]


def decide(*candidates: Candidate, need: Need = SPEAK) -> Decision:
    return choose(candidates, need, NOW)


# -- the order, one criterion at a time, each against everything that counts less


def test_the_one_that_spoke_before_goes_first() -> None:
    """The voice does not change in mid-message, whatever else there is to be said against it."""
    a = candidate("a", health=well(0.1))
    b = candidate("b", origin=Origin.BUILTIN, declared=Declared(voices=("en",), streams=False), health=well(9.0))
    decision = decide(a, b, need=Need(task="tts", voice="af_sky", streaming=True, previous="b"))
    assert names(decision.order) == ["b", "a"]
    assert decision.order[0].reasons[0] == "spoke the sentence before"
    assert decision.order[1].reasons[0] == "named in the settings at place 1"


def test_the_one_that_spoke_before_is_not_asked_when_its_breaker_is_open() -> None:
    """It sticks while it is admitted."""
    decision = decide(candidate("a"), candidate("b", health=ill()), need=Need(task="tts", previous="b"))
    assert (names(decision.order), names(decision.passed_over)) == (["a"], ["b"])


def test_the_order_of_the_person_goes_before_capability_health_and_speed() -> None:
    """As written, then found, then the cloud, then built in."""
    poor = Declared(voices=("en",), formats=("mp3",), streams=False)
    decision = decide(
        candidate("built in", origin=Origin.BUILTIN, health=well(0.01)),
        candidate("cloud", origin=Origin.CLOUD, health=well(0.1)),
        candidate("found", origin=Origin.FOUND, health=well(1.0)),
        candidate("second", rank=1, health=well(5.0)),
        candidate("first", rank=0, declared=poor, health=ill(ago_s=2.0)),
    )
    assert names(decision.order) == ["first", "second", "found", "cloud", "built in"]
    assert [choice.reasons[0] for choice in decision.order] == [
        "named in the settings at place 1",
        "named in the settings at place 2",
        "found on this machine",
        "in the cloud",
        "built in",
    ]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (Declared(voices=("af_bella", "am_adam")), "has no voice 'af_sky', its nearest is 'af_bella'"),
        (Declared(voices=("zf_xiaobei",)), "has no voice 'af_sky', its nearest is 'zf_xiaobei'"),
        (Declared(voices=()), "has no voice 'af_sky'"),
        (Declared(formats=("mp3", "wav")), "does not offer pcm"),
        (Declared(streams=False), "does not stream"),
    ],
)
def test_capability_goes_before_health_and_speed(declared: Declared, reason: str) -> None:
    """Among equals who lacks something comes second, and says what."""
    decision = decide(candidate("a", declared=declared, health=well(0.1)), candidate("b", health=ill(ago_s=2.0)))
    assert names(decision.order) == ["b", "a"]
    assert reason in decision.order[1].reasons


def test_who_lacks_less_goes_before_who_lacks_more() -> None:
    """Each wish counts one."""
    nothing = Declared(voices=("en",), formats=("mp3",), streams=False)
    decision = decide(
        candidate("lacks three", declared=nothing),
        candidate("lacks one", declared=Declared(streams=False)),
        candidate("has all", declared=Declared(voices=("AF_Sky",), formats=("pcm",), streams=True, models=("m",))),
    )
    assert names(decision.order) == ["has all", "lacks one", "lacks three"]


def test_what_nobody_wished_for_is_no_shortcoming() -> None:
    """A transcription needs no voice."""
    declared = Declared(voices=("en",), formats=("mp3",), streams=False)
    decision = decide(candidate("a", declared=declared), need=Need(task="stt"))
    assert decision.order[0].reasons == ("named in the settings at place 1", "latency not known yet")


def test_health_goes_before_speed() -> None:
    """One that is to be tried again comes after a slow one that works, and is marked."""
    decision = decide(candidate("a", health=ill(ago_s=2.0)), candidate("b", health=well(0.5, used_at=NOW - 1)))
    assert names(decision.order) == ["b", "a"]
    assert [choice.probe for choice in decision.order] == [False, True]
    assert "is tried again after: crashed" in decision.order[1].reasons


def test_one_that_failed_long_ago_is_tried_although_its_equal_works() -> None:
    """Else it would never get its share back."""
    decision = decide(candidate("a", health=well(0.1)), candidate("b", health=ill(ago_s=STALE_S + 1)))
    assert names(decision.order) == ["b", "a"]
    assert decision.order[0].probe


def test_the_lowest_latency_goes_before_fewest_in_flight() -> None:
    """If it differs by more than noise."""
    decision = decide(candidate("a", health=well(0.5)), candidate("b", health=well(0.1, in_flight=3)))
    assert names(decision.order) == ["b", "a"]
    assert decision.order[0].reasons[-1] == "answers in about 100 ms, 3 in flight"
    assert decision.order[1].reasons[-1] == "answers in about 500 ms"


@pytest.mark.parametrize(("fast_s", "slow_s"), [(0.1, 0.19), (0.001, 0.02), (0.1, None)])
def test_latencies_that_are_nearly_the_same_or_unknown_are_equal(fast_s: float, slow_s: float | None) -> None:
    """Then the fewest requests in flight count."""
    busy, idle = well(fast_s, used_at=NOW - 20), well(slow_s)
    busy.begin(NOW)
    assert names(decide(candidate("a", health=busy), candidate("b", health=idle)).order) == ["b", "a"]


def test_who_waited_longest_goes_first_among_idle_equals() -> None:
    """So that all of them take turns."""
    decision = decide(
        candidate("a", health=well(0.1, used_at=NOW - 5)),
        candidate("b", health=well(0.1, used_at=NOW - 9)),
        candidate("c", health=well()),
    )
    assert names(decision.order) == ["c", "b", "a"]


def test_speed_is_compared_within_a_place_only() -> None:
    """The fastest of all makes nobody slow who is at another place."""
    busy, idle = well(1.0), well(1.5)
    busy.begin(NOW)
    decision = decide(candidate("a", health=busy), candidate("b", health=idle), candidate("fast", rank=1, health=well(0.01)))
    assert names(decision.order) == ["b", "a", "fast"]


# -- who is passed over


@pytest.mark.parametrize(
    ("languages", "wanted", "able"),
    [
        (("de", "fr"), "en", False),
        ((), "en", False),
        (("en",), "en-GB", True),
        (("en-US",), "en_gb", True),
        (("cmn",), "zh", True),
        (None, "fi", True),
        (("de",), None, True),
    ],
)
def test_who_does_not_know_the_language_is_never_asked(
    languages: tuple[str, ...] | None, wanted: str | None, able: bool
) -> None:
    """Not even when nobody else is left; who does not tell is asked."""
    decision = decide(candidate("a", declared=Declared(languages=languages)), need=Need(task="stt", language=wanted))
    assert bool(decision.order) is able
    if not able:
        assert decision.passed_over == (Choice("a", (f"does not know the language '{wanted}'",)),)


def test_who_offers_no_model_is_never_asked() -> None:
    """An empty list is a declaration; none is not."""
    decision = decide(candidate("a", declared=Declared(models=())), candidate("b", declared=Declared(models=("m",))))
    assert decision.passed_over == (Choice("a", ("offers no model for it",)),)
    assert names(decision.order) == ["b"]


def test_passed_over_endpoints_carry_their_reason() -> None:
    """With the time that is left, who tries it, or what must change."""
    being_tried = ill(ago_s=2.0)
    being_tried.begin(NOW)
    decision = decide(
        candidate("left alone", health=ill()),
        candidate("busy", health=ill(Failure.BUSY, retry_after_s=40.0)),
        candidate("forbidden", health=ill(Failure.FORBIDDEN)),
        candidate("tried", health=being_tried),
        candidate("works"),
    )
    assert names(decision.order) == ["works"]
    assert decision.passed_over == (
        Choice("left alone", ("is left alone for 1 s more after: crashed",)),
        Choice("busy", ("is left alone for 40 s more after: crashed",)),
        Choice("forbidden", ("is not asked until the settings change after: crashed",)),
        Choice("tried", ("is being tried by another request after: crashed",)),
    )


def test_when_nobody_is_admitted_the_first_due_is_asked_early() -> None:
    """One only; and not who said itself when to come back, is forbidden, is being tried, or cannot do it."""
    being_tried = ill(ago_s=2.0)
    being_tried.begin(NOW)
    decision = decide(
        candidate("due later", health=ill()),
        candidate("due first", rank=5, health=ill(ago_s=0.5)),
        candidate("busy", health=ill(Failure.BUSY, ago_s=0.9)),
        candidate("forbidden", health=ill(Failure.FORBIDDEN)),
        candidate("tried", health=being_tried),
        candidate("unable", declared=Declared(models=()), health=ill(ago_s=0.8)),
    )
    assert (names(decision.order), decision.order[0].probe) == (["due first"], True)
    assert names(decision.passed_over) == ["due later", "busy", "forbidden", "tried", "unable"]


def test_nobody_is_asked_early_while_somebody_can_be_asked_in_time() -> None:
    """Be it the last of them."""
    decision = decide(candidate("a", health=ill(ago_s=0.5)), candidate("b", origin=Origin.BUILTIN))
    assert names(decision.order) == ["b"]
    unable = candidate("b", declared=Declared(models=()))
    assert names(decide(candidate("a", health=ill(ago_s=0.5)), unable).order) == ["a"]


def test_without_candidates_nobody_is_asked() -> None:
    """And nobody is passed over."""
    assert decide() == Decision((), ())


def test_deciding_changes_nothing() -> None:
    """Asked twice, it says the same."""
    candidates = [candidate("a", health=ill(ago_s=2.0)), candidate("b", health=ill()), candidate("c", health=well(0.1))]
    assert choose(candidates, SPEAK, NOW) == choose(candidates, SPEAK, NOW)
    assert isinstance(candidates[0].health.breaker, Breaker)
    assert candidates[0].health.breaker.admits(NOW)


# -- the voice


@pytest.mark.parametrize(
    ("wanted", "language", "voices", "asked"),
    [
        ("af_sky", "en", None, "af_sky"),
        ("af_sky", "en", ("af_bella", "af_sky"), "af_sky"),
        ("af_sky+am_adam", "en", ("am_adam", "af_sky"), "af_sky+am_adam"),
        ("af_sky", "en", ("alloy", "onyx", "nova"), "nova"),
        ("onyx", "en-GB", ("af_sky", "bf_emma", "bm_george"), "bm_george"),
        ("af_sky", "de", ("de", "en-us"), "de"),
        ("nova", "de", ("en_US-ryan-high", "de_DE-thorsten-medium"), "de_DE-thorsten-medium"),
        ("af_sky", "en-US", ("de-DE-KatjaNeural", "en-US-JennyNeural"), "en-US-JennyNeural"),
        ("my-own-clone", "en", ("alloy", "nova"), "my-own-clone"),
        ("af_sky", "en", (), None),
        (None, "en", ("alloy",), None),
    ],
)
def test_the_voice_to_ask_for(wanted: str | None, language: str, voices: tuple[str, ...] | None, asked: str | None) -> None:
    """The wanted one, the nearest to it, an unknown name untouched, or none, which leaves the choice to the endpoint."""
    need = Need(task="tts", voice=wanted, language=language)
    assert decide(candidate("a", declared=Declared(voices=voices)), need=need).order[0].voice == asked


def test_everyone_in_order_whatever_their_health() -> None:
    """By the person's order and capability, with the voice; without those who cannot do it."""
    choices = in_order(
        [
            candidate("last", origin=Origin.BUILTIN),
            candidate("second", rank=0, declared=Declared(voices=("nova",))),
            candidate("first", rank=0, health=ill()),
            candidate("unable", declared=Declared(languages=("fi",))),
        ],
        SPEAK,
    )
    assert [(choice.name, choice.voice) for choice in choices] == [("first", "af_sky"), ("second", "nova"), ("last", "af_sky")]
