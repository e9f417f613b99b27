"""The class mirror: hostile requests get nothing, many pulls at once get the same bytes, and a real Ollama pulls and resumes."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import labkit as lab
from labkit.backends.ollama_store import OllamaServer
from labkit.errors import BackendError, ModelNotFoundError, OptionError
from labkit.mirror import Pace, Store, _shown_address, announcement, own_addresses, serve

from .servers.programs import serve_ollama, wait_for

SECRET = b"the teacher's marks"
BODY = os.urandom(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


def put_blob(store: Path, content: bytes) -> dict:
    digest = hashlib.sha256(content).hexdigest()
    (store / "blobs" / f"sha256-{digest}").write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def put_model(store: Path, name: str, layers: list[dict]) -> None:
    file = store / "manifests/registry.ollama.ai/library" / name / "latest"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"schemaVersion": 2, "config": layers[0], "layers": layers[1:]}))


@pytest.fixture
def store(tmp_path) -> Path:
    """A store with one model to serve, one to keep back, and every way out of it that a file system offers."""
    (tmp_path / "secret").write_bytes(SECRET)
    folder = tmp_path / "store"
    (folder / "blobs").mkdir(parents=True)
    config = put_blob(folder, b"{}")
    put_model(folder, "good", [config, put_blob(folder, BODY)])
    put_model(folder, "private", [config, put_blob(folder, SECRET)])
    put_model(folder, "traversal", [config, {"digest": "sha256:../../secret"}])
    put_model(folder, "huge", [config] * 40_000)
    put_blob(folder, SECRET + b" of nobody's model")
    (folder / "blobs" / f"sha256-{DIGEST}-partial").write_bytes(SECRET)
    manifests = folder / "manifests/registry.ollama.ai/library"
    outside = "ab" * 32
    put_model(folder, "linked", [config, {"digest": f"sha256:{outside}"}])
    if hasattr(os, "symlink") and os.name != "nt":
        (folder / "blobs" / f"sha256-{outside}").symlink_to(tmp_path / "secret")
        (manifests / "out").mkdir()
        (manifests / "out" / "latest").symlink_to(tmp_path / "secret")
    return folder


@contextmanager
def mirror(store: Path, *arguments: str):
    """The real command in a process of its own; yields its base URL and its log file."""
    log = store.parent / f"mirror-{time.time_ns()}.log"
    command = [sys.executable, "-m", "labkit.cli", "mirror", "--store", str(store), "--port", "0", "--verbose", *arguments]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 20
        while "on port" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        port = int(log.read_text().split("on port ")[1].split(".")[0])
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(10)


def raw_request(url: str, request: bytes) -> bytes:
    """What comes back for these very bytes: no client tidies the path first."""
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except (TimeoutError, ConnectionResetError):
            pass
        return received


SECRET_DIGEST = hashlib.sha256(SECRET).hexdigest()
ORPHAN = hashlib.sha256(SECRET + b" of nobody's model").hexdigest()
HOSTILE = {
    "dots in the namespace": "GET /v2/../../secret/manifests/latest",
    "dots in the name": "GET /v2/library/../manifests/latest",
    "encoded dots": "GET /v2/library/%2e%2e%2f%2e%2e%2fsecret/manifests/latest",
    "twice encoded dots": "GET /v2/library/%252e%252e%252fsecret/manifests/latest",
    "dots as tag": "GET /v2/library/good/manifests/..",
    "backslashes": "GET /v2/library/..\\..\\secret/manifests/latest",
    "nul byte": "GET /v2/library/good%00/manifests/latest",
    "absolute path": "GET //etc/passwd",
    "dots to a file": "GET /blob/../../../secret",
    "encoded path as blob": "GET /blob/..%2f..%2fsecret",
    "blob of no model": f"GET /blob/{ORPHAN}",
    "blob of no model by its address": f"GET /v2/library/good/blobs/sha256:{ORPHAN}",
    "blob of a model kept back": f"GET /blob/{SECRET_DIGEST}",
    "model kept back": "GET /v2/library/private/manifests/latest",
    "half downloaded blob": f"GET /blob/{DIGEST}-partial",
    "digest in capitals": f"GET /blob/{DIGEST.upper()}",
    "digest that is too short": f"GET /blob/{DIGEST[:63]}",
    "blob behind a link out of the store": f"GET /blob/{'ab' * 32}",
    "manifest behind a link out of the store": "GET /v2/library/out/manifests/latest",
    "model with a path as digest": "GET /v2/library/traversal/manifests/latest",
    "manifest of megabytes": "GET /v2/library/huge/manifests/latest",
    "catalogue of the registry": "GET /v2/_catalog",
    "folder listing": "GET /v2/library/",
    "delete": "DELETE /v2/library/good/manifests/latest",
    "put a manifest": "PUT /v2/library/good/manifests/latest",
    "start an upload": "POST /v2/library/good/blobs/uploads/",
    "trace": "TRACE /",
    "as a proxy": "GET http://127.0.0.1:9/",
    "connect": "CONNECT 127.0.0.1:9",
    "very long path": f"GET /{'a' * 100_000}",
}


def test_hostile_requests_get_nothing(store):
    before = sorted(p.name for p in store.rglob("*"))
    with mirror(store, "--only", "good") as (url, _):
        for name, line in HOSTILE.items():
            answer = raw_request(url, f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            status = answer.split(b"\r\n")[0]
            assert SECRET not in answer and BODY[:100] not in answer, name
            assert not status or b" 4" in status, (name, status)
        for name, junk in {
            "garbage": os.urandom(500),
            "half a request": b"GET / HT",
            "body": b"GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        }.items():
            assert SECRET not in raw_request(url, junk + b"\r\n\r\n"), name
        assert httpx.get(f"{url}/v2/library/good/manifests/latest").status_code == 200, "it still serves"
    assert sorted(p.name for p in store.rglob("*")) == before


def test_without_a_choice_only_whole_models_inside_the_store_are_served(store):
    assert [m.name for m in Store(store).models()] == ["good:latest", "private:latest"]


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [
        ("bytes=0-99", 206, BODY[:100]),
        ("bytes=299990-", 206, BODY[-10:]),
        ("bytes=-5", 206, BODY[-5:]),
        ("bytes=400000-", 416, b""),
        ("nonsense", 200, BODY),
    ],
)
def test_blob_is_served_in_ranges(store, asked, status, got):
    with mirror(store) as (url, _):
        answer = httpx.get(f"{url}/blob/{DIGEST}", headers={"Range": asked})
        assert answer.status_code == status
        assert answer.content == got or status == 416
        head = httpx.head(f"{url}/v2/library/good/blobs/sha256:{DIGEST}")
        assert head.status_code == 200 and int(head.headers["Content-Length"]) == len(BODY)


def test_forty_pulls_at_once_get_the_same_bytes(store):
    with mirror(store) as (url, _), ThreadPoolExecutor(40) as pool:
        digests = pool.map(lambda _: hashlib.sha256(httpx.get(f"{url}/blob/{DIGEST}", timeout=60).content).hexdigest(), range(40))
        assert set(digests) == {DIGEST}


def test_page_for_students_escapes_and_names_the_command(store):
    with mirror(store, "--only", "good") as (url, _):
        assert httpx.get(url, headers={"Host": '"><script>x'}).status_code == 400
        page = httpx.get(url, headers={"Host": "a'b<i>"})
        assert "<i>" not in page.text
        page = httpx.get(url)
        assert f"ollama pull --insecure {url.removeprefix('http://')}/library/good:latest" in page.text and "private" not in page.text
        assert f"ollama cp {url.removeprefix('http://')}/library/good:latest good:latest" in page.text


def test_announcement_says_who_can_reach_it(store):
    assert "Only programs on this machine" in announcement(Store(store), "127.0.0.1", 5056)
    assert "EVERYBODY" in announcement(Store(store), "192.0.2.7", 5056)
    assert "ollama pull --insecure 192.0.2.7:5056/library/good:latest" in announcement(Store(store), "192.0.2.7", 5056)


def test_announcement_names_addresses_that_answer(store):
    assert "ollama pull --insecure [::1]:5056/library/good:latest" in announcement(Store(store), "::1", 5056)
    assert all(ipaddress.ip_address(address).version == 6 for address in own_addresses(socket.AF_INET6))
    assert set(own_addresses(socket.AF_INET6)) & set(announcement(Store(store), "::", 5056).replace("[", " ").replace("]", " ").split())


def test_the_rate_is_one_for_all_parts_that_a_client_fetches():
    pace = Pace(1000)
    assert [pace.wait("a", 500, now=10.0) for _ in range(3)] == [0.5, 1.0, 1.5]
    assert pace.wait("b", 500, now=10.0) == 0.5
    assert pace.wait("a", 500, now=60.0) == 0.5  # what was long ago counts no more
    assert Pace(0).wait("a", 500, now=10.0) == 0


def test_clients_that_hang_up_leave_no_trace(store):
    large = put_blob(store, bytes(20_000_000))
    put_model(store, "large", [large])
    with mirror(store) as (url, log):
        path = f"/blob/{large['digest'].removeprefix('sha256:')}"
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.recv(1000)
        assert len(httpx.get(url + path, trust_env=False).content) == 20_000_000
        assert "never retrieved" not in log.read_text()


def test_address_that_others_see_comes_first():
    addresses = own_addresses()
    assert not any(address.startswith("169.254.") for address in addresses)
    if (shown := _shown_address()) in addresses:
        assert addresses[0] == shown


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may make networks")
def test_networks_of_containers_and_of_nobody_come_last_or_not_at_all():
    """In a network namespace of its own: an address as of Docker's bridge, one of a card without a lease, and that of the class."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare or ip is absent")
    steps = [f"ip addr add {address} dev lo" for address in ("172.17.0.1/16", "169.254.7.7/16", "192.168.5.20/24")]
    steps += ["ip link set lo up", "ip route add default dev lo src 192.168.5.20"]
    if subprocess.run(["unshare", "--net", "sh", "-c", " && ".join(steps)], capture_output=True, check=False).returncode:
        pytest.skip("this machine makes no networks")
    steps += [f"{sys.executable} -c 'from labkit.mirror import own_addresses; print(own_addresses())'"]
    done = subprocess.run(["unshare", "--net", "sh", "-c", " && ".join(steps)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['192.168.5.20', '172.17.0.1', '127.0.0.1']"


def test_what_cannot_be_served_is_an_error(store, tmp_path):
    with pytest.raises(BackendError, match="no Ollama store"):
        Store(tmp_path / "nowhere")
    with pytest.raises(ModelNotFoundError, match="ollama pull other:latest"):
        Store(store, only=["other"])
    with pytest.raises(ModelNotFoundError, match="Stored: good:latest, private:latest"):
        Store(store, only=["other"])
    with pytest.raises(OptionError, match="port=99999"):
        serve(port=99999, folder=store)
    with mirror(store) as (url, _):
        command = [sys.executable, "-m", "labkit.cli", "mirror", "--store", str(store), "--port", url.rpartition(":")[2]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and "--port 0" in done.stderr and "Traceback" not in done.stderr


def test_a_real_ollama_pulls_interrupts_and_resumes(ollama_program, ollama_server, tmp_path):
    """The teacher's Ollama made mini-m; a student's empty one pulls it through the mirror, is cut off, and goes on where it stopped."""
    teacher = ollama_server.folder / "models"
    with serve_ollama(ollama_program, tmp_path / "student") as (student, _), mirror(teacher, "--rate", "1") as (url, log):
        name = f"{url.removeprefix('http://')}/library/mini-m:latest"
        pupil, seen = OllamaServer(student), []
        first = threading.Event()

        def watch(step):
            seen.append(step)
            if (step.completed or 0) > 1_000_000:
                first.set()

        with pytest.raises(BackendError, match="as asked"):
            pupil.pull(name, watch, insecure=True, cancel=first)
        assert not pupil.has(name) and any((tmp_path / "student").rglob("*-partial*"))
        wait_for(lambda: " GET /blob/" in log.read_text(), 10, log.read_text)
        before = log.read_text().count(" GET /blob/")
        pupil.pull(name, seen.append, insecure=True)
        again = [line for line in log.read_text().splitlines() if " GET /blob/" in line][before:]
        starts = [int(line.split("bytes=")[1].split("-")[0]) for line in again if "bytes=" in line]
        assert max(starts) > 0, f"the second pull began anew: {again}"
        assert pupil.has(name)
        asked = {"temperature": 0, "max_tokens": 20}
        with lab.load("mini-m") as here, lab.load(f"ollama:{name}@{student}") as there:
            assert there.chat("Hello", **asked).text == here.chat("Hello", **asked).text
