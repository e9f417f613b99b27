"""The `labkit` command, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def labkit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"OLLAMA_HOST": "http://127.0.0.1:9"} | environment
    return subprocess.run([sys.executable, "-m", "labkit.cli", *arguments], capture_output=True, text=True, env=env, timeout=120)


def test_doctor_prints_and_exits_well():
    done = labkit("doctor", "--lang", "es")
    assert done.returncode == 0 and "memoria" in done.stdout
    checks = json.loads(labkit("doctor", "--json").stdout)
    assert {"name", "status", "found", "advice"} == set(checks[0])


def test_models_prints_a_table():
    done = labkit("models")
    assert done.returncode == 0 and "mini-m" in done.stdout


def test_chat_prints_the_answer():
    done = labkit("chat", "Hello", "--temperature", "0", "--max-tokens", "20")
    assert done.returncode == 0 and done.stdout.strip() and not done.stderr


WRONG = [("chat", "x", "--model", "mini-n"), ("chat", "x", "--temperature", "-1"), ("mirror", "--store", "nowhere")]


@pytest.mark.parametrize("arguments", WRONG)
def test_errors_are_one_line_with_advice(arguments):
    done = labkit(*arguments)
    assert done.returncode == 1 and done.stderr.startswith("labkit: ") and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve mini-s", "metrics", "mirror"])
@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_a_port_that_is_none_is_refused(command, port):
    done = labkit(*command.split(), "--port", port)
    assert done.returncode == 2 and f"'{port}' is no port" in done.stderr


def test_letters_that_a_code_page_lacks_are_replaced():
    done = labkit("doctor", "--lang", "en", PYTHONUTF8="0", PYTHONIOENCODING="cp437")
    assert done.returncode == 0 and "?" in done.stdout and not done.stderr


@pytest.mark.parametrize("command", ["doctor", "models"])
def test_a_reader_that_has_enough_is_no_error(command):
    with subprocess.Popen([sys.executable, "-m", "labkit.cli", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 1


def test_without_a_command_the_usage_is_shown():
    assert labkit().returncode == 2
    assert "mirror" in labkit("--help").stdout
