"""The page of figures, of one process and of several."""

from __future__ import annotations

from voicemode.http.metrics import Metrics, summed
from voicemode.http.sessions import SessionWish


def lines(page: bytes) -> list[str]:
    """But for comments."""
    return [line for line in page.decode().splitlines() if not line.startswith("#")]


def counted(sessions: int, *turn_s: float) -> Metrics:
    """A process with so many sessions open, whose turns' first words took so long."""
    metrics = Metrics(lambda: sessions)
    metrics.observers(SessionWish())
    for seconds in turn_s:
        metrics.stages.labels("first_word").observe(seconds)
    return metrics


def test_one_process_shows_its_own_page() -> None:
    """As it is."""
    page = counted(3).text()
    assert summed(page, []) == page


def test_what_several_counted_is_added_up() -> None:
    """Counters and histograms; sessions are those of the first one, which counts for all."""
    page = lines(summed(counted(3, 0.02).text(), [counted(2, 0.02, 3.0).text().decode()]))
    assert "voicemode_sessions 3.0" in page
    assert "voicemode_processes 2.0" in page
    assert 'voicemode_sessions_opened_total{transport="websocket"} 2.0' in page
    assert 'voicemode_stage_seconds_bucket{le="0.06",stage="first_word"} 2.0' in page
    assert 'voicemode_stage_seconds_count{stage="first_word"} 3.0' in page


def test_what_only_another_process_counted_is_there() -> None:
    """A refusal, say."""
    other = counted(0)
    other.count_refused(400)
    assert 'voicemode_refused_total{status="400"} 1.0' in lines(summed(counted(0).text(), [other.text().decode()]))


def test_the_sum_is_a_page_that_can_be_summed_again() -> None:
    """It is read like any other: families are declared once."""
    page = summed(counted(1, 0.5).text(), [counted(1, 0.5).text().decode()])
    declared = [line for line in page.decode().splitlines() if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))
    assert lines(summed(page, [counted(0).text().decode()])) != lines(page)


def test_when_counting_began_is_not_added_up() -> None:
    """It is a date."""
    own = counted(1).text()
    created = [line for line in lines(own) if line.startswith("voicemode_sessions_opened_created")]
    assert [line for line in lines(summed(own, [counted(1).text().decode()])) if line in created] == created
