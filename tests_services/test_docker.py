"""The containers: what their files promise holds in each. No image is built here; where the tools are, they look too."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from voicemode_service.serve import MIN_TOKEN, parse
from voicemode_service.settings import ServiceSettings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NAMES = ["whisper", "kokoro"]
TOKENS = {"VOICEMODE_WHISPER_TOKEN": "w" * MIN_TOKEN, "VOICEMODE_KOKORO_TOKEN": "k" * MIN_TOKEN}


def dockerfile(name: str) -> str:
    """Without its comments, and with continued lines joined."""
    text = (ROOT / f"docker/{name}.Dockerfile").read_text("utf-8")
    return re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))


def environment(name: str) -> dict[str, str]:
    """What the image sets of the service's variables."""
    return dict(re.findall(rf"(VOICEMODE_{name.upper()}_\w+)=(\S+)", dockerfile(name)))


def defaults(name: str) -> ServiceSettings:
    """Those of the service's own command line."""
    taken: list[ServiceSettings] = []
    module = importlib.import_module(f"voicemode_{name}.__main__")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voicemode_service.serve.parse", lambda settings, *_: taken.append(settings))
        patch.setattr("voicemode_service.serve.serve", lambda *_: 0)
        module.main([])
    return taken[0]


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_starts_only_with_a_token(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its variables are settings that exist; what is missing is the token, which no image has."""
    given = environment(name)
    with pytest.raises(SystemExit):
        parse(defaults(name), [], given)
    said = capsys.readouterr().err
    assert f"VOICEMODE_{name.upper()}_TOKEN" in said
    assert "is no setting" not in said
    settings = parse(defaults(name), [], {**given, **TOKENS})
    assert (settings.host, settings.models_dir) == ("0.0.0.0", Path("/models"))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_what_the_repository_has(name: str) -> None:
    """Whatever is copied exists and is let in; the Python of the paths is the one of the base; the port is the service's."""
    text = dockerfile(name)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = [words for words in re.findall(r"^COPY (?!--from)(\S+) \S+$", text, flags=re.MULTILINE) if words != "${LOCK}"]
    locks = re.findall(r"LOCK=(\S+)", text)
    for path in [*copied, *locks]:
        assert (ROOT / path).exists(), path
        assert any(path.startswith(line.removeprefix("!").split("*")[0]) for line in ignored if line.startswith("!")), path
    versions = set(re.findall(r"python:?(3\.\d+)", text))
    assert len(versions) == 1
    assert re.findall(r"^EXPOSE (\d+)$", text, flags=re.MULTILINE) == [str(defaults(name).port)]
    assert f"127.0.0.1:{defaults(name).port}/health" in text


@pytest.mark.parametrize("name", NAMES)
def test_an_image_runs_without_rights_and_is_made_of_checked_wheels(name: str) -> None:
    """Nothing is fetched but through the lock, and the last user is nobody in particular."""
    text = dockerfile(name)
    assert re.findall(r"^USER (\d+):\d+$", text, flags=re.MULTILINE)[-1] != "0"
    assert "--require-hashes" in text
    assert "--only-binary=:all:" in text
    assert not re.search(r"\b(curl|wget|git clone|apt-get|ADD)\b", text)
    assert all(re.fullmatch(r"python:\d+\.\d+-slim-\w+", base) for base in re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_reached_from_this_machine_only(service: str) -> None:
    """SECURITY 1: Docker publishes on all interfaces unless an address is named; the port inside is the service's."""
    name = service.removesuffix("-cuda")
    ports = SERVICES[service]["ports"]
    assert len(ports) == 1
    assert re.fullmatch(rf"127\.0\.0\.1:\$\{{VOICEMODE_{name.upper()}_PORT:-(\d+)\}}:\1", ports[0])
    assert ports[0].endswith(f":{defaults(name).port}")
    assert SERVICES[service]["environment"].get(f"VOICEMODE_{name.upper()}_TOKEN", "").startswith("${VOICEMODE_")


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_may_do_little(service: str) -> None:
    """No rights, nothing to write but /tmp, bounded memory and processes, and models it cannot change."""
    container = SERVICES[service]
    assert container["read_only"]
    assert container["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in container["security_opt"]
    assert container["mem_limit"]
    assert container["pids_limit"]
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add", "devices"} & container.keys()
    models = [volume for volume in container["volumes"] if isinstance(volume, dict)]
    assert [(volume["target"], volume["read_only"]) for volume in models] == [("/models", True)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_says_which_device_it_is_for(service: str) -> None:
    """One profile for processors, one for CUDA; both are the same but for that."""
    container, name = SERVICES[service], service.removesuffix("-cuda")
    cuda = service.endswith("-cuda")
    assert container["profiles"] == ["cuda" if cuda else "cpu"]
    device = container["environment"][f"VOICEMODE_{name.upper()}_DEVICE"]
    assert device == ("cuda" if cuda else "cpu")
    assert ("deploy" in container) == cuda
    lock = container["build"].get("args", {}).get("LOCK", f"voicemode/supervise/locks/{name}.lock")
    assert (ROOT / lock).is_file()
    assert (ROOT / "docker" / container["build"]["context"] / container["build"]["dockerfile"]).is_file()
    known = {f"VOICEMODE_{name.upper()}_{field.upper()}" for field in ServiceSettings.__dataclass_fields__}
    assert container["environment"].keys() <= known


@pytest.mark.parametrize("name", NAMES)
def test_cuda_changes_only_what_cuda_needs(name: str) -> None:
    """Everything else is what was tested."""
    usual, cuda = pins(f"voicemode/supervise/locks/{name}.lock"), pins(f"docker/{name}-cuda.lock")
    added = {package for package in cuda if package not in usual}
    assert {package for package in cuda.keys() & usual.keys() if cuda[package] != usual[package]} == set()
    assert all(package.startswith("nvidia-") or package == "onnxruntime-gpu" for package in added)
    assert added


def test_compose_takes_it() -> None:
    """With each profile, and not without tokens."""
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("there is no docker compose")
    command = ["docker", "compose", "-f", str(ROOT / "docker/compose.yaml")]
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    for profile in ("cpu", "cuda"):
        with_tokens = [*command, "--profile", profile, "config", "--quiet"]
        assert subprocess.run(with_tokens, env={**plain, **TOKENS}, capture_output=True, text=True).stderr == ""
        assert subprocess.run(with_tokens, env=plain, capture_output=True).returncode != 0


def test_hadolint_has_nothing_to_say() -> None:
    """Where it is installed."""
    if shutil.which("hadolint") is None:
        pytest.skip("there is no hadolint")
    files = [str(path) for path in (ROOT / "docker").glob("*.Dockerfile")]
    assert subprocess.run(["hadolint", *files], capture_output=True, text=True).stdout == ""
