"""Install and uninstall: planned, done, renewed, and undone without a trace."""

from __future__ import annotations

import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.supervise.stub import STUB, Person, person, tree
from voicemode.errors import DownloadError, RequestError
from voicemode.supervise import environment, installer
from voicemode.supervise.errors import (
    DiskFullError,
    InstallFailedError,
    NoNetworkError,
    NoRightsError,
    NotAvailableError,
    NotInstalledError,
    ServiceError,
)
from voicemode.supervise.layout import Layout


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Person]:
    with person(tmp_path) as found:
        yield found


def layout(someone: Person) -> Layout:
    return Layout(someone.base_dir, "stub")


def with_lock(someone: Person, text: str) -> None:
    """The stub now needs a package of others."""
    locks = someone.package / "supervise" / "locks"
    locks.mkdir(parents=True)
    (locks / "stub.lock").write_text(text)
    someone.definition = replace(STUB, lock="stub.lock")


NOWHERE = "nothing-like-this==1.0 --hash=sha256:" + "0" * 64 + "\n"


def test_a_plan_changes_nothing(someone: Person) -> None:
    """And says what would be done, how big and how long."""
    before = tree(someone.home)
    plan = someone.services().plan("stub")
    assert tree(someone.home) == before
    assert [words.split()[0] for words in plan.as_json()["steps"]] == ["Make", "Download", "Tell"]
    assert plan.download_bytes == 4
    assert plan.duration.startswith("about ")
    assert "VOICEMODE_STUB_PORT" in plan.changes


def test_uninstall_leaves_everything_as_it_was(someone: Person) -> None:
    """After it was installed, started, used and crashed, not one file or folder is more or less."""
    before = tree(someone.home)
    services = someone.install()
    services.start("stub")
    assert tree(someone.home) != before
    assert services.uninstall("stub")
    assert tree(someone.home) == before
    assert services.status("stub").state == "not installed"


def test_what_was_there_before_stays(someone: Person) -> None:
    """A model that somebody pulled, and files that are not of the service."""
    (someone.base_dir / "models" / "stub-model").mkdir(parents=True)
    (someone.base_dir / "voicemode.env").write_text("# mine\n")
    before = tree(someone.home)
    someone.install().uninstall("stub")
    assert tree(someone.home) == before


def test_uninstalling_twice_and_what_is_not_there_is_no_error(someone: Person) -> None:
    """Nothing is done, and nothing made."""
    before = tree(someone.home)
    assert someone.services().uninstall("stub") == []
    assert tree(someone.home) == before


def test_installing_again_does_nothing(someone: Person) -> None:
    """Idempotent: the plan is empty, and a service that runs goes on."""
    services = someone.install()
    pid = services.start("stub").pid
    plan = services.plan("stub")
    assert plan.steps == ()
    services.install(plan)
    assert services.status("stub").pid == pid


def test_what_is_new_is_renewed_and_a_running_service_restarted(someone: Person) -> None:
    """After an upgrade of voicemode its own code is another one."""
    services = someone.install()
    pid = services.start("stub").pid
    with (someone.package.parent / "stub_service" / "__init__.py").open("a") as file:
        file.write("# newer\n")
    plan = services.plan("stub")
    assert plan.steps[0].words.startswith("Replace")
    services.install(plan)
    found = services.status("stub")
    assert found.state in ("running", "starting")
    assert found.pid != pid
    assert not layout(someone).outdated.exists()


def test_an_own_model_is_taken_as_it_is(someone: Person, tmp_path: Path) -> None:
    """Nothing is downloaded, and uninstall leaves it."""
    own = tmp_path / "my-model-fixture"
    own.mkdir()
    services = someone.install(str(own))
    assert services.start("stub").model == str(own)
    assert not (someone.base_dir / "models").exists()
    services.uninstall("stub")
    assert own.is_dir()


@pytest.mark.parametrize("model", ["no-such-model", "other-model", "/no/such/folder"])
def test_a_model_that_is_none_is_refused_before_anything_is_done(someone: Person, model: str) -> None:
    """An unknown name, one of another engine, a path that leads nowhere."""
    before = tree(someone.home)
    with pytest.raises(RequestError):
        someone.services().plan("stub", model)
    assert tree(someone.home) == before


def test_a_service_of_a_later_version_says_so(someone: Person) -> None:
    """Its plan is shown; nothing is pretended."""
    someone.definition = replace(STUB, missing="the stub is not finished")
    services = someone.services()
    plan = services.plan("stub")
    assert plan.missing == "the stub is not finished"
    before = tree(someone.home)
    for verb in (lambda: services.install(plan), lambda: services.start("stub")):
        with pytest.raises(NotAvailableError, match="not finished"):
            verb()
    assert tree(someone.home) == before


def test_an_installation_without_its_packages_says_so(someone: Person) -> None:
    """A voicemode that was packed wrongly."""
    someone.definition = replace(STUB, packages=("voicemode_missing",))
    with pytest.raises(NotAvailableError, match="voicemode_missing"):
        someone.services().plan("stub")


def test_a_service_that_does_not_run_is_not_installed(someone: Person) -> None:
    """It is tried before it is put into its place; nothing stays."""
    (someone.package.parent / "stub_service" / "__main__.py").write_text("raise SystemExit('no engine for this machine')\n")
    before = tree(someone.home)
    services = someone.services()
    with pytest.raises(InstallFailedError, match="no engine for this machine"):
        services.install(services.plan("stub"))
    assert tree(someone.home) == before


