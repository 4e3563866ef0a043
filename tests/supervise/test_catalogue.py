"""What may be downloaded is pinned, and no name or address leads elsewhere."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from voicemode.supervise.catalogue import CATALOGUE, Model

FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
REVISION = re.compile(r"/resolve/[0-9a-f]{40}/|/releases/download/[a-z-]+-v[0-9.]+/|/v\d+\.\d+\.\d+/")
"""A commit, or a tag of a release."""

each = pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)


@each
def test_every_file_is_pinned(model: Model) -> None:
    """By revision, size and SHA-256; a moving branch would be another file tomorrow."""
    for file in model.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file.name
        assert file.size > 0
        assert REVISION.search(file.url), file.url
        assert "/main/" not in file.url


@each
def test_no_name_is_a_path(model: Model) -> None:
    """Names become folders and files. (SECURITY 25, 29)"""
    for name in (model.name, *(file.name for file in model.files)):
        assert re.fullmatch(FILE_NAME, name)
        assert not name.endswith((".part", ".etag", ".lock"))


@each
def test_every_address_is_encrypted_and_ends_with_the_file(model: Model) -> None:
    """So that a mirror may be filled from the same list. (SECURITY 28)"""
    for file in model.files:
        parts = urlsplit(file.url)
        assert (parts.scheme, parts.port, parts.query) == ("https", None, "")
        assert parts.path.rsplit("/", 1)[1] == file.name


@each
def test_redirects_may_lead_to_named_hosts_only(model: Model) -> None:
    """An entry such as ".co" or "" would allow strangers."""
    assert all(len(host.strip(".").split(".")) >= 2 for host in model.hosts)


@each
def test_the_engine_finds_all_it_reads(model: Model) -> None:
    """CTranslate2 wants weights, configuration, tokenizer and vocabulary; kokoro-onnx wants a model and voices."""
    names = {file.name for file in model.files}
    match model.engine:
        case "whisper":
            assert {"config.json", "model.bin", "tokenizer.json"} <= names
            assert len({"vocabulary.txt", "vocabulary.json"} & names) == 1
            # Without it 80 mel bands are assumed; the third generation has 128.
            assert ("preprocessor_config.json" in names) is ("large-v3" in model.name)
        case "kokoro":
            assert sorted(name.rsplit(".", 1)[1] for name in names) == ["bin", "onnx"]
        case _:
            assert [name.rsplit(".", 1)[1] for name in names] == ["onnx"]


def test_names_are_unique() -> None:
    """Two models of one name would share a folder."""
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)


def test_the_same_sum_is_the_same_file() -> None:
    """A sum copied to a wrong place would show here: one sum, one size, one name."""
    by_sum = {(file.sha256, file.size, file.name) for model in CATALOGUE for file in model.files}
    assert len({sha256 for sha256, _, _ in by_sum}) == len(by_sum)
