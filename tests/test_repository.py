"""What the repository promises in several places says the same in all of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import SecretStr
from typer.main import get_command

from voicemode.settings import Settings
from voicemode.supervise.service import SERVICES

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith((".venv", ".git", ".pytest", "node_modules")) for part in page.relative_to(ROOT).parts)
)


def found(pattern: str, path: str | Path) -> list[Any]:
    """All matches in a file, with ^ and $ at each line."""
    return re.findall(pattern, (ROOT / path).read_text("utf-8"), flags=re.MULTILINE)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def normal(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    """The name in "mcp>=2.3,<3; python_version != '3.12'"."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return normal(match.group())


def locked(lock: str = "requirements.lock") -> dict[str, list[str]]:
    """Each package of a lock with the lines below it."""
    packages: dict[str, list[str]] = {}
    name = ""
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        if line and line[0] not in " #":
            name = line.split(" \\")[0]
            packages[name] = []
        elif name:
            packages[name].append(line)
    return packages


def code_of(page: Path) -> Iterator[str]:
    """What a page shows as code: whole lines of blocks, and spans."""
    text = page.read_text("utf-8")
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", text)


def test_changelog_begins_with_this_version_or_unreleased() -> None:
    """The newest section of the changelog is the version that is built, or what will be."""
    assert found(r"^## \[?([^\]\s]+)", "CHANGELOG.md")[0] in {"Unreleased", PROJECT["project"]["version"]}


def test_every_setting_is_documented_with_its_default() -> None:
    """docs/settings.md has a row for each field of Settings, and no other rows."""
    rows = {key: default.strip() for key, default in found(r"^\| `VOICEMODE_(\w+)` \|([^|]*)\|", "docs/settings.md")}
    assert rows == {name.upper(): _shown(field.default) for name, field in Settings.model_fields.items()}


def _shown(default: object) -> str:
    """A default as a person writes it into a file, in code marks; nothing for none."""
    match default:
        case None | "" | () | SecretStr():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case tuple():
            return f"`{','.join(default)}`"
        case _:
            return f"`{default}`"


def test_every_setting_that_is_named_exists() -> None:
    """No page and no example file names a setting that is not there."""
    known = {f"VOICEMODE_{name.upper()}" for name in Settings.model_fields}
    known |= {service.prefix + option for service in SERVICES.values() for option in service.options}
    named = {
        f"{page_id(page)}: {name}"
        for page in [*PAGES, *(each for each in (ROOT / "config").rglob("*") if each.is_file())]
        for name in re.findall(r"VOICEMODE_[A-Z][A-Z_]*[A-Z]", page.read_text("utf-8"))
        if name not in known
    }
    assert named == set()


def test_decisions_are_numbered_without_gaps() -> None:
    """ADRs are 0001, 0002, … and each says its number, date and status."""
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    for number, record in enumerate(records, 1):
        title, _, status, *_ = record.read_text("utf-8").splitlines()
        assert title.startswith(f"# {number}. "), record.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d, (accepted|superseded by \[ADR \d{4}\]\(.*\))", status), record.name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file or folder of the repository, and its anchor a heading."""
    broken = []
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or not file.is_relative_to(ROOT) or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found(r"^#+ (.*)$", page)}


def test_make_targets_that_are_named_exist() -> None:
    """Each ``make x`` of a page or a script is a target of the Makefile, and each target is listed by make help."""
    targets = set(found(r"^([a-z]+):", "Makefile"))
    named = {
        target for page in PAGES for code in code_of(page) for target in re.findall(r"(?:^|&& )make ((?!-)[a-z]+)", code)
    } | set(found(r"^make .*?([a-z]+)$", ".ci/run"))
    assert {"demo", "test"} <= named <= targets
    assert targets == set(found(r"^([a-z]+):.*## \w", "Makefile"))


def test_commands_that_are_named_exist() -> None:
    """Each ``voicemode x`` of a page is a command of the command line."""
    from voicemode.cli.app import app  # loads the whole command line, which no other test of this file needs

    commands = set(getattr(get_command(app), "commands", {}))
    named = {
        f"{page_id(page)}: {command}"
        for page in PAGES
        for code in code_of(page)
        for command in re.findall(r"^(?:\S*/)?voicemode ([a-z]+)\b", code)
        if command not in commands
    }
    assert named == set()


EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]
SERVICE_LOCKS = {service.lock: service for service in SERVICES.values() if service.lock}
LOCKS = ["requirements.lock", "requirements-services.lock", *(f"voicemode/supervise/locks/{name}" for name in SERVICE_LOCKS)]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        (
            "requirements.lock",
            [*PROJECT["project"]["dependencies"], *EXTRAS["builtin"], *EXTRAS["turns"], *PROJECT["build-system"]["requires"]],
        ),
        ("requirements.lock", GROUPS["dev"]),
        ("requirements-services.lock", [*EXTRAS["whisper"], *EXTRAS["kokoro"], *GROUPS["services"]]),
        *((f"voicemode/supervise/locks/{name}", EXTRAS[service.name]) for name, service in SERVICE_LOCKS.items()),
    ],
)
def test_the_locks_cover_every_dependency(lock: str, wanted: list[str]) -> None:
    """Whatever pyproject.toml asks for, to run, to build and to test, is in the lock for it."""
    assert {requirement_name(requirement) for requirement in wanted} <= {requirement_name(line) for line in locked(lock)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_one_version_and_a_hash(lock: str) -> None:
    """Each Python gets what the others were tested with, in files that were seen when the lock was made.

    pocketsphinx has two versions: the newer one has no wheels for Python 3.12.
    """
    packages = locked(lock)
    names = [requirement_name(line) for line in packages]
    assert {name for name in names if names.count(name) > 1} <= {"pocketsphinx"}
    for line, below in packages.items():
        assert re.match(r"[A-Za-z0-9._-]+==[^*]+?( ;|$)", line), line
        assert any(re.match(r" +--hash=sha256:[0-9a-f]{64}", hashed) for hashed in below), line
    assert "://" not in (ROOT / lock).read_text("utf-8")


def hashes(lock: str) -> dict[str, tuple[str, ...]]:
    """The pinned packages of a lock, without their markers, each with the hashes of its files."""
    return {
        line.partition(" ;")[0]: tuple(below[0] for text in below_all if (below := re.findall(r"sha256:[0-9a-f]{64}", text)))
        for line, below_all in locked(lock).items()
    }


@pytest.mark.parametrize("name", SERVICE_LOCKS)
def test_what_people_install_is_what_was_tested(name: str) -> None:
    """A service's lock is a part of the one that the tests run with: the same versions in the same files."""
    assert hashes(f"voicemode/supervise/locks/{name}").items() <= hashes("requirements-services.lock").items()


@pytest.mark.parametrize("name", SERVICE_LOCKS)
def test_a_service_is_installed_without_tools(name: str) -> None:
    """Nobody who wants to be heard gets a test runner, nor PyTorch, nor voicemode's own dependencies."""
    names = {requirement_name(line) for line in locked(f"voicemode/supervise/locks/{name}")}
    assert names.isdisjoint({"pytest", "mypy", "schemathesis", "openai", "torch", "mcp", "sounddevice"})


def test_the_services_share_the_versions_of_voicemode() -> None:
    """What both environments have is the same in both, so that "pip install voicemode[whisper]" is what was tested, too."""
    ours = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE))
    theirs = dict(found(r"^([\w.-]+)==(\S+)", "requirements-services.lock"))
    assert {name: (ours[name], theirs[name]) for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]} == {}


def test_every_dependency_is_argued_for() -> None:
    """ADR 0002 names each package the product asks for, and the third-party page its licence."""
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    for page in ("docs/adr/0002-libraries.md", "docs/third-party.md"):
        text = (ROOT / page).read_text("utf-8").lower()
        assert [name for name in map(requirement_name, wanted) if not re.search(rf"\b{name}\b", text)] == [], page


@pytest.mark.parametrize("script", [".ci/run", *(f"scripts/{path.name}" for path in (ROOT / "scripts").glob("*.sh"))])
def test_scripts_can_be_started(script: str) -> None:
    """Scripts are executable and stop at the first error, or say why they do not."""
    assert (ROOT / script).stat().st_mode & 0o111
    assert found(r"^set -e?uo pipefail$", script)