def test_a_failed_renewal_leaves_the_one_before(someone: Person) -> None:
    """It goes on running."""
    services = someone.install()
    pid = services.start("stub").pid
    (someone.package.parent / "stub_service" / "__main__.py").write_text("raise SystemExit('worse')\n")
    with pytest.raises(InstallFailedError):
        services.install(services.plan("stub"))
    assert services.status("stub").pid == pid
    assert services.status("stub").healthy
    assert services.restart("stub").healthy
    assert not layout(someone).building.exists()


def test_an_interruption_leaves_nothing(someone: Person) -> None:
    """Ctrl-C in the middle of it."""

    def interrupt(words: str, _: float | None) -> None:
        if words.startswith("copying"):
            raise KeyboardInterrupt

    before = tree(someone.home)
    services = someone.services()
    with pytest.raises(KeyboardInterrupt):
        services.install(services.plan("stub"), interrupt)
    assert tree(someone.home) == before


def test_what_a_killed_installation_left_is_no_installation(someone: Person) -> None:
    """It cannot be started, the next install goes over it, and uninstall removes it."""
    layout(someone).building.mkdir(parents=True)
    (layout(someone).building / "half").write_text("half")
    services = someone.services()
    assert services.status("stub").state == "not installed"
    with pytest.raises(NotInstalledError):
        services.start("stub")
    someone.install()
    assert not layout(someone).building.exists()
    services.uninstall("stub")
    layout(someone).building.mkdir(parents=True)
    services.uninstall("stub")
    assert not layout(someone).folder.exists()


def test_an_exchange_that_was_cut_off_is_taken_back(someone: Person) -> None:
    """Between moving the old environment away and the new one in."""
    someone.install()
    layout(someone).venv.rename(layout(someone).outdated)
    environment.sweep(layout(someone))
    assert layout(someone).venv.is_dir()
    assert not layout(someone).outdated.exists()


def test_a_download_of_the_model_that_fails_undoes_the_rest(someone: Person) -> None:
    """What the download says is what people see."""
    shelf = someone.shelf
    shelf.fails = DownloadError("stub-model", "the line broke")
    services = someone.services(shelf)
    with pytest.raises(DownloadError, match="the line broke"):
        services.install(services.plan("stub"))
    assert not layout(someone).services.exists()


def test_a_full_disk_is_known_before_the_download(someone: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it needs and what is free."""
    monkeypatch.setattr(installer, "_SPARE_BYTES", 10**18)
    services = someone.services()
    with pytest.raises(DiskFullError) as caught:
        services.install(services.plan("stub"))
    assert caught.value.needed > caught.value.free > 0
    assert not someone.base_dir.exists()


def test_a_disk_that_fills_up_in_the_middle_is_told_as_such(someone: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pip says about it."""
    with_lock(someone, NOWHERE)
    someone.environ |= {"PIP_NO_INDEX": "1"}
    monkeypatch.setattr(environment, "_FULL_BYTES", 10**18)
    services = someone.services()
    with pytest.raises(DiskFullError):
        services.install(services.plan("stub"))


def test_without_a_network_it_says_what_to_do(someone: Person) -> None:
    """pip could not connect to its index; nothing stays."""
    with_lock(someone, NOWHERE)
    someone.environ |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": "/dev/null"}
    before = tree(someone.home)
    services = someone.services()
    with pytest.raises(NoNetworkError, match="PIP_INDEX_URL"):
        services.install(services.plan("stub"))
    assert tree(someone.home) == before


def test_a_package_that_is_not_to_be_had_is_told_in_pips_words(someone: Person) -> None:
    """That is no matter of the network."""
    with_lock(someone, NOWHERE)
    someone.environ |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    services = someone.services()
    with pytest.raises(InstallFailedError, match="nothing-like-this"):
        services.install(services.plan("stub"))


def test_a_package_with_another_hash_is_refused(someone: Person, tmp_path: Path) -> None:
    """What the lock does not know does not get in."""
    wheel = tmp_path / "wheels" / "nothing_like_this-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"PK\x05\x06" + b"\0" * 18)
    with_lock(someone, NOWHERE)
    someone.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_CONFIG_FILE": "/dev/null"}
    services = someone.services()
    with pytest.raises(InstallFailedError, match="sha256"):
        services.install(services.plan("stub"))
    assert not layout(someone).services.exists()


def test_a_lock_without_a_hash_is_refused(someone: Person, tmp_path: Path) -> None:
    """Also when the package is there."""
    wheel = tmp_path / "wheels" / "nothing_like_this-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"PK\x05\x06" + b"\0" * 18)
    with_lock(someone, NOWHERE.split()[0] + "\n")
    someone.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_CONFIG_FILE": "/dev/null"}
    services = someone.services()
    with pytest.raises(InstallFailedError, match="Hashes are required"):
        services.install(services.plan("stub"))


def test_no_rights_are_told_with_the_path(someone: Person) -> None:
    """A file is where the folder of services would be."""
    someone.base_dir.mkdir()
    (someone.base_dir / "services").write_text("mine")
    services = someone.services()
    with pytest.raises(NoRightsError) as caught:
        services.install(services.plan("stub"))
    assert "services" in str(caught.value.path)


def test_two_installations_at_once_are_one(someone: Person) -> None:
    """The second waits, and finds all done."""
    failed: list[ServiceError] = []

    def install() -> None:
        try:
            someone.install()
        except ServiceError as error:
            failed.append(error)

    threads = [threading.Thread(target=install) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert someone.services().start("stub").healthy


def test_nothing_of_the_environment_is_anyone_elses(someone: Person) -> None:
    """The folder is closed, and the interpreter is that of voicemode."""
    someone.install()
    assert stat.S_IMODE(layout(someone).folder.stat().st_mode) == 0o700
    version = (layout(someone).venv / "pyvenv.cfg").read_text()
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in version
