"""A message on its way to a loudspeaker that plays in (virtual) real time: what a listener hears when engines die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_time import VIRTUAL_TIME
from voicemode.audio import AudioChunk
from voicemode.core.holdback import MARGIN_S, hold_s
from voicemode.engines.file_audio import FileSpeaker
from voicemode.errors import EndpointError, RequestError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesizer
from voicemode.runtime.playback import Placed, Player, Spoken, speak

pytestmark = pytest.mark.anyio

RATE = 24_000
CHUNK_S = 0.1
PIECES = ["One.", "Two.", "Three.", "Four.", "Five.", "Six."]


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Loudspeaker:
    """Plays what is queued, one chunk after another, and remembers what was heard and when."""

    heard: list[list[float]] = field(default_factory=list)
    """Beginning, end, and value of the samples of each chunk."""
    dropouts: int = 0
    withdrawals: int = 0

    @property
    def audible_until(self) -> float | None:
        return self.heard[-1][1] if self.heard else None

    @property
    def queued_s(self) -> float:
        return max((self.audible_until or 0.0) - _now(), 0.0)

    async def play(self, chunk: AudioChunk) -> None:
        while self.queued_s > 10:
            await asyncio.sleep(0.05)
        if self.heard and self.heard[-1][1] < _now() - 1e-6:
            self.dropouts += 1
        begin = _now() + self.queued_s
        self.heard.append([begin, begin + chunk.seconds, float(chunk.samples[0])])

    def mark(self) -> int:
        return len(self.heard)

    def withdraw(self, mark: int) -> None:
        self.withdrawals += 1
        now = _now()
        kept = [each for number, each in enumerate(self.heard) if number < mark or each[0] < now]
        for each in kept[mark:]:
            each[1] = min(each[1], now)
        self.heard = kept

    def story(self) -> list[tuple[int, float]]:
        """Which piece by which engine (10 x engine + piece), and for how many seconds, in the order of hearing."""
        told: list[tuple[int, float]] = []
        for begin, end, value in self.heard:
            if told and told[-1][0] == value:
                told[-1] = (told[-1][0], round(told[-1][1] + end - begin, 3))
            else:
                told.append((int(value), round(end - begin, 3)))
        return told


@dataclass
class Engines:
    """A synthesizer of several engines, each at ``pace`` times real time. One that broke off is not used again."""

    breaks: dict[tuple[int, int], int] = field(default_factory=dict)
    """After how many chunks an engine breaks off, by engine and piece."""
    pace: float = 4.0
    first_s: float = 0.05
    length_s: float = 2.0
    spares: int = 2
    requests: list[SpeechRequest] = field(default_factory=list)
    down: set[int] = field(default_factory=set)
    open: int = 0
    """Syntheses that are under way."""
    refuse: VoicemodeError | None = None
    """Raised when nobody is left."""

    @property
    def name(self) -> str:
        return "engines"

    def synthesize(self, request: SpeechRequest) -> Speech:
        self.requests.append(request)
        return Speech(self, request)

    async def aclose(self) -> None: ...


@dataclass
class Speech:
    owner: Engines
    request: SpeechRequest
    engine: str = ""
    failed: tuple[str, ...] = ()

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        owner = self.owner
        owner.open += 1
        try:
            left = [number for number in range(1 + owner.spares) if number not in owner.down]
            if not left:
                raise SpeechFailedError("text-to-speech", [EndpointError("last", "refused")])
            engine, piece = left[0], PIECES.index(self.request.text)
            self.engine = f"engine{engine}"
            await asyncio.sleep(owner.first_s)
            samples = np.full(round(CHUNK_S * RATE), 10 * engine + piece, dtype=np.int16)
            for number in range(round(owner.length_s / CHUNK_S)):
                if number == owner.breaks.get((engine, piece)):
                    owner.down.add(engine)
                    raise EndpointError(self.engine, "broke off in mid-answer")
                yield AudioChunk(samples, RATE)
                await asyncio.sleep(CHUNK_S / owner.pace)
        finally:
            owner.open -= 1

    async def aclose(self) -> None: ...


async def _speak(engines: Engines, speaker: Player, on_first_chunk: Callable[[str], None] = lambda _: None) -> Spoken:
    synthesizer: Synthesizer = engines
    return await speak(PIECES, SpeechRequest("", voice="v"), synthesizer, speaker, on_first_chunk, clock=_now)


class TestHealthy:
    """Nothing is later, and nothing is missing, for the sake of what may go wrong."""

    @pytest.mark.parametrize("pace", [1.2, 1.5, 4.0, 1000.0])
    async def test_every_piece_is_heard_once_in_order_and_without_a_gap(self, pace: float) -> None:
        """Also by an engine that is hardly faster than the loudspeaker."""
        speaker, engines = Loudspeaker(), Engines(pace=pace)
        spoken = await _speak(engines, speaker)
        assert speaker.story() == [(piece, 2.0) for piece in range(6)]
        assert (speaker.dropouts, spoken) == (0, Spoken("engine0", (), ("engine0",)))

    async def test_the_first_piece_sounds_as_soon_as_its_first_chunk_is_there(self) -> None:
        """And whoever wants to know is told once."""
        speaker, told, began = Loudspeaker(), list[str](), _now()
        await _speak(Engines(first_s=0.7), speaker, told.append)
        assert speaker.heard[0][0] == pytest.approx(began + 0.7)
        assert told == ["engine0"]

    async def test_a_piece_says_who_spoke_before_and_how_much_is_left_to_hear(self) -> None:
        """The first has neither."""
        engines = Engines()
        await _speak(engines, Loudspeaker())
        assert [request.previous for request in engines.requests] == ["", *["engine0"] * 5]
        assert engines.requests[0].spare_s == 0
        # Each piece of 2 s is made in 0.55 s.
        assert engines.requests[1].spare_s == pytest.approx(1.5, abs=0.05)
        assert engines.requests[2].spare_s == pytest.approx(2.95, abs=0.05)
        assert {request.voice for request in engines.requests} == {"v"}

    async def test_an_engine_that_stalls_has_what_it_delivered_played_in_time(self) -> None:
        """What is held back is queued before the loudspeaker runs dry, though no chunk comes to remind of it."""

        @dataclass
        class Stalls(Engines):
            def synthesize(self, request: SpeechRequest) -> Speech:
                self.first_s = 1.0 if request.text == "Two." else 0.05
                self.pace = 0.1 if request.text == "Two." else 4.0
                return super().synthesize(request)

        speaker = Loudspeaker()
        await _speak(Stalls(length_s=0.5), speaker)
        begins = [begin for begin, _, value in speaker.heard if value == 1]
        assert len(begins) == 5
        assert speaker.story()[0] == (0, 0.5)

    async def test_a_message_without_pieces_asks_nobody(self) -> None:
        """There is nothing to say."""
        assert await speak([], SpeechRequest(""), Engines(), Loudspeaker(), lambda _: None) == Spoken("", ())


class TestDying:
    """An engine that breaks off is replaced at the same piece."""

    @pytest.mark.parametrize("after", [1, 7, 19])
    @pytest.mark.parametrize("piece", [1, 3, 5])
    async def test_in_a_later_piece_nobody_hears_it(self, piece: int, after: int) -> None:
        """What it delivered of the piece was held back: every piece is heard whole, once, and without a gap."""
        speaker, engines = Loudspeaker(), Engines({(0, piece): after})
        spoken = await _speak(engines, speaker)
        assert speaker.story() == [(number + 10 * (number >= piece), 2.0) for number in range(6)]
        assert (speaker.dropouts, speaker.withdrawals, spoken.engine) == (0, 0, "engine1")
        assert spoken.engines == (("engine0", "engine1") if piece else ("engine1",))
        assert spoken.failed == ("engine0: broke off in mid-answer.",)
        assert [r.previous for r in engines.requests].count("engine1") == 5 - piece

    async def test_in_the_first_piece_only_what_was_heard_already_is_repeated(self) -> None:
        """Sound of it that waits to be played is withdrawn when the replacement has enough to go on."""
        speaker, engines = Loudspeaker(), Engines({(0, 0): 15})
        await _speak(engines, speaker)
        story = speaker.story()
        assert story[1:] == [(10, 2.0), *((10 + piece, 2.0) for piece in range(1, 6))]
        assert story[0][0] == 0
        assert story[0][1] == pytest.approx(15 * 0.025 + 0.05 + 0.05, abs=0.03)  # 1.5 s had been queued
        assert speaker.dropouts == 0
        assert engines.requests[1].spare_s == 0

    async def test_before_its_first_sound_of_the_first_piece_the_next_one_streams_too(self) -> None:
        """There is nothing to withdraw and nothing to wait for."""
        speaker, began = Loudspeaker(), _now()
        await _speak(Engines({(0, 0): 0}, first_s=0.2), speaker)
        assert speaker.story()[0] == (10, 2.0)
        assert speaker.heard[0][0] == pytest.approx(began + 0.4)

    async def test_in_a_piece_that_is_being_heard_already_it_begins_anew(self) -> None:
        """An engine at the pace of speech has no lead: its piece plays when it breaks off."""
        speaker = Loudspeaker()
        await _speak(Engines({(0, 2): 18}, pace=1.05), speaker)
        story = [piece for piece, seconds in speaker.story()]
        assert story == [0, 1, 2, 12, 13, 14, 15]
        assert dict(speaker.story())[2] < 1.9
        assert [dict(speaker.story())[piece] for piece in (12, 13, 14, 15)] == [2.0] * 4

    @pytest.mark.parametrize("breaks", [{(0, 0): 15}, {(0, 2): 18}, {(0, 0): 15, (1, 0): 12}])
    async def test_what_was_heard_of_the_broken_piece_counts_in_where_the_rest_is(
        self, breaks: dict[tuple[int, int], int]
    ) -> None:
        """Else what was heard of an interrupted message would be told too much."""
        speaker, placed = Loudspeaker(), list[Placed]()
        request = SpeechRequest("", voice="v")
        await speak(PIECES, request, Engines(breaks, pace=1.05), speaker, lambda _: None, placed=placed, clock=_now)
        begins, position = dict[int, float](), 0.0
        for value, seconds in speaker.story():
            begins[value % 10] = position  # of a piece that was begun twice, the second time
            position += seconds
        assert [place.start_s for place in placed] == pytest.approx([begins[piece] for piece in range(6)], abs=CHUNK_S)

    async def test_several_in_the_same_piece(self) -> None:
        """Each is replaced by the next, as long as there is one."""
        speaker = Loudspeaker()
        spoken = await _speak(Engines({(0, 1): 3, (1, 1): 5, (2, 1): 1, (3, 1): 9}, spares=4), speaker)
        assert speaker.story() == [(0, 2.0), *((40 + piece, 2.0) for piece in range(1, 6))]
        assert len(spoken.failed) == 4

    async def test_when_nobody_is_left_the_error_names_all(self) -> None:
        """Those that broke off in the middle included."""
        with pytest.raises(SpeechFailedError) as caught:
            await _speak(Engines({(0, 1): 3, (1, 1): 5}, spares=1), Loudspeaker())
        assert [error.problem.split(":")[0] for error in caught.value.attempts] == ["engine0", "engine1", "last"]

    async def test_the_same_one_breaking_off_twice_ends_it(self) -> None:
        """A piece that no engine can finish is not stuttered for ever."""

        class Stubborn(set[int]):
            def add(self, element: int) -> None:
                """It is offered again all the same."""

        engines = Engines({(0, 1): 3}, down=Stubborn())
        with pytest.raises(SpeechFailedError, match="engine0: broke off"):
            await _speak(engines, Loudspeaker())
        assert len(engines.requests) == 3

    async def test_a_complaint_about_the_request_is_raised_as_it_is(self) -> None:
        """It is the caller's to mend."""

        class Picky(Speech):
            async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
                for _ in ():
                    yield _
                raise RequestError("voice", "is unknown")

        class PickyEngines(Engines):
            def synthesize(self, request: SpeechRequest) -> Speech:
                return Picky(self, request)

        with pytest.raises(RequestError):
            await _speak(PickyEngines(), Loudspeaker())

    async def test_a_file_has_every_piece_once_whole(self) -> None:
        """Nobody hears a file while it is written, so nothing of a broken piece stays in it."""
        speaker = FileSpeaker(None)
        await _speak(Engines({(0, 0): 4, (1, 3): 7}), speaker)
        assert speaker.played_s == pytest.approx(12.0)


