"""Answers by a command: real processes of a stub of an agent, good and bad."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voicemode.answers import Answerer, AnswerRequest, Finished
from voicemode.dialogue import Message
from voicemode.engines.command_answerer import ANSWER_LIMIT, CommandAnswerer
from voicemode.engines.command_error import CommandError
from voicemode.engines.command_options import CommandOptions
from voicemode.engines.command_process import CommandProcess
from voicemode.settings import Settings
from voicemode.testing import texts

pytestmark = pytest.mark.anyio

AGENT = shlex.join([sys.executable, str(Path(__file__).parents[1] / "stubs" / "agent.py")])
SAID = "Tell me of the quicksilver marmalade."
DEADLINE_S = 20.0

Make = Callable[..., CommandAnswerer]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Answerers of the stub, which are closed afterwards."""
    made: list[CommandAnswerer] = []

    def make(how: str, environ: dict[str, str] | None = None, **settings: Any) -> CommandAnswerer:
        options = CommandOptions.of(Settings(responder_command=f"{AGENT} {how}", **settings))
        made.append(CommandAnswerer(options, dict(os.environ) | (environ or {})))
        return made[-1]

    yield make
    for answerer in made:
        await answerer.aclose()


def asked(text: str = SAID, session: str = "one") -> AnswerRequest:
    return AnswerRequest((Message("user", text),), session_id=session)


async def ask(answerer: Answerer, text: str = SAID, session: str = "one") -> str:
    async with asyncio.timeout(DEADLINE_S):
        return "".join([text async for text in texts(answerer.answer(asked(text, session)))])


async def line(words: AsyncIterator[str]) -> str:
    """The first line of an answer."""
    said = ""
    async with asyncio.timeout(DEADLINE_S):
        while not said.endswith("\n"):
            said += await anext(words)
    return said


async def fails(answerer: Answerer, text: str = SAID, session: str = "one") -> tuple[CommandError, str]:
    """The error, and the words before it. No error repeats what was said."""
    words: list[str] = []

    async def listen() -> None:
        async with asyncio.timeout(DEADLINE_S):
            async for piece in texts(answerer.answer(asked(text, session))):
                words.append(piece)

    with pytest.raises(CommandError) as caught:
        await listen()
    assert "quicksilver" not in f"{caught.value} {caught.value!r}"
    assert str(caught.value).isprintable()
    return caught.value, "".join(words)


async def gone(*pids: int) -> bool:
    """Whether these processes come to be."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            while any(map(alive, pids)):
                await asyncio.sleep(0.01)
    return not any(map(alive, pids))


def alive(pid: int) -> bool:
    """Not one that waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestAProcessForEachTurn:
    """With the text in its arguments."""

    async def test_what_it_prints_is_the_answer(self, make: Make) -> None:
        """And its end is the end."""
        answerer = make("answer {text}")
        flow = answerer.answer(asked())
        *_, last = [delta async for delta in flow]
        assert last == Finished()
        assert (flow.engine, flow.engines, flow.failed) == (answerer.name, (answerer.name,), ())
        assert answerer.name == f"command {Path(sys.executable).name}"
        assert answerer.acts
        assert await ask(answerer) == f"You asked:\n{SAID}\n"

    async def test_words_are_there_before_it_has_ended(self, make: Make) -> None:
        """Speech begins with the first of them."""
        words = texts(make("start_others {text}").answer(asked()))
        assert "".join([await anext(words)]).strip()

    async def test_nothing_happens_before_it_is_listened_to(self, make: Make, tmp_path: Path) -> None:
        """An agent acts."""
        await make(f"remember {tmp_path} {{session}} {{text}}").answer(asked()).aclose()
        assert list(tmp_path.iterdir()) == []

    async def test_turns_of_a_conversation_land_in_one_session(self, make: Make, tmp_path: Path) -> None:
        """And those of another one in another, whether spoken or typed with the same name."""
        answerer = make(f"remember {tmp_path} {{session}} {{text}}")
        assert [await ask(answerer, session=s) for s in ("a", "a", "b", "a")] == [
            "turn 1\n",
            "turn 2\n",
            "turn 1\n",
            "turn 3\n",
        ]
        typed = make(f"remember {tmp_path} kitchen {{text}}")
        assert [await ask(typed, session=s) for s in "ab"] == ["turn 1\n", "turn 2\n"]

    async def test_later_turns_may_have_a_command_of_their_own(self, make: Make, tmp_path: Path) -> None:
        """Some agents begin a session in one way and go on in another."""
        answerer = make(
            f"begin {tmp_path} {{session}} {{text}}", responder_resume_command=f"{AGENT} go_on {tmp_path} {{session}} {{text}}"
        )
        assert [await ask(answerer, session=s) for s in ("a", "a", "b", "a")] == [
            "turn 1\n",
            "turn 2\n",
            "turn 1\n",
            "turn 3\n",
        ]

    async def test_a_conversation_that_is_over_leaves_nothing(self, make: Make, tmp_path: Path) -> None:
        """Its name may come again."""
        answerer = make(f"begin {tmp_path} {{session}} {{text}}", responder_resume_command=f"{AGENT} say no {{text}}")
        await ask(answerer)
        await answerer.leave("one")
        await answerer.leave("one")
        assert "status 1" in str((await fails(answerer))[0])

    async def test_colours_are_not_said(self, make: Make) -> None:
        """However they are cut."""
        assert await ask(make("coloured {text}")) == "Green and plain.\nCafé"

    async def test_it_ends_although_what_it_started_holds_its_output(self, make: Make) -> None:
        """And that goes on: an agent may have started it on purpose."""
        said = await ask(make("leave_one_behind {text}"))
        left = int(said.split()[1])
        assert alive(left)
        os.kill(left, 9)

    async def test_it_gets_no_key_of_the_server_but_what_is_named(self, make: Make) -> None:
        """SECURITY 31; the session is told in any case."""
        environ = {
            "CLAUDE_CODE_MESSAGING_TOKEN": "t1",
            "VOICEMODE_CHAT_API_KEY": "t2",
            "OPENAI_API_KEY": "t3",
            "MODEL_KEY": "k",
        }
        seen = (await ask(make("environment {text}", environ, responder_env="MODEL_KEY, ABSENT"))).split()
        names = {entry.partition("=")[0] for entry in seen}
        assert not names & (set(environ) - {"MODEL_KEY"})
        assert {"PATH", "VOICE_SESSION", "MODEL_KEY"} <= names


