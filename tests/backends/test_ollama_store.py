"""The models of an Ollama server: look, make, copy, delete, against a real one; what a failing pull says. tests/test_mirror.py pulls."""

from __future__ import annotations

import json
import threading

import pytest

import labkit as lab
from labkit import errors
from labkit.backends.modelfile import Modelfile
from labkit.backends.ollama_words import Progress, full_name, older_than
from labkit.zoo import catalog

from ..servers.misbehaving import Misbehaving, response, sends, stalls


@pytest.fixture
def server(ollama_server) -> lab.OllamaServer:
    return lab.OllamaServer(ollama_server.url)


@pytest.fixture
def name(request: pytest.FixtureRequest, server: lab.OllamaServer):
    """A name of the test's own, gone afterwards."""
    name = request.node.name.replace("[", "-").replace("]", "").replace("_", "-").lower()[:60]
    yield name
    if server.has(name):
        server.delete(name)


# -- names ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    ["llama3.2", "llama3.2:latest", "Llama3.2:Latest", "library/llama3.2", "registry.ollama.ai/library/llama3.2:latest", " llama3.2 "],
)
def test_spellings_of_one_name_are_one(spelling):
    assert full_name(spelling) == "llama3.2:latest"


@pytest.mark.parametrize("other", ["llama3.2:1b", "hf.co/library/llama3.2", "someone/llama3.2", "127.0.0.1:5056/library/llama3.2"])
def test_other_names_are_others(other):
    assert full_name(other) != "llama3.2:latest"


@pytest.mark.parametrize(
    ("version", "older"),
    [("0.17.0", True), ("0.9.12", True), ("0.17.1", False), ("0.24.0-rc1", False), ("1.0", False), ("0.0.0", False), ("", False)],
)
def test_versions_are_compared_as_numbers(version, older):
    assert older_than(version, (0, 17, 1)) is older


# -- looking --------------------------------------------------------------------------------------------------------------------


def test_server_says_what_it_is_and_has(server):
    assert older_than("0.1", (0, 2)) and server.version().count(".") == 2
    assert {"mini-m:latest", "mini-bert:latest"} <= set(server.names())
    stored = server.stored("MINI-M")
    assert stored["size"] >= catalog.card("mini-m").size and stored["details"]["quantization_level"] == "F16"
    shown = server.show("mini-m")
    assert shown["model_info"]["general.architecture"] == "llama" and "im_start" in shown["template"]
    assert server.has("mini-m:latest") and not server.has("mini-x")
    assert server.url in repr(server)


def test_load_and_unload_change_what_is_running(server):
    server.load("mini-m")
    assert "mini-m:latest" in [model["model"] for model in server.running()]
    assert server.allocated("mini-m") == catalog.card("mini-m").context_window
    server.unload("mini-m")
    for _ in range(100):
        if not server.allocated("mini-m"):
            break
        threading.Event().wait(0.05)
    assert server.allocated("mini-m") is None
    server.load("mini-bert")
    server.unload("mini-bert")


@pytest.mark.parametrize("action", ["show", "delete", "unload", "load"])
def test_a_model_that_is_not_there_is_named_with_those_that_are(server, action):
    with pytest.raises(errors.ModelNotFoundError) as caught:
        getattr(server, action)("nope:1b")
    text = str(caught.value)
    assert text.startswith(f"Model 'nope:1b' is not on this Ollama server ({server.url}). Installed: mini-bert:latest, mini-m:latest")
    assert text.endswith("Get it: `ollama pull nope:1b`")


# -- making ---------------------------------------------------------------------------------------------------------------------


def test_create_from_a_file_sends_it_once_with_progress(server, name, tmp_path):
    copy = tmp_path / "ñandú model.gguf"
    copy.write_bytes(catalog.path("mini-m").read_bytes() + b"\0" * 5)  # other bytes, so that they are not there yet
    steps: list[Progress] = []
    server.create(name, copy, progress=steps.append)
    sent = [step for step in steps if step.status.startswith("sending")]
    assert sent and sent[-1].completed == sent[-1].total == copy.stat().st_size and "100 %" in str(sent[-1])
    assert steps[-1].status == "success"
    steps.clear()
    server.create(name, copy, progress=steps.append)
    assert not [step for step in steps if step.status.startswith("sending")]
    assert lab.load(f"ollama:{name}@{server.url}").chat("Hi", max_tokens=2).usage.completion_tokens


def test_create_from_a_modelfile(server, name):
    text = '''
# A pirate
FROM mini-m
PARAMETER num_ctx 256
PARAMETER temperature 0.5
PARAMETER stop "END"
PARAMETER stop "STOP"
SYSTEM """
You are a pirate.
You say "Arr".
"""
MESSAGE user Hello
MESSAGE assistant Arr
LICENSE MIT
'''
    server.create(name, modelfile=text, parameters={"num_ctx": 128})
    shown = server.show(name)
    assert shown["system"].strip() == 'You are a pirate.\nYou say "Arr".'
    assert "num_ctx                        128" in shown["parameters"]
    assert shown["parameters"].count("stop ") == 2 and "MIT" in shown["license"]
    model = lab.load(f"ollama:{name}@{server.url}")
    assert model.context_window == 128
    rendered = model.render("Who?")
    assert rendered.index("pirate") < rendered.index("Arr<|im_end|>") < rendered.index("Who?")


def test_create_quantized_is_smaller_and_answers(server, name):
    server.create(name, catalog.path("mini-m"), quantize="q8_0", system="Be brief.")
    assert server.stored(name)["size"] < 0.6 * server.stored("mini-m")["size"]
    assert lab.load(f"ollama:{name}@{server.url}").chat("Hi", max_tokens=3).usage.completion_tokens


