"""The ground that every test stands on: nothing of the user's, nothing outside this machine, nothing skipped that was required."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from ..conftest import REAL, NetworkBlockedError
from . import programs


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("8.8.8.8", 53)])
def test_other_machines_cannot_be_reached(address):
    with socket.socket() as sock, pytest.raises(NetworkBlockedError):
        sock.connect(address)
    with socket.socket() as sock, pytest.raises(NetworkBlockedError):
        sock.connect_ex(address)
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(NetworkBlockedError):
        sock.sendto(b"x", address)


def test_names_are_not_looked_up():
    with pytest.raises(NetworkBlockedError):
        socket.getaddrinfo("ollama.com", 443)
    with pytest.raises(OSError, match="no names"):
        urllib.request.urlopen("http://ollama.com")


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_home_and_cache_are_not_the_users():
    assert os.environ["HOME"] != REAL.get("HOME") and Path.home() == Path(os.environ["HOME"])
    assert not list(Path(os.environ["LABKIT_CACHE"]).iterdir())
    assert not [name for name in os.environ if name.upper().endswith("_PROXY") or name.startswith("OPENAI_")]


def test_no_loop_is_left_running():
    """A test's asyncio loop ends with the test, the browser's with its folder."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.mark.parametrize("required", ["", "ollama"])
def test_absent_program_skips_with_its_reason_and_fails_where_it_is_required(tmp_path, required):
    root = Path(__file__).parents[2]
    test = "tests/backends/test_ollama_store.py::test_server_says_what_it_is_and_has"
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), "LABKIT_REQUIRE": required, "SYSTEMROOT": REAL.get("SYSTEMROOT", "")}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=120)
    assert "no Ollama on this machine" in done.stdout
    assert (done.returncode == 0 and "1 skipped" in done.stdout) if not required else (done.returncode == 1 and "1 error" in done.stdout)


def test_a_server_is_ended_by_its_own_id(tmp_path):
    port = programs.free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with programs.running(command, tmp_path / "log", f"http://127.0.0.1:{port}", {}) as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_a_server_that_does_not_start_shows_its_log(tmp_path):
    command = [sys.executable, "-c", "print('no such option', flush=True)"]
    with pytest.raises(RuntimeError, match="no such option"), programs.running(command, tmp_path / "log", "http://127.0.0.1:9", {}):
        pass
