"""The models that can be downloaded: data, pinned by revision, size and SHA-256. Nothing here reads or opens anything.

Each size and sum was found, the same, in several independent public lock files that pin these revisions. Nobody downloaded
the files to write this: a wrong one would be refused, never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CATALOGUE", "Engine", "Model", "ModelFile"]

Engine = Literal["whisper", "kokoro", "smart-turn", "silero"]
"""What reads the model: faster-whisper, kokoro-onnx, or the turn scorer and the voice detector of voicemode itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model."""

    name: str
    """Its name in the model's folder; never a path."""
    url: str
    """Where it is published: https, with the revision in it."""
    size: int
    """Bytes."""
    sha256: str
    """64 hexadecimal digits, lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the catalogue."""

    name: str
    """What people type, such as "whisper-base"; also its folder's name."""
    engine: Engine
    title: str
    """One line that helps to choose."""
    languages: str
    licence: str
    """SPDX identifier."""
    page: str
    """Where people read about it."""
    files: tuple[ModelFile, ...]
    hosts: frozenset[str]
    """Where its addresses may redirect to: a host's name, or ".example.org" for every host below it."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


_HUB = "https://huggingface.co"
_HUB_HOSTS = frozenset({"huggingface.co", ".huggingface.co", ".hf.co"})
"""The hub hands large files to its storage: cdn-lfs.huggingface.co, cas-bridge.xethub.hf.co, us.aws.cdn.hf.co and more."""
_RELEASE_HOSTS = frozenset({"objects.githubusercontent.com", "release-assets.githubusercontent.com"})
"""Where GitHub keeps what is attached to a release."""
_WORLD, _ENGLISH = "99 languages", "English"


def _whisper(size: str, title: str, repository: str, revision: str, *files: tuple[str, int, str]) -> Model:
    base = f"{_HUB}/{repository}/resolve/{revision}"
    return Model(
        name=f"whisper-{size}",
        engine="whisper",
        title=title,
        languages=_ENGLISH if size.endswith(".en") else _WORLD,
        licence="MIT",
        page=f"{_HUB}/{repository}",
        files=tuple(ModelFile(name=name, url=f"{base}/{name}", size=size, sha256=sha256) for name, size, sha256 in files),
        hosts=_HUB_HOSTS,
    )


def _kokoro(name: str, title: str, *files: tuple[str, int, str]) -> Model:
    base = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"
    return Model(
        name=name,
        engine="kokoro",
        title=title,
        languages="English, Spanish, French, Hindi, Italian, Japanese, Portuguese, Mandarin",
        licence="Apache-2.0",
        page="https://huggingface.co/hexgrad/Kokoro-82M",
        files=tuple(ModelFile(name=name, url=f"{base}/{name}", size=size, sha256=sha256) for name, size, sha256 in files),
        hosts=_RELEASE_HOSTS,
    )


_TOKENIZER = ("tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab")
_VOCABULARY = ("vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913")
_EN_TOKENIZER = ("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df")
_EN_VOCABULARY = ("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf")
_V3_PREPROCESSOR = ("preprocessor_config.json", 340, "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711")
_V3_VOCABULARY = ("vocabulary.json", 1_068_114, "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1")
_VOICES = ("voices-v1.0.bin", 28_214_398, "bca610b8308e8d99f32e6fe4197e7ec01679264efed0cac9140fe9c29f1fbf7d")

CATALOGUE: tuple[Model, ...] = (
    _whisper(
        "tiny",
        "Fastest, many mistakes",
        "Systran/faster-whisper-tiny",
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        ("config.json", 2_249, "a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8"),
        ("model.bin", 75_538_270, "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1"),
        _TOKENIZER,
        _VOCABULARY,
    ),
    _whisper(
        "tiny.en",
        "Fastest, English only, fewer mistakes in it",
        "Systran/faster-whisper-tiny.en",
        "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        ("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        ("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        _EN_TOKENIZER,
        _EN_VOCABULARY,
    ),
    _whisper(
        "base",
        "Quick on any processor; good enough to talk with",
        "Systran/faster-whisper-base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        ("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        ("model.bin", 145_217_532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"),
        _TOKENIZER,
        _VOCABULARY,
    ),
    _whisper(
        "base.en",
        "Quick on any processor, English only",
        "Systran/faster-whisper-base.en",
        "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
        ("config.json", 2_227, "f3bc3821e9fc76a27bae538e11ae5b677dcdd352b4600429ce7951d398569aeb"),
        ("model.bin", 145_216_508, "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef"),
        _EN_TOKENIZER,
        _EN_VOCABULARY,
    ),
    _whisper(
        "small",
        "Better, about three times slower than base",
        "Systran/faster-whisper-small",
        "536b0662742c02347bc0e980a01041f333bce120",
        ("config.json", 2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
        ("model.bin", 483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),
        _TOKENIZER,
        _VOCABULARY,
    ),
    _whisper(
        "small.en",
        "Better, English only",
        "Systran/faster-whisper-small.en",
        "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
        ("config.json", 2_657, "666a9605530ac1f61fa8177f3702b4dacec9966749e42610839fcc32661d5fae"),
        ("model.bin", 483_545_366, "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a"),
        _EN_TOKENIZER,
        _EN_VOCABULARY,
    ),
    _whisper(
        "medium",
        "Good; wants a graphics card or patience",
        "Systran/faster-whisper-medium",
        "08e178d48790749d25932bbc082711ddcfdfbc4f",
        ("config.json", 2_257, "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807"),
        ("model.bin", 1_527_906_378, "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae"),
        _TOKENIZER,
        _VOCABULARY,
    ),
    _whisper(
        "large-v3",
        "Best; for a graphics card",
        "Systran/faster-whisper-large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        ("config.json", 2_394, "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9"),
        ("model.bin", 3_087_284_237, "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1"),
        _V3_PREPROCESSOR,
        ("tokenizer.json", 2_480_617, "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca"),
        _V3_VOCABULARY,
    ),
    _whisper(
        "large-v3-turbo",
        "Nearly the best, far faster; for a graphics card or a fast processor",
        "deepdml/faster-whisper-large-v3-turbo-ct2",
        "4df90f75321148c3a29a9e2351b7ddf8f5b115a8",
        ("config.json", 2_263, "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e"),
        ("model.bin", 1_617_884_929, "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da"),
        _V3_PREPROCESSOR,
        ("tokenizer.json", 2_710_337, "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd"),
        _V3_VOCABULARY,
    ),
    _kokoro(
        "kokoro-v1.0",
        "Full precision",
        ("kokoro-v1.0.onnx", 325_532_387, "7d5df8ecf7d4b1878015a32686053fd0eebe2bc377234608764cc0ef3636a6c5"),
        _VOICES,
    ),
    _kokoro(
        "kokoro-v1.0-fp16",
        "Half precision, half the size",
        ("kokoro-v1.0.fp16.onnx", 177_464_787, "c1610a859f3bdea01107e73e50100685af38fff88f5cd8e5c56df109ec880204"),
        _VOICES,
    ),
    _kokoro(
        "kokoro-v1.0-int8",
        "Smallest, but slower than the others on many processors",
        ("kokoro-v1.0.int8.onnx", 92_361_271, "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"),
        _VOICES,
    ),
    Model(
        name="smart-turn-v3.2",
        engine="smart-turn",
        title="Judges whether somebody has finished or only pauses",
        languages="23 languages",
        licence="BSD-2-Clause",
        page="https://huggingface.co/pipecat-ai/smart-turn-v3",
        files=(
            ModelFile(
                name="smart-turn-v3.2-cpu.onnx",
                url=f"{_HUB}/pipecat-ai/smart-turn-v3/resolve/f766f81d3cfdf7737ac64aad813d91bbfd56bf93/smart-turn-v3.2-cpu.onnx",
                size=8_679_182,
                sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            ),
        ),
        hosts=_HUB_HOSTS,
    ),
    Model(
        name="silero-vad-v6.2",
        engine="silero",
        title="Tells speech from noise (a copy for onnxruntime; voicemode brings its own)",
        languages="any",
        licence="MIT",
        page="https://github.com/snakers4/silero-vad",
        files=(
            ModelFile(
                name="silero_vad.onnx",
                url="https://raw.githubusercontent.com/snakers4/silero-vad/v6.2.1/src/silero_vad/data/silero_vad.onnx",
                size=2_327_524,
                sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            ),
        ),
        hosts=frozenset(),
    ),
)