def test_an_adapter_beside_the_weights_is_the_model_that_has_both(server, name):
    card = catalog.card("mini-l")
    weights, adapter = catalog.WEIGHTS / card.file, catalog.WEIGHTS / card.adapter["file"]
    server.create(name, modelfile=f"FROM {weights}\nADAPTER {adapter}", parameters={"num_thread": 1, "repeat_penalty": 1.0})
    told = [
        one.chat("Tell me a story.", temperature=0, max_tokens=40).text
        for one in (lab.load(f"ollama:{name}@{server.url}"), lab.load("mini-l"))
    ]
    assert told[0] == told[1]
    server.create(name, weights, parameters={"num_thread": 1, "repeat_penalty": 1.0})
    assert lab.load(f"ollama:{name}@{server.url}").chat("Tell me a story.", temperature=0, max_tokens=40).text != told[0]


def test_copy_and_delete(server, name):
    server.copy("mini-m", name)
    assert server.has(name)
    server.delete(name)
    assert not server.has(name)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"from_": "gone.gguf"}, "no file"),
        ({}, "nothing to make"),
        ({"from_": "mini-m", "quantize": "q3"}, "q4_K_M"),
        ({"from_": "mini-m", "parameters": {"max_tokens": 5}}, "num_predict"),
        ({"from_": "mini-m", "parameters": {"num_ctx": "many"}}, "num_ctx"),
        ({"modelfile": "FROM mini-m\nPARAMETER temprature 1"}, "temperature"),
        ({"modelfile": "FROM mini-m\nEMBED x"}, "EMBED"),
        ({"modelfile": 'FROM mini-m\nSYSTEM """never ends'}, "does not end"),
        ({"modelfile": "FROM mini-m\nMESSAGE robot Hi"}, "role"),
    ],
)
def test_what_cannot_be_made_is_refused_before_it_is_tried(server, arguments, says):
    with pytest.raises(errors.OptionError, match=says):
        server.create("never", **arguments)


def test_create_from_an_unknown_model(server):
    with pytest.raises((errors.ModelNotFoundError, errors.BackendError)):
        server.create("never", "nope-nope")


def test_a_file_that_is_no_model_is_refused(server, tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and then nothing of use")
    with pytest.raises(errors.BackendError):
        server.create("never", tmp_path / "bad.gguf")
    assert not server.has("never")


def test_parts_of_a_modelfile():
    recipe = Modelfile.parse('from ./a.gguf\nTEMPLATE "{{ .Prompt }}"\nPARAMETER use_mmap false\nADAPTER b.gguf\nLICENSE """one\ntwo"""\n')
    assert (recipe.source, recipe.adapter) == ("./a.gguf", "b.gguf")
    assert recipe.body() == {"template": "{{ .Prompt }}", "parameters": {"use_mmap": False}, "license": ["one\ntwo"]}


# -- pulling --------------------------------------------------------------------------------------------------------------------


def pull_says(server: Misbehaving, *lines: dict) -> None:
    server.faults["/api/pull"] = sends(response("".join(json.dumps(line) + "\n" for line in lines), 200, "application/x-ndjson"))


STEPS = ({"status": "pulling manifest"}, {"status": "pulling 65ee", "digest": "sha256:65ee", "total": 200, "completed": 50})


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        ("pull model manifest: file does not exist", errors.ModelNotFoundError, "ollama.com/library"),
        ("write /var/lib/ollama/models/blobs/x: no space left on device", errors.BackendError, "disk"),
        ("dial tcp: lookup registry.ollama.ai: no such host", errors.BackendError, "cannot reach"),
        ("http: server gave HTTP response to HTTPS client", errors.BackendError, "HTTP"),
        ("The model you are attempting to pull requires a newer version of Ollama.", errors.BackendError, "too old"),
        ("something else", errors.BackendError, "something else"),
    ],
)
def test_pull_that_fails_in_mid_stream_says_why(misbehaving_server, said, kind, says):
    pull_says(misbehaving_server, *STEPS, {"error": said})
    steps: list[Progress] = []
    with pytest.raises(kind, match=says):
        lab.OllamaServer(misbehaving_server.url).pull("llama9", progress=steps.append)
    assert [str(step) for step in steps] == ["pulling manifest", "pulling 65ee 25 %"]


def test_pull_that_ends_without_success_is_an_error(misbehaving_server):
    pull_says(misbehaving_server, *STEPS)
    with pytest.raises(errors.UnexpectedResponseError, match="go on"):
        lab.OllamaServer(misbehaving_server.url).pull("llama3.2")


def test_pull_can_be_cancelled_while_nothing_comes(misbehaving_server):
    misbehaving_server.faults["/api/pull"] = stalls(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n" + b'{"status":"x"}\n')
    cancel = threading.Event()
    with pytest.raises(errors.BackendError, match="as asked"):
        lab.OllamaServer(misbehaving_server.url).pull("llama3.2", progress=lambda step: cancel.set(), cancel=cancel)


def test_registry_out_of_reach_is_said_to_be(server):
    # Nobody listens at port 9: the refusal is the real server's own, and needs no network.
    with pytest.raises(errors.BackendError, match="cannot reach the registry"):
        server.pull("127.0.0.1:9/library/llama3.2", insecure=True)


@pytest.mark.parametrize(
    ("path", "said"), [("/api/tags", {"models": 5}), ("/api/show", {"model_info": [1]}), ("/api/show", {"details": "x"})]
)
def test_lists_and_descriptions_of_another_shape_are_told(misbehaving_server, path, said):
    misbehaving_server.faults[path] = sends(response(json.dumps(said)))
    server = lab.OllamaServer(misbehaving_server.url)
    with pytest.raises(errors.UnexpectedResponseError, match="another shape"):
        server.list() if path == "/api/tags" else server.show("good")
