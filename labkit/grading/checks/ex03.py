"""Exercise 03: a class around a model. Judged with a real engine, and with a server that fails on purpose."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from ..answers import Answer
from ..faulty import FaultyServer, Step
from ..parts import Exercise, Trial
from . import engine

NOBODY = "ollama:mini-m@http://127.0.0.1:9"  # the discard port: no server answers there
COUNTS = ("calls", "answers", "errors", "prompt_tokens", "completion_tokens")
WORDS = ("cedar", "violet", "harbor", "lantern", "meadow", "pepper", "saffron", "thunder", "walnut", "zephyr")

exercise = Exercise(
    "03",
    {
        "names_in_order": {
            "en": "Try the names in the order they come in, and stop at the first that loads. Is `return` inside the loop?",
            "es": "Prueba los nombres en el orden en que llegan y detente en el primero que cargue. ¿Está `return` dentro del bucle?",
        },
        "one_bad_name": {
            "en": "One name that fails must not end the search. Which line can fail, and what stands around it?",
            "es": "Un nombre que falla no debe terminar la búsqueda. ¿Qué línea puede fallar y qué la rodea?",
        },
        "say_why_skipped": {
            "en": "Keep a note for each name that failed: the name is the key, and its error the value.",
            "es": "Guarda una nota por cada nombre que falló: el nombre es la clave y su error, el valor.",
        },
        "none_is_an_error": {
            "en": "A program that goes on without a model fails later, far from the cause. Raise an error at the end of the loop.",
            "es": "Un programa que sigue sin modelo falla más tarde, lejos de la causa. Lanza un error al final del bucle.",
        },
        "name_them_all": {
            "en": "Whoever reads the error wants to know what was tried: put every name into its message.",
            "es": "Quien lee el error quiere saber qué se probó: pon todos los nombres en el mensaje.",
        },
        "ask_again": {
            "en": "This failure may pass, so asking once more is worth it. Count how often your code really asks.",
            "es": "Este fallo puede pasar, así que vale la pena preguntar otra vez. Cuenta cuántas veces pregunta tu código de verdad.",
        },
        "whole_answer": {
            "en": "What came before the connection broke is half an answer. Return the reply of the try that worked, and only that.",
            "es": "Lo que llegó antes del corte es media respuesta. Devuelve la respuesta del intento que funcionó, y solo esa.",
        },
        "tries_are_all": {
            "en": "`tries` counts every try, the first one too. Off by one?",
            "es": "`tries` cuenta todos los intentos, también el primero. ¿Te sobra o te falta uno?",
        },
        "raise_the_last": {
            "en": "When no try is left, the caller must learn why. Inside `except`, a bare `raise` passes the error on as it is.",
            "es": "Cuando no quedan intentos, quien llama debe saber por qué. Dentro de `except`, un `raise` solo pasa el error tal cual.",
        },
        "cannot_pass": {
            "en": "Asking again does not help here: the answer will be the same. Look at what stands after `except`, and at `MAY_PASS`.",
            "es": "Aquí no ayuda preguntar otra vez: la respuesta será la misma. Mira qué hay después de `except`, y mira `MAY_PASS`.",
        },
        "no_pause": {
            "en": "A server in trouble is not helped by the next question at once. Wait `pause` seconds between two tries.",
            "es": "A un servidor con problemas no le ayuda otra pregunta inmediata. Espera `pause` segundos entre dos intentos.",
        },
        "text_of_reply": {
            "en": "`ask` returns the text alone. The reply holds more than that.",
            "es": "`ask` devuelve solo el texto. La respuesta contiene más cosas.",
        },
        "what_counts": {
            "en": "A call is one `ask`, however many tries it took; an answer or an error is how it ended.",
            "es": "Una llamada es un `ask`, por muchos intentos que tome; una respuesta o un error es cómo terminó.",
        },
        "engine_counts": {
            "en": "Tokens are no words, and only the engine knows them: the reply carries its counts.",
            "es": "Los tokens no son palabras, y solo el motor los conoce: la respuesta trae sus cuentas.",
        },
        "error_is_no_answer": {
            "en": "Whoever gets a text takes it for the model's answer. Count the error, then let it go on to the caller.",
            "es": "Quien recibe un texto lo toma por la respuesta del modelo. Cuenta el error y deja que llegue a quien llamó.",
        },
        "context_is_a_system_message": {
            "en": "The context is an instruction, not part of the question: `chat` has a place of its own for it. Empty means: send none.",
            "es": "El contexto es una instrucción, no parte de la pregunta: `chat` tiene un sitio para él. Vacío significa: no se envía.",
        },
        "options_go_on": {
            "en": "Options that `ask` gets must reach the engine. `**options` collects them, and passes them on as well.",
            "es": "Las opciones que recibe `ask` deben llegar al motor. `**options` las recoge, y también las pasa.",
        },
        "one_line": {
            "en": "One line per call, no more and no less. Does the line reach the logger called `local_llm`?",
            "es": "Una línea por llamada, ni más ni menos. ¿Llega la línea al registro llamado `local_llm`?",
        },
        "level": {
            "en": "Levels let the reader choose: INFO for what went well, ERROR for what failed.",
            "es": "Los niveles dejan elegir a quien lee: INFO para lo que fue bien, ERROR para lo que falló.",
        },
        "say_what": {
            "en": "A line helps when it says who answered and what it cost, or what went wrong: model and tokens, or the error's class.",
            "es": "Una línea ayuda si dice quién respondió y cuánto costó, o qué error fue: modelo y tokens, o la clase del error.",
        },
        "secret": {
            "en": "Log files are copied, mailed and kept. What the user typed and what came back must not be in them.",
            "es": "Los registros se copian, se envían y se guardan. Lo que escribió la persona y lo que llegó no deben estar ahí.",
        },
        "still_raised": {
            "en": "Logging an error does not handle it: the caller must still get it.",
            "es": "Anotar un error no lo resuelve: quien llamó todavía debe recibirlo.",
        },
    },
)

exercise.task(
    "03.1",
    2,
    {
        "en": "first_usable(names): load the first model that can be loaded; return it, and a dict of the names skipped before it.",
        "es": "first_usable(names): carga el primer modelo que se pueda cargar; devuélvelo, con un dict de los nombres saltados antes.",
    },
    {
        "en": "Begin with a loop over the names, and `lab.load` inside a `try`.",
        "es": "Empieza con un bucle sobre los nombres y `lab.load` dentro de un `try`.",
    },
)
exercise.task(
    "03.2",
    3,
    {
        "en": "ask_again(model, prompt, tries, pause, **options): the reply, after at most so many tries.",
        "es": "ask_again(model, prompt, tries, pause, **options): la respuesta, tras esos intentos como máximo.",
    },
    {
        "en": "Begin with `for attempt in range(tries)` and one call of `model.chat` inside.",
        "es": "Empieza con `for attempt in range(tries)` y una llamada a `model.chat` dentro.",
    },
)
exercise.task(
    "03.3",
    3,
    {
        "en": "LocalLLM(names, tries): ask(prompt, context, **options) returns a text; counts tells what happened so far.",
        "es": "LocalLLM(names, tries): ask(prompt, context, **options) devuelve un texto; counts dice qué ha pasado hasta ahora.",
    },
    {
        "en": "Begin with `__init__`: your two functions do the work, the class remembers.",
        "es": "Empieza por `__init__`: tus dos funciones hacen el trabajo, la clase recuerda.",
    },
)
exercise.task(
    "03.4",
    2,
    {
        "en": "LoggedLLM: one line in the log for each call of ask: model and tokens, or the class of the error.",
        "es": "LoggedLLM: una línea en el registro por cada llamada a ask: modelo y tokens, o la clase del error.",
    },
    {
        "en": "Begin by calling `super().ask(...)` and returning what it returns.",
        "es": "Empieza llamando a `super().ask(...)` y devolviendo lo que devuelve.",
    },
)


def healthy(draw: random.Random, text: str = "") -> dict[str, Any]:
    """A step of the server: a text in pieces, and counts that nobody can guess."""
    text = text or f"The {draw.choice(WORDS)} is near the {draw.choice(WORDS)}, number {draw.randrange(1000, 9999)}."
    return {"say": re.findall(r"\s*\S+", text), "prompt_tokens": draw.randrange(20, 900), "completion_tokens": draw.randrange(1000, 9000)}


def said(step: Step) -> str:
    """The text of such a step."""
    return "".join(step["say"])


BREAKS: Step = {"break_after": ["Half", " an"]}
MISSING: Step = {"refuse": 404, "error": "model 'good' not found"}


def usable(t: Trial, names: Sequence[str]) -> tuple[Answer, dict[str, Any]]:
    """What first_usable returns, if it is a pair of model and dict."""
    found = t.call(list(names))
    t.expect(isinstance(found, list) and len(found) == 2, "type", "(model, skipped)")
    model, skipped = found
    t.expect(isinstance(model, Answer), "type", "(model, skipped)")
    t.expect(isinstance(skipped, dict), "say_why_skipped", "(model, {...})")
    return model, skipped


@exercise.part("03.1", 1)
def skips_what_fails(t: Trial) -> None:
    with FaultyServer([healthy(random.Random(t.seed))]) as server:
        absent = server.name("absent")
        failure = t.error([absent, t.model])
        t.expect(failure is None, "one_bad_name", t.model)
        model, skipped = usable(t, [NOBODY, absent, t.model])
        t.expect(model.member("name") == t.model, "names_in_order", t.model)
        t.expect(list(skipped) == [NOBODY, absent], "say_why_skipped", {"en": "both names before it", "es": "los dos nombres anteriores"})


@exercise.part("03.1", 0.5)
def says_when_none_is_left(t: Trial) -> None:
    failure = t.error([NOBODY, "mini-zzz"])
    t.expect(failure is not None, "none_is_an_error", {"en": "a LookupError", "es": "un LookupError"})
    assert failure is not None
    t.expect("LookupError" in failure.kinds, "none_is_an_error", {"en": "a LookupError", "es": "un LookupError"})
    t.expect(NOBODY in failure.text and "mini-zzz" in failure.text, "name_them_all", f"{NOBODY}, mini-zzz")


@exercise.part("03.2", 1)
def asks_again_after_a_break(t: Trial) -> None:
    good = healthy(random.Random(t.seed))
    with FaultyServer([BREAKS, BREAKS, good]) as server:
        reply = t.call(t.load(server.name()), "How far is it?", tries=3, pause=0.01)
        t.expect(isinstance(reply, dict) and "text" in reply, "type", "Reply")
        t.expect(len(server.calls) == 3, "ask_again", {"en": "3 tries", "es": "3 intentos"})
        t.expect(reply["text"] == said(good), "whole_answer", said(good))


@exercise.part("03.2", 1)
def gives_up_with_the_error(t: Trial) -> None:
    with FaultyServer([BREAKS]) as server:
        failure = t.error(t.load(server.name()), "How far is it?", tries=2, pause=0.01)
        t.expect(failure is not None, "raise_the_last", "UnexpectedResponseError")
        assert failure is not None
        t.note(got=f"{failure}; {len(server.calls)} ×")
        t.expect("UnexpectedResponseError" in failure.kinds, "raise_the_last", "UnexpectedResponseError")
        t.expect(len(server.calls) == 2, "tries_are_all", {"en": "2 tries", "es": "2 intentos"})


@exercise.part("03.2", 0.5)
def repeats_only_what_may_pass(t: Trial) -> None:
    with FaultyServer([MISSING]) as server:
        failure = t.error(t.load(server.name()), "How far is it?", tries=3, pause=0.01)
        t.note(got=f"{failure}; {len(server.calls)} ×")
        t.expect(len(server.calls) == 1, "cannot_pass", {"en": "1 try", "es": "1 intento"})
        t.expect(failure is not None and "ModelNotFoundError" in failure.kinds, "raise_the_last", "ModelNotFoundError")


def new(t: Trial, *names: str, tries: int = 2) -> tuple[Answer, Answer]:
    """An object of the learner's class, and its method `ask`."""
    llm = t.call(list(names), tries=tries)
    t.expect(isinstance(llm, Answer), "type", "LocalLLM")
    ask = llm.member("ask")
    t.expect(isinstance(ask, Answer), "type", "ask(prompt, context='', **options)")
    return llm, ask