class TestCancelling:
    """Whenever it is cancelled, the synthesis ends with it."""

    @pytest.mark.parametrize("after_s", [0.0, 0.02, 0.3, 0.56, 0.6, 0.65, 1.0, 3.0, 6.0])
    async def test_frees_the_engine_at_once(self, after_s: float) -> None:
        """No engine works on, and no task is left waiting for its next chunk."""
        engines = Engines(length_s=5.0)
        speaking = asyncio.ensure_future(_speak(engines, Loudspeaker()))
        await asyncio.sleep(after_s)
        at = _now()
        speaking.cancel()
        await asyncio.wait({speaking})
        assert (speaking.cancelled(), engines.open, _now() - at) == (True, 0, 0.0)
        assert len(asyncio.all_tasks()) <= 2  # the test's own and its runner's


class TestHoldback:
    """How long something is held back: seconds in, seconds out."""

    def test_what_is_held_back_is_queued_before_the_queue_runs_dry(self) -> None:
        """With a margin for a busy machine."""
        assert hold_s(5.0, 1.0) == pytest.approx(5.0 - MARGIN_S)
        assert hold_s(MARGIN_S, 1.0) == 0
        assert hold_s(0.0, 0.1) == 0

    def test_a_repetition_takes_its_place_as_soon_as_it_can_go_on(self) -> None:
        """What it replaces is of no use to anybody."""
        assert hold_s(5.0, MARGIN_S, repeats=True) == 0
        assert hold_s(5.0, MARGIN_S / 2, repeats=True) > 0
        assert hold_s(0.1, MARGIN_S / 2, repeats=True) == 0

    @given(st.floats(0, 60), st.floats(0, 60), st.booleans())
    def test_it_never_holds_until_the_queue_is_dry(self, queued_s: float, held_s: float, repeats: bool) -> None:
        """Whatever is queued and held."""
        assert 0 <= hold_s(queued_s, held_s, repeats=repeats) <= max(queued_s - MARGIN_S, 0.0)
