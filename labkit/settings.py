"""The only file that reads the environment: where things are, and how servers are reached."""

from __future__ import annotations

import locale
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import OptionError

OLLAMA_PORT = 11434
SERVICE_STORE = Path("/usr/share/ollama/.ollama/models")  # the Linux installer runs Ollama as a user of its own
LAB = "py lab.py" if sys.platform == "win32" else "python3 lab.py"  # how one starts lab.py here


@dataclass(frozen=True)
class Settings:
    """What the environment says, read when asked and never at import.

    Attributes
    ----------
    cache : Path
        Quantized models, probe results, downloads: safe to delete. `LABKIT_CACHE`, else the system's cache folder.
    model_folders : tuple of Path
        Where `lab.models()` looks for GGUF files. `LABKIT_MODELS` (several, as in PATH), then ./models.
    ollama_host : str
        `OLLAMA_HOST` as it stands.
    openai : tuple of str
        Base URLs of OpenAI-compatible servers to list. `LABKIT_SERVERS`, separated by commas.
    api_key : str
        Sent to OpenAI-compatible servers. `LABKIT_API_KEY`; never OPENAI_API_KEY, which belongs to another address.
    ollama_store : Path
        Where an Ollama server of this machine keeps its models. `OLLAMA_MODELS`, else ~/.ollama/models or the service's folder.
    """

    cache: Path
    model_folders: tuple[Path, ...]
    ollama_host: str
    openai: tuple[str, ...]
    api_key: str
    ollama_store: Path

    @property
    def ollama(self) -> str:
        """Base URL of the Ollama server. `OLLAMA_HOST`, else http://127.0.0.1:11434; OptionError where it is no address."""
        try:
            return server_url(self.ollama_host, OLLAMA_PORT)
        except OptionError:  # said here and not when everything is read: most of the kit needs no Ollama
            raise OptionError(f"OLLAMA_HOST={self.ollama_host} is no address.", fix="Set it like 127.0.0.1:11434, or unset it.") from None


def read() -> Settings:
    """Read the settings from the environment as it is now."""
    env = os.environ
    folders = [_path(p) for p in env.get("LABKIT_MODELS", "").split(os.pathsep) if p] + [Path("models")]
    return Settings(
        cache=_path(env["LABKIT_CACHE"]) if env.get("LABKIT_CACHE") else _cache_home() / "labkit",
        model_folders=tuple(folders),
        ollama_host=env.get("OLLAMA_HOST", ""),
        openai=tuple(part.strip() for part in env.get("LABKIT_SERVERS", "").split(",") if part.strip()),
        api_key=env.get("LABKIT_API_KEY", ""),
        ollama_store=_ollama_store(),
    )


def language() -> str:
    """The user's language, 'es' or else 'en': what `LABKIT_LANG` says, else the system's settings."""
    variables = [os.environ.get(name, "") for name in ("LABKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG")]
    name = next(filter(None, variables), "") or locale.getlocale()[0] or ""
    return "es" if name.strip().lower().startswith(("es", "spanish")) else "en"


def command_for(extra: str) -> str:
    """What installs an extra into the environment of this very Python, from this copy of the kit: the index has others of its name.

    >>> command_for("train").endswith('[train]"')
    True
    """
    import shlex
    import subprocess

    root = Path(__file__).resolve().parents[1]
    quote = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    return f'{quote([sys.executable])} -m pip install -e "{root}[{extra}]"'


def watched() -> bool:
    """Whether somebody looks at this process now: a terminal, or a notebook that is open in an editor.

    Nobody looks while a test, papermill or another program runs a notebook: a progress bar would only litter the stored outputs.
    """
    env = os.environ
    if "PYTEST_CURRENT_TEST" in env or any(name.startswith("PAPERMILL_") for name in env):
        return False
    if "ipykernel" in sys.modules:  # set for kernels that an editor started, not for those of papermill, nbconvert and nbval
        return "JPY_SESSION_NAME" in env or "VSCODE_PID" in env or "COLAB_RELEASE_TAG" in env
    return sys.stderr is not None and sys.stderr.isatty()


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # not Path's own, which raises where there is no such user


def _ollama_store() -> Path:
    if os.environ.get("OLLAMA_MODELS"):
        return _path(os.environ["OLLAMA_MODELS"])
    own = Path.home() / ".ollama" / "models"
    # Not Path.is_dir, which raises where this user may not look: a folder like that is of no use here.
    return SERVICE_STORE if not os.path.isdir(own) and os.path.isdir(SERVICE_STORE) else own


def _cache_home() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if os.uname().sysname == "Darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def server_url(host: str, default_port: int) -> str:
    """The base URL of a server from what people put in OLLAMA_HOST.

    An address to listen on (0.0.0.0, ::) is not one to connect to, so it becomes the loopback address. OptionError for what is no address.

    >>> server_url("", 11434)
    'http://127.0.0.1:11434'
    >>> server_url("0.0.0.0", 11434)
    'http://127.0.0.1:11434'
    >>> server_url("lab.school:8080", 11434)
    'http://lab.school:8080'
    >>> server_url("https://lab.school/ollama/", 11434)
    'https://lab.school:443/ollama'
    >>> server_url("[::1]", 11434)
    'http://[::1]:11434'
    """
    text = host.strip().strip("\"'")
    if text.count(":") > 1 and "[" not in text and "://" not in text:  # a bare IPv6 address
        text = f"[{text}]"
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        written = parts.port
    except ValueError:
        raise OptionError(f"{host!r} is not the address of a server.", fix="Give one like 127.0.0.1:11434.") from None
    # As Ollama reads it: the usual ports where a scheme is written, its own where none is.
    port = written or {"http": 80, "https": 443}.get(parts.scheme, default_port)
    name = parts.hostname or "127.0.0.1"
    if name in ("0.0.0.0", "::"):
        name = "127.0.0.1"
    return f"{parts.scheme or 'http'}://{f'[{name}]' if ':' in name else name}:{port}{parts.path}".rstrip("/")


def proxy_for(url: str) -> str:
    """The proxy that the environment names for an address ("" for none): HTTPS_PROXY and its kin, NO_PROXY, the system's settings."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all", "")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