def counts(t: Trial, llm: Answer) -> dict[str, Any]:
    """Its counts, if they are whole numbers under the five names."""
    found = llm.member("counts")
    t.note(got=found)
    t.expect(isinstance(found, dict) and set(COUNTS) <= set(found), "type", dict.fromkeys(COUNTS, 0))
    t.expect(all(type(found[name]) is int for name in COUNTS), "type", dict.fromkeys(COUNTS, 0))
    return {name: found[name] for name in COUNTS}


@exercise.part("03.3", 0.5)
def answers_on_a_real_engine(t: Trial) -> None:
    llm, ask = new(t, NOBODY, t.model)
    prompt = {"en": "What is a GGUF file?", "es": "¿Qué es un archivo GGUF?"}[t.lang]
    text = ask(prompt, temperature=0, max_tokens=6)
    t.expect_type(text, str)
    direct = engine(t.model).chat(prompt, temperature=0, max_tokens=6)
    t.expect(text == direct.text, "text_of_reply", direct.text)
    told = counts(t, llm)
    usage = {name: getattr(direct.usage, name) for name in ("prompt_tokens", "completion_tokens")}
    t.expect(all(told[name] == usage[name] for name in usage), "engine_counts", usage)


@exercise.part("03.3", 1)
def counts_agree_with_the_engine(t: Trial) -> None:
    draw = random.Random(t.seed)
    first, second = healthy(draw), healthy(draw)
    with FaultyServer([first, BREAKS, second]) as server:
        llm, ask = new(t, server.name())
        for step in (first, second):
            text = ask("How far is it?")
            t.expect(text == said(step), "text_of_reply", said(step))
        told = counts(t, llm)
        tokens = {name: first[name] + second[name] for name in ("prompt_tokens", "completion_tokens")}
        expected = {"calls": 2, "answers": 2, "errors": 0} | tokens
        t.expect(all(told[name] == tokens[name] for name in tokens), "engine_counts", expected)
        t.expect(told == expected, "what_counts", expected)


