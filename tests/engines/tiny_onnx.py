"""A model with smart-turn's signature in two hundred bytes, so that the real onnxruntime has something to run.

ONNX files are Protocol Buffers (onnx/onnx.proto3): fields of a number and a value, which is all that is written here.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["tiny_model"]

_FLOAT = 1


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value_info(name: str, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, _FLOAT) + _field(2, dimensions)))


def _node(operator: str, given: str, made: str, attributes: bytes = b"") -> bytes:
    return _field(1, _field(1, given) + _field(2, made) + _field(4, operator) + attributes)


def tiny_model(given: str = "input_features", shape: Sequence[int] = (1, 80, 800), last: str = "Sigmoid") -> bytes:
    """The logistic of the mean of the whole picture, ``last`` is the operator at its end, such as "Exp"."""
    axes = _field(5, _field(1, "axes") + b"".join(_field(8, axis) for axis in range(1, len(shape))) + _field(20, 7))
    flat = _field(5, _field(1, "keepdims") + _field(3, 0) + _field(20, 2))
    graph = (
        _node("ReduceMean", given, "mean", axes + flat)
        + _node(last, "mean", "logits")
        + _field(2, "tiny")
        + _field(11, _value_info(given, shape))
        + _field(12, _value_info("logits", (1,)))
    )
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))
