"""``voicemode serve`` in a process of its own before the stub of an upstream in another: what clients notice, and what not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.realtime_server import RealtimeProcess, realtime_server
from tests.stubs.realtime_upstream_client import UpstreamStub
from tests.upstream.talking import Talk, spoken, talk

pytestmark = pytest.mark.anyio

SPEAKING = {"text": "One two three four five six seven eight nine ten. " * 4, "pace_s": 0.03}
"""An answer that takes three and a half seconds to come."""
SECRET = "sk-the-upstreams-key"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def stub_process() -> Iterator[UpstreamStub]:
    with UpstreamStub() as stub:
        yield stub


@pytest.fixture
def stub(stub_process: UpstreamStub) -> UpstreamStub:
    stub_process.reset()
    return stub_process


@pytest.fixture(scope="module", params=["ours", "theirs"])
def server(request: pytest.FixtureRequest, stub_process: UpstreamStub, tmp_path_factory: Any) -> Iterator[RealtimeProcess]:
    """With turns found by us and by the upstream."""
    folder = tmp_path_factory.mktemp(request.param)
    with served(folder, stub_process, upstream_turns=request.param) as process:
        yield process


def served(folder: Path, stub: UpstreamStub, **settings: str) -> Any:
    chosen = {"upstream": stub.url, "builtin": "true", "upstream_api_key": SECRET, "first_byte_timeout_s": "2"}
    return realtime_server(folder, **(chosen | settings))


def items(stub: UpstreamStub) -> list[Any]:
    """Those that the upstream knew when it was asked last."""
    asked: list[Any] = stub.events("(asked)")[-1]["items"]
    return asked


async def interrupted(held: Talk, after_s: float = 0.5) -> dict[str, Any]:
    """Cancel what is being said after so much of it; its ``response.done``."""
    await held.until("response.output_audio.delta")
    await held.listen_for(after_s)
    await held.tell("response.cancel")
    return await held.until("response.done")


async def test_what_is_written_and_spoken_is_answered(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """The upstream has both turns in order, and the client hears every sample and reads every word."""
    async with talk(server.socket_url, server.headers, instructions="Be kind.") as held:
        first = await held.ask("Hello")
        assert first["response"]["status"] == "completed"
        await held.listen_for(3.5)  # it is heard to its end
        await held.speak(spoken())
        second = await held.until("response.done")
        said = "Paris is the capital of France. It lies on the Seine."
        for done in (first, second):
            assert done["response"]["output"][0]["content"][0]["transcript"] == said
            assert len(held.sound(done["response"]["id"])) == round(0.06 * len(said) * 24_000) * 2
        assert [(item["role"], item["text"]) for item in items(stub)[:2]] == [("user", "Hello"), ("assistant", said)]
        if not held.words():
            await held.until("conversation.item.input_audio_transcription.completed")
        assert held.words() == ["what the person said"]
    assert stub.events("session.update")[-1]["session"]["instructions"] == "Be kind."
    assert stub.events("conversation.item.create")[0]["item"]["content"] == [{"type": "input_text", "text": "Hello"}]
    assert SECRET not in server.log


async def test_the_sound_of_a_turn_reaches_the_upstream_once(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """Two turns: neither lacks its beginning nor has the other's end."""
    async with talk(server.socket_url, server.headers) as held:
        for _ in range(2):
            await held.speak(spoken())
            await held.until("response.done")
    first, second = (size / 48_000 for size in stub.state()["sounds"].values())
    assert 1.5 < first < 4.0
    assert 1.5 < second < 4.0