@exercise.part("03.3", 0.5)
def context_goes_first(t: Trial) -> None:
    with FaultyServer([healthy(random.Random(t.seed))]) as server:
        _, ask = new(t, server.name())
        ask("How far is it?", context="You are a guide.", max_tokens=77)
        ask("How far is it?")
        with_context, without = server.calls
        t.note(got=[message["role"] for message in with_context["messages"]])
        expected = [{"role": "system", "content": "You are a guide."}, {"role": "user", "content": "How far is it?"}]
        t.expect(with_context["messages"] == expected, "context_is_a_system_message", expected)
        t.note(got=without["messages"])
        t.expect(without["messages"] == expected[1:], "context_is_a_system_message", expected[1:])
        t.note(got=with_context["options"].get("num_predict"))
        t.expect(with_context["options"].get("num_predict") == 77, "options_go_on", "max_tokens=77")


def lines(t: Trial, llm: Answer, prompt: str, **options: Any) -> tuple[list[Any], dict[str, Any]]:
    """The lines that one call leaves in the log, and how it ended: by `lines_of`, the second answer."""
    lines_of = t.answers[1]
    told = lines_of(llm, prompt, **options)
    return told["lines"], told


@exercise.part("03.4", 0.5)
def one_line_for_an_answer(t: Trial) -> None:
    good = healthy(random.Random(t.seed))
    with FaultyServer([good]) as server:
        llm, _ = new(t, server.name())
        found, told = lines(t, llm, "How far is it?")
        t.expect(told["text"] == said(good), "text_of_reply", said(good))
        t.expect(len(found) == 1, "one_line", {"en": "1 line", "es": "1 línea"})
        level, line = found[0]
        t.expect(level == "INFO", "level", "INFO")
        t.expect(str(good["completion_tokens"]) in line and "good" in line, "say_what", f"ollama:good… {good['completion_tokens']}")


@exercise.part("03.4", 0.5)
def keeps_secrets(t: Trial) -> None:
    draw = random.Random(t.seed)
    secret, answer = f"{draw.choice(WORDS)}{draw.randrange(1000)}", healthy(draw)
    with FaultyServer([answer]) as server:
        llm, _ = new(t, server.name())
        found, _ = lines(t, llm, f"My password is {secret}.")
        text = " ".join(line for _, line in found)
        t.expect(found, "one_line", {"en": "1 line", "es": "1 línea"})
        shared = [word for word in re.findall(r"\w{5,}", said(answer)) if word in text]
        t.expect(
            secret not in text and not shared,
            "secret",
            {"en": "no word of question or answer", "es": "ninguna palabra de la pregunta ni de la respuesta"},
        )
