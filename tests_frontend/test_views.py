"""Every view, in light, in dark and on a phone, with a conversation through it: what it shows, and who can use it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests_frontend.browsing import Seen
from tests_frontend.showing import VIEWS, looked_at

_LOOKS = ("light", "dark", "phone")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One visit; the tests look at it from all sides."""
    return looked_at(tmp_path_factory.mktemp("views"))


def test_the_visit_goes_to_its_end_without_an_error(seen: Seen) -> None:
    """Of the page or of the browser; only who came without a link is refused."""
    assert seen.all("failed") == [], (seen.lines[-3:], seen.log[-2000:])
    assert seen.all("error") == []
    assert seen.all("console") == []


def test_axe_finds_no_serious_problem(seen: Seen) -> None:
    """In any view, in any look; nor one that it calls moderate."""
    looked = seen.all("looked")
    assert [(each["view"], each["look"]) for each in looked] == [(view, look) for view in VIEWS for look in _LOOKS]
    assert [(each["view"], each["look"], found) for each in looked for found in each["found"]] == []


def test_nothing_is_cut_off(seen: Seen) -> None:
    """No view is wider than the screen, not even that of a phone."""
    assert [(each["view"], each["look"], each["wide"]) for each in seen.all("looked") if each["wide"] > 0] == []


def test_the_pages_policy_holds_and_nothing_comes_from_elsewhere(seen: Seen) -> None:
    """No script or style that the policy forbids, no host but the server's own; no key in the address."""
    assert seen.one("violations")["found"] == []
    address = urlsplit(seen.one("address")["url"])
    assert address.fragment == ""
    assert {urlsplit(each["url"]).netloc for each in seen.all("request") if not each["url"].startswith("blob:")} == {
        address.netloc
    }


def test_a_turn_is_told_in_words_too(seen: Seen) -> None:
    """The picture has a description for those who do not see it, with each step."""
    told = seen.one("turns")["told"]
    for step in ("You spoke for", "words after", "answer begun after", "first sound after", "cut off"):
        assert step in told


def test_the_events_are_found_and_taken_along(seen: Seen) -> None:
    """Those that were looked for, one object a line, and no sound in them."""
    events = seen.one("events")
    assert json.loads(events["shown"])["type"].startswith("response.")
    lines = [json.loads(line) for line in seen.one("ndjson")["text"].splitlines()]
    assert len(lines) == events["count"]
    assert all(line["event"]["type"].startswith("response.") for line in lines)
    assert "go forward ten meters" in seen.one("transcript")["text"]
    assert "typed" in seen.one("transcript")["text"]


def test_what_was_kept_is_read_played_and_taken_along(seen: Seen) -> None:
    """The conversation of a moment ago too; of one that was interrupted, that it was and what was heard."""
    opened = seen.one("sessions")["opened"]
    assert opened == [
        "go forward ten meters",
        "Where could we walk on Saturday, if it stays dry?",
        "Did the tests pass last night?",
    ]
    text = seen.one("reading")["text"]
    for part in (
        "interrupted",
        "You heard this much.",
        "weather.forecast",
        "A walk on Saturday, from the old bridge",
        "converse",
    ):
        assert part in text
    assert seen.one("markdown")["name"] == "saturday.md"
    assert "**You**" in seen.one("markdown")["text"]
    assert len(json.loads(seen.one("json")["text"])["entries"]) == 7
    assert "old bridge" in seen.one("sought")["text"]
    assert seen.all("played")


def test_forgetting_asks_and_forgets(seen: Seen) -> None:
    """That one, and no other."""
    assert seen.one("forgotten")["opened"] == ["go forward ten meters", "Did the tests pass last night?"]


def test_the_switch_says_what_it_means(seen: Seen) -> None:
    """Before the next conversation begins."""
    switched = seen.one("incognito")
    assert switched["on"] is True
    assert "Nothing of your next conversation is written" in switched["says"]


def test_the_status_says_who_works_and_what_to_do(seen: Seen) -> None:
    """As doctor does; a machine without a sound card can be talked with all the same."""
    text = seen.one("status")["text"]
    for part in (
        "You can talk",
        "Everything that a conversation through this page needs works.",
        "Listens",
        "Speaks",
        "command python",
    ):
        assert part in text
    assert "VOICEMODE_RESPONDER_COMMAND" in text
    assert "a-token-of-the-tests-of-clients" not in text


def test_every_view_has_its_pictures(seen: Seen) -> None:
    """Those of the documents are made by the same visit."""
    pictures = {path.name for path in (seen.heard.parent / "pictures").glob("*.png")}
    assert pictures == {f"{view}-{look}.png" for view in VIEWS for look in _LOOKS}
    shown = Path(__file__).parents[1] / "docs" / "screenshots"
    assert {path.name for path in shown.glob("*.png")} == pictures
