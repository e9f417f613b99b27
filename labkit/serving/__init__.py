"""A model as a server on this machine: OpenAI's protocol, Ollama's chat, and figures for Prometheus."""

from .exporter import export
from .server import Serving, serve

__all__ = ["Serving", "export", "serve"]
