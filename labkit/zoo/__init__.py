"""The shipped models: their cards and weights, how they are quantized and how they were trained."""

from .quantization import quantize

__all__ = ["quantize"]
