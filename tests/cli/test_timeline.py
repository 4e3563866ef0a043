"""The timeline tells what took how long."""

from __future__ import annotations

from rich.console import Console

from voicemode.cli.timeline import Phase, phases, timeline

_TURN = {
    "ttfa": 100,
    "speaking": 1500,
    "listening": 2000,
    "endpointing": 1000,
    "transcription": 1030,
    "response": 1040,
    "total": 4640,
}


def test_the_phases_of_a_turn_follow_one_another() -> None:
    """Listening begins with the message's end, the end of turn with the last word, and the result comes last."""
    assert phases(_TURN) == [
        Phase("speak", 0.1, 1.6),
        Phase("listen", 1.6, 3.6),
        Phase("end of turn", 3.6, 4.6),
        Phase("transcribe", 3.61, 4.64),
        Phase("result", 4.64, 4.64),
    ]


def test_only_speaking_has_no_listening_in_it() -> None:
    """What did not happen is left out."""
    assert [phase.name for phase in phases({"ttfa": 90, "speaking": 800, "total": 900})] == ["speak", "result"]


def test_only_listening_has_no_speaking_in_it() -> None:
    """Without a message the turn begins with the microphone."""
    figures = {"listening": 900, "endpointing": 500, "transcription": 100, "response": 510, "total": 1500}
    assert [phase.name for phase in phases(figures)] == ["listen", "end of turn", "transcribe", "result"]


def test_every_row_fits_in_a_terminal() -> None:
    """80 columns are enough, and each phase has a row."""
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(timeline(phases(_TURN)))
    rows = [row.rstrip() for row in capture.get().splitlines()]
    assert [row.split("  ")[0] for row in rows] == ["speak", "listen", "end of turn", "transcribe", "result"]
    assert max(map(len, rows)) < 80
    assert "1500 ms" in rows[0]


def test_a_turn_without_figures_is_drawn_too() -> None:
    """An empty set of figures divides by nothing."""
    assert timeline(phases({})).row_count == 1
