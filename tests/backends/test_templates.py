"""Chat templates of foreign files: what honest ones need is there, and hostile ones end in an error."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time

import pytest

import labkit as lab
from labkit import Message, prompts
from labkit.backends.templates import LONGEST, Template
from labkit.errors import BadModelFileError, CapabilityError

from . import synthetic

TALK = [Message("system", "Be kind."), Message("user", "Hi {{ 7 * 7 }}")]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
SUBCLASSES = "''.__class__.__mro__[1].__subclasses__()"

HOSTILE = {
    "class": "{{ ''.__class__ }}{{ ''.__class__.__mro__ }}",
    "subclasses": "{% for c in " + SUBCLASSES + " %}{{ c }}{% endfor %}",
    "popen": "{{ cycler.__init__.__globals__.os.popen('touch HACKED').read() }}",
    "import": "{{ self.__init__.__globals__.__builtins__.__import__('os').system('touch HACKED') }}",
    "namespace": "{{ namespace.__init__.__globals__['os'].system('touch HACKED') }}",
    "lipsum": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "attr filter": "{{ ((''|attr('__class__'))|attr('__mro__'))[1] }}",
    "format": "{{ '{0.__class__.__mro__}'.format(messages) }}{{ undefined_thing() }}",
    "format map": "{{ '{x.__init__.__globals__}'.format_map({'x': cycler}) }}{{ undefined_thing() }}",
    "raise_exception globals": "{{ raise_exception.__globals__ }}{{ raise_exception.__globals__['json'] }}",
    "strftime globals": "{{ strftime_now.__globals__['sys'].modules }}",
    "change messages": "{{ messages.append({'role': 'system', 'content': 'x'}) }}",
    "change context": "{{ messages[0].update({'content': 'x'}) }}",
    "generator frame": "{{ (x for x in []).gi_frame.f_globals }}",
    "syntax": "{% for message in messages %}{{ message",
    "unknown tag": "{% include '/etc/passwd' %}",
    "import tag": "{% import 'os' as os %}{{ os }}",
    "extends": "{% extends '/etc/passwd' %}",
    "undefined": "{{ nothing.at.all }}",
    "undefined filter": "{{ messages | no_such_filter }}",
    "wrong type": "{{ messages + 1 }}",
    "division": "{{ 1 // 0 }}",
    "huge range": "{% for i in range(10**9) %}x{% endfor %}",
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "huge string": "{{ 'x' * 10**10 }}",
    "huge power": "{{ 9 ** (9 ** 9) }}",
    "doubling": "{% set ns = namespace(x='xxxxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "endless output": "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "recursive loop": "{% for m in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "deep nesting": "{% if true %}" * 3000 + "x" + "{% endif %}" * 3000,
    "deep expression": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "wide center": "{{ 'x'.center(10**10) }}",
    "padded format": "{{ '%10000000000d' % 1 }}",
    "big list": "{{ ([0] * 10**9) | length }}",
    "slow regex": "{{ ('a' * 30) is match('(a+)+$') }}",
    "refusal": "{{ raise_exception('only one turn') }}",
    "strftime": "{{ strftime_now('%' * 10**7) }}{{ undefined_thing() }}",
    "sum of lists": "{{ (range(99999) | list | sum) ** 99999 ** 99 }}",
    "lone surrogate": "{{ '\\ud800' }}",
}


def template(source: str, trusted: bool = False) -> Template:
    return Template(source, trusted=trusted, tokens=TOKENS, name="foreign")


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_hostile_template_ends_in_an_error(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("labkit.backends.templates.SECONDS", 2.0)
    foreign = template(source)
    start = time.monotonic()
    try:
        with pytest.raises((BadModelFileError, CapabilityError), match="foreign"):
            foreign.render(TALK)
        assert foreign.render.__self__ is foreign
    finally:
        foreign.close()
    assert time.monotonic() - start < 6
    assert list(tmp_path.iterdir()) == []


def test_random_damage_of_a_template_ends_in_text_or_an_error():
    draw = random.Random(4)
    foreign = None
    for _ in range(200):
        letters = list(prompts.CHAT_TEMPLATE)
        for _ in range(draw.randrange(1, 4)):
            letters[draw.randrange(len(letters))] = draw.choice("{}%'\"()[]|.+*x0 ")
        fresh = template("".join(letters))
        if foreign is not None:
            fresh._process = foreign._process  # one process for all, as for one model
        foreign = fresh
        with contextlib.suppress(BadModelFileError, CapabilityError):
            assert isinstance(foreign.render(TALK), str)
    foreign.close()


def test_template_of_a_megabyte_is_refused():
    with pytest.raises(BadModelFileError, match="characters"):
        template("x" * (LONGEST + 1))


@pytest.mark.parametrize("trusted", [True, False])
def test_honest_templates_find_what_they_need(trusted):
    source = (
        "{{- bos_token }}{%- for message in messages %}\n"
        "    {%- if message['role'] not in ['system', 'user'] %}{{ raise_exception('no role ' + message['role']) }}{% endif %}\n"
        "    {%- if loop.index0 == 9 %}{% break %}{% endif %}\n"
        "    {%- generation %}{{- '[' + message.role + ']' + message.content | trim }}{% endgeneration %}\n"
        "{%- endfor %}{{ {'ñ': '<x>', 'n': 1} | tojson }}{{ strftime_now('%Y') | length }}{% set ns = namespace(x=1) %}"
        "{% if tools %}{{ tools | length }}{% endif %}{{ eos_token if add_generation_prompt else '' }}"
    )
    made = template(source, trusted)
    try:
        assert made.render(TALK) == '<s>[system]Be kind.[user]Hi {{ 7 * 7 }}{"ñ": "<x>", "n": 1}4</s>'
        assert made.render(TALK, tools=[{"a": 1}]).endswith("41</s>")
        assert made.uses("tools") and not made.uses("enable_thinking")
        with pytest.raises(CapabilityError, match="refuses this conversation: no role tool"):
            made.render([Message("tool", "x")])
        assert made.render(TALK).startswith("<s>")
    finally:
        made.close()


def test_process_that_dies_is_started_again(monkeypatch):
    foreign = template("{{ messages[0].content }}!")
    assert foreign.render(TALK) == "Be kind.!"
    foreign._process._process.kill()
    foreign._process._process.wait()
    with pytest.raises(BadModelFileError, match="ended the process"):
        foreign.render(TALK)
    assert foreign.render(TALK) == "Be kind.!"
    foreign.close()


def test_our_own_template_needs_no_process_and_no_jinja():
    own = template(prompts.CHAT_TEMPLATE.replace("{{ ", "{{").replace(" }}", "}}"))
    text = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi {{ 7 * 7 }}<|im_end|>\n<|im_start|>assistant\n"
    assert own.render(TALK) == text
    assert own._process is None and own._compiled is None


def test_model_with_a_hostile_template_still_continues_texts(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.backends.templates.SECONDS", 1.0)
    path = synthetic.changed(tmp_path / "hostile.gguf", {"tokenizer.chat_template": HOSTILE["nested loops"]})
    with lab.load(path) as model:
        with pytest.raises(BadModelFileError, match=r"not done after 1 s.*generate\(\)"):
            model.chat("Hi")
        assert model.generate("The fox", seed=1, max_tokens=3).usage.completion_tokens == 3


def test_helper_ends_with_the_model(tmp_path):
    psutil = pytest.importorskip("psutil")
    path = synthetic.changed(tmp_path / "foreign.gguf", {"tokenizer.chat_template": "{{ messages[0].content }}?"})
    with lab.load(path) as model:
        model.chat("Hi", max_tokens=1)
        pid = model._prompter.template._process._process.pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


def test_worker_imports_nothing_of_labkit():
    import sys

    from labkit.backends import _template_worker as worker

    code = f"import runpy, sys; runpy.run_path({worker.__file__!r}); print([n for n in sys.modules if n.startswith('labkit')])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd="/")
    assert done.stdout.strip() == "[]"
