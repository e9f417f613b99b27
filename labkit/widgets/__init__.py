"""Widgets: a learner turns a knob and looks. Each calls a plain function of labkit and says the same as text in `.text`.

>>> import labkit as lab
>>> lab.widgets.chat("mini-m")  # doctest: +SKIP
"""

from ._arena import arena
from ._chat import chat
from ._gauge import memory_gauge
from ._lens import token_lens
from ._microscope import microscope
from ._playground import playground

__all__ = ["arena", "chat", "memory_gauge", "microscope", "playground", "token_lens"]