async def test_nothing_follows_an_interruption(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """The upstream stops, cuts what was not heard, and the client gets no more of it."""
    stub.script(**SPEAKING)
    async with talk(server.socket_url, server.headers) as held:
        await held.write("Count")
        await held.tell("response.create")
        done = await interrupted(held)
        assert done["response"]["status"] == "cancelled"
        before = len(held.of(done["response"]["id"]))
        await held.listen_for(0.4)
        assert len(held.of(done["response"]["id"])) == before
        stub.script(text="Yes.", pace_s=0.0)
        await held.ask("Are you there?")
        assert "response.cancel" in [event["type"] for event in stub.events()]
        assistant = items(stub)[1]
        assert 200 <= assistant["cut_ms"] <= 1500


async def test_a_person_who_interrupts_is_heard(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """By voice, over an answer: it ends, and what was said is the next turn."""
    stub.script(**SPEAKING)
    async with talk(server.socket_url, server.headers) as held:
        await held.write("Count")
        await held.tell("response.create")
        await held.until("response.output_audio.delta")
        await held.listen_for(1.0)
        speaking = asyncio.create_task(held.speak(spoken()))
        done = await held.until("response.done")
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        stub.script(text="Yes.", pace_s=0.0)
        assert (await held.until("response.done"))["response"]["status"] == "completed"
        await speaking
    assert [item["role"] for item in items(stub)] == ["user", "assistant", "user"]


async def test_functions_are_the_clients_to_call(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """Declared upstream, called here, and the result goes back up."""
    stub.script(call={"name": "weather", "arguments": '{"city":"Paris"}'})
    tool = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}
    async with talk(server.socket_url, server.headers, tools=[tool]) as held:
        done = await held.ask("What is the weather?")
        (call,) = done["response"]["output"]
        assert (call["name"], call["arguments"]) == ("weather", '{"city":"Paris"}')
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        await held.tell("conversation.item.create", item=output)
        await held.tell("response.create")
        assert (await held.until("response.done"))["response"]["status"] == "completed"
    assert stub.events("session.update")[-1]["session"]["tools"][0]["name"] == "weather"
    assert [item["type"] for item in items(stub)] == ["message", "function_call", "function_call_output"]
    assert items(stub)[2]["output"] == "sunny"


async def test_whether_a_tool_may_be_called_is_asked_by_us_and_not_by_the_upstream(stub: UpstreamStub, tmp_path: Path) -> None:
    """In our own voice: only that says it word for word. The upstream knows of it when it is asked again."""
    stub.script(call={"name": "job_status", "arguments": "{}"})
    tool = {"type": "mcp", "server_label": "voicemode"}
    with served(tmp_path, stub, mcp_approval_aloud="true", job_command="echo {text}") as process:
        async with talk(process.socket_url, process.headers, tools=[tool]) as held:
            await held.until("mcp_list_tools.completed")
            await held.ask("How is it going?")
            said = await held.until("response.output_audio_transcript.done")
            assert said["transcript"] == "May I use job status of voicemode?"
            assert len(stub.events("(asked)")) == 1
            stub.script(text="Well.")
            await held.until("response.done")
            await held.ask("Never mind.")
    assert [item["type"] for item in items(stub)][-2:] == ["message", "message"]
    assert [item["role"] for item in items(stub) if item["type"] == "message"] == ["user", "assistant", "user"]


async def test_answers_in_writing_and_beside_the_conversation(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """One beside it is not part of it."""
    async with talk(server.socket_url, server.headers) as held:
        done = await held.ask("Hello", output_modalities=["text"])
        assert done["response"]["output"][0]["content"][0]["text"].startswith("Paris is")
        beside = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sum up"}]}]
        request = {"conversation": "none", "input": beside, "output_modalities": ["text"]}
        await held.tell("response.create", response=request)
        await held.until("response.done")
        await held.ask("Again")
    assert [item["text"][:5] for item in items(stub)] == ["Hello", "Paris", "Again"]


async def test_beta_names_are_understood(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """The client notices nothing of the upstream's age."""
    stub.script(beta=True)
    async with talk(server.socket_url, server.headers) as held:
        done = await held.ask("Hello")
        assert done["response"]["output"][0]["content"][0]["transcript"].endswith("Seine.")


async def test_a_death_in_mid_answer_is_told_and_survived(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """The answer has failed with a sentence; the next one knows all that was said, and what was heard."""
    stub.script(**SPEAKING, die_after=8)
    async with talk(server.socket_url, server.headers) as held:
        done = await held.ask("Count")
        error = done["response"]["status_details"]["error"]
        assert (done["response"]["status"], error["code"]) == ("failed", "upstream_lost")
        assert "broke off" in error["message"]
        stub.script(text="Yes.", pace_s=0.0)
        assert (await held.ask("Go on"))["response"]["status"] == "completed"
    texts = [item["text"] for item in items(stub)]
    assert (texts[0], texts[2]) == ("Count", "Go on")
    assert texts[1].startswith("One")


async def test_a_death_before_the_first_word_is_not_noticed(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """It is asked again over another connection."""
    stub.script(first_s=1.0)
    async with talk(server.socket_url, server.headers) as held:
        await held.write("Hello")
        await held.tell("response.create")
        await asyncio.to_thread(stub.wait_for, lambda state: any(event["type"] == "(asked)" for event in state["log"]))
        stub.script(first_s=0.0)
        stub.kill()
        assert (await held.until("response.done"))["response"]["status"] == "completed"
    assert len(stub.events("(asked)")) == 2


async def test_what_is_said_while_there_is_no_connection_is_not_lost(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """It waits, and is answered."""
    async with talk(server.socket_url, server.headers) as held:
        await held.ask("Hello")
        await held.listen_for(3.5)  # it is heard to its end
        stub.script(slow_connect_s=1.2)
        stub.kill()
        await held.speak(spoken())
        stub.script(slow_connect_s=0.0)
        done = await held.until("response.done")
        assert done["response"]["status"] == "completed"
    assert [item["role"] for item in items(stub)] == ["user", "assistant", "user"]


async def test_an_upstream_that_falls_silent_is_left(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """After the time for a first byte it is asked again over another connection."""
    stub.script(mute=True)
    async with talk(server.socket_url, server.headers) as held:
        await held.write("Hello")
        await held.tell("response.create")
        await asyncio.to_thread(stub.wait_for, lambda state: any(event["type"] == "(asked)" for event in state["log"]))
        stub.script(mute=False)
        assert (await held.until("response.done"))["response"]["status"] == "completed"


async def test_an_expired_session_is_not_noticed(server: RealtimeProcess, stub: UpstreamStub) -> None:
    """The upstream ends it: the next question goes over another connection, which knows all."""
    stub.script(expire_after=1)
    async with talk(server.socket_url, server.headers) as held:
        await held.ask("Hello")
        assert (await held.ask("Again"))["response"]["status"] == "completed"
        assert not [event for event in held.events if event["type"] == "error"]
    assert [item["text"][:5] for item in items(stub)] == ["Hello", "Paris", "Again"]


async def test_another_connection_is_made_before_the_end(stub: UpstreamStub, tmp_path: Path) -> None:
    """In a quiet moment, with all that was said, and not in the middle of an answer."""
    with served(tmp_path, stub, upstream_session_s="1.5") as server:
        async with talk(server.socket_url, server.headers) as held:
            await held.ask("Hello")
            stub.script(**SPEAKING)
            assert (await held.ask("Count"))["response"]["status"] == "completed"
            before = stub.state()["connections"]
            await asyncio.to_thread(stub.wait_for, lambda state: state["connections"] > before)
            stub.script(text="Yes.", pace_s=0.0)
            done = await held.ask("Again")
            assert done["response"]["status"] == "completed"
            assert not [event for event in held.events if event["type"] == "error"]
    assert [item["text"][:5] for item in items(stub)] == ["Hello", "Paris", "Count", "One t", "Again"]


async def test_the_next_model_is_taken_where_the_first_is_not_known(stub: UpstreamStub, tmp_path: Path) -> None:
    """At the handshake."""
    stub.script(models=["old-model"])
    with served(tmp_path, stub, upstream_models="new-model,old-model") as server:
        async with talk(server.socket_url, server.headers) as held:
            assert (await held.ask("Hello"))["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"key": "another"}, ["does not accept the key", "VOICEMODE_UPSTREAM_API_KEY"]),
        ({"models": ["other"]}, ["does not have the model", "VOICEMODE_UPSTREAM_MODELS"]),
        ({"quota": True}, ["quota is used up", "Add credit"]),
    ],
)
async def test_a_refusal_is_a_sentence(stub: UpstreamStub, tmp_path: Path, script: dict[str, Any], words: list[str]) -> None:
    """That says what to do, and holds nothing of the key; the session goes on."""
    stub.script(**script)
    with served(tmp_path, stub, upstream_models="model") as server:
        async with talk(server.socket_url, server.headers) as held:
            for _ in range(2):
                done = await held.ask("Hello")
                error = done["response"]["status_details"]["error"]
                assert error["code"] == "upstream_unavailable"
                assert all(each in error["message"] for each in words), error["message"]
                assert "sk-" not in error["message"]
        assert "sk-" not in server.log


async def test_our_own_engines_answer_where_the_upstream_cannot_be_had(stub: UpstreamStub, tmp_path: Path) -> None:
    """If there is anybody to answer."""
    stub.script(key="another")
    command = "printf 'From here.'"
    with served(tmp_path, stub, responder_command=command + " {text}") as server:
        async with talk(server.socket_url, server.headers) as held:
            done = await held.ask("Hello", output_modalities=["text"])
            assert done["response"]["status"] == "completed"
            assert "From here." in done["response"]["output"][0]["content"][0]["text"]