class TestFailures:
    """Each is an error with its facts, and never spoken."""

    async def test_a_status_is_told_with_the_last_line_of_stderr(self, make: Make) -> None:
        """After the words before it; what was said, and keys, are taken out (SECURITY 19)."""
        error, words = await fails(make("fail 3 {text}"))
        assert (error.status, words) == (3, "Half of\n")
        assert "ended with status 3: no model for … with key …" in str(error)

    async def test_a_silent_one_is_given_up_and_gone(self, make: Make) -> None:
        """The deadline is a setting."""
        error, _ = await fails(make("hang {text}", responder_timeout_s=0.5))
        assert "said nothing for 0.5 s" in str(error)

    async def test_an_answer_without_words_is_an_error(self, make: Make) -> None:
        """Nobody would know why it stays silent."""
        assert "said nothing: thinking" in str((await fails(make("say_nothing {text}")))[0])

    async def test_an_answer_without_an_end_is_given_up(self, make: Make) -> None:
        """Memory has a limit."""
        error, words = await fails(make("flood {text}"))
        assert len(words) <= ANSWER_LIMIT
        assert "more than" in str(error)

    async def test_a_program_that_is_not_there_is_named(self) -> None:
        """With what to do."""
        answerer = CommandAnswerer(CommandOptions.of(Settings(responder_command="no-such-agent {text}")), os.environ)
        error, _ = await fails(answerer)
        assert "no-such-agent: there is no such program. Install it" in str(error)

    async def test_a_text_that_is_too_long_for_an_argument_is_an_error(self, make: Make) -> None:
        """And not repeated."""
        assert "does not start" in str((await fails(make("answer {text}"), SAID * 100_000))[0])

    async def test_where_nobody_said_anything_nothing_is_asked(self, make: Make) -> None:
        """Nor are there instructions."""
        with pytest.raises(CommandError, match="nothing to be answered"):
            [delta async for delta in make("answer {text}").answer(AnswerRequest(()))]

    async def test_no_log_has_what_was_said(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        """SECURITY 19; also where a process ends between two turns."""
        caplog.set_level(logging.DEBUG)
        answerer = make("talk", responder_quiet_s=0.2)
        await ask(answerer)
        await fails(answerer, "die")
        await fails(make("fail 3 {text}"))
        assert "quicksilver" not in caplog.text


class TestInterruption:
    """Closed in mid-answer."""

    @pytest.mark.parametrize("interrupt", ["sigint", "kill"])
    async def test_it_is_gone_with_what_it_started(self, make: Make, interrupt: str) -> None:
        """The stream ends without an end, and the next turn is answered."""
        answerer = make("start_others {text}", responder_interrupt=interrupt)
        flow = answerer.answer(asked())
        words = texts(flow)
        pids = [int(pid) for pid in (await line(words)).split()]
        await flow.aclose()
        assert [text async for text in words] == []
        assert await gone(*pids)
        assert await anext(texts(answerer.answer(asked())))

    async def test_it_may_save_its_session(self, make: Make, tmp_path: Path) -> None:
        """The next turn waits for that."""
        answerer = make(f"save_when_interrupted {tmp_path / 'saved'} {{text}}")
        flow = answerer.answer(asked())
        await anext(aiter(flow))
        await flow.aclose()
        await anext(aiter(answerer.answer(asked())))
        assert (tmp_path / "saved").read_text() == "saved"

    async def test_the_end_of_the_server_is_not_waited_for(self, make: Make) -> None:
        """One that ignores what it is told is killed, with what it started."""
        answerer = make("start_others stubborn {text}")
        flow = answerer.answer(asked())
        words = texts(flow)
        pids = [int(pid) for pid in (await line(words)).split()]
        await flow.aclose()
        await answerer.aclose()
        assert await gone(*pids)

    async def test_it_may_go_on_unheard(self, make: Make, tmp_path: Path) -> None:
        """Its work is done before the next turn begins."""
        answerer = make(f"remember {tmp_path} x {{text}}", responder_interrupt="none")
        flow = answerer.answer(asked())
        await anext(aiter(flow))
        await flow.aclose()
        assert await ask(answerer) == "turn 2\n"

    async def test_closing_while_another_turn_works_ends_the_waiting(self, make: Make) -> None:
        """From outside, without an error, and the other one goes on."""
        answerer = make("talk", responder_quiet_s=30.0, responder_timeout_s=60.0)
        first = answerer.answer(asked())
        words = texts(first)  # it keeps its turn as long as this is there
        assert await anext(words)
        second = answerer.answer(asked())
        waiting = asyncio.ensure_future(_all(second))
        await asyncio.sleep(0)
        await second.aclose()
        async with asyncio.timeout(DEADLINE_S):
            assert await waiting == []
        await first.aclose()

    async def test_who_is_cancelled_leaves_nothing(self, make: Make) -> None:
        """As when the server's task is."""
        words = texts(make("start_others {text}").answer(asked()))
        pids = [int(pid) for pid in (await line(words)).split()]
        listening = asyncio.ensure_future(line(words))
        await asyncio.sleep(0)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert await gone(*pids)


async def _all(flow: Any) -> list[object]:
    return [delta async for delta in flow]


class TestOneProcessForAConversation:
    """Told each turn as a line."""

    @pytest.mark.parametrize(
        ("how", "settings"),
        [
            ("talk END", {"responder_end": "END"}),
            ("talk '> ' prompt", {"responder_end": "> "}),
            ("talk", {"responder_quiet_s": 0.3}),
        ],
    )
    async def test_it_is_told_turn_after_turn(self, make: Make, how: str, settings: dict[str, Any]) -> None:
        """A marker, a prompt or silence ends an answer; another conversation has another process."""
        answerer = make(how, **settings)
        assert await ask(answerer, "Hello,\nyou.") == "turn 1: Hello, you.\n"
        assert await ask(answerer, "Again.") == "turn 2: Again.\n"
        assert await ask(answerer, "Hello.", session="two") == "turn 1: Hello.\n"

    @pytest.mark.parametrize("manners", ["", "silent", "stubborn"])
    @pytest.mark.parametrize("interrupt", ["sigint", "kill"])
    async def test_an_interrupted_answer_is_not_in_the_next_one(self, make: Make, interrupt: str, manners: str) -> None:
        """It goes on with the same process where that heeds the signal, else with a new one."""
        answerer = make(f"talk END {manners}", responder_end="END", responder_interrupt=interrupt)
        answerer.options = replace(answerer.options, heed_s=0.5)
        before = await ask(answerer, "pid")
        flow = answerer.answer(asked("go on"))
        words = texts(flow)
        assert (await anext(words)).startswith("word")
        await flow.aclose()
        after = await ask(answerer, "pid")
        assert after.strip().isdecimal()
        assert (after == before) == (interrupt == "sigint" and manners != "stubborn")
        if after != before:
            assert await gone(int(before))

    async def test_one_that_dies_is_told_and_started_again(self, make: Make) -> None:
        """With the next turn."""
        answerer = make("talk END", responder_end="END")
        await ask(answerer)
        error, _ = await fails(answerer, "die")
        assert (error.status, "out of memory" in str(error)) == (3, True)
        assert await ask(answerer, "Hello.") == "turn 1: Hello.\n"

    async def test_it_ends_with_the_conversation(self, make: Make) -> None:
        """And with the server."""
        answerer = make("talk END", responder_end="END")
        pids = [int(await ask(answerer, "pid", session=s)) for s in ("a", "b")]
        await answerer.leave("a")
        assert await gone(pids[0])
        assert alive(pids[1])
        await answerer.aclose()
        assert await gone(pids[1])

    async def test_one_that_starts_as_the_conversation_ends_is_ended_too(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody would, after that; the answer says why there is none."""
        answerer = make("talk END", responder_end="END")
        start, started = answerer.start, list[int]()

        async def start_as_it_ends(request: AnswerRequest, text: str) -> CommandProcess:
            process = await start(request, text)
            started.append(process.pid)
            await answerer.leave("one")
            return process

        monkeypatch.setattr(answerer, "start", start_as_it_ends)
        error, words = await fails(answerer)
        assert ("the conversation is over" in str(error), words) == (True, "")
        assert await gone(*started)
