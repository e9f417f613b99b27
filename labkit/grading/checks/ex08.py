"""Exercise 08: rules, forms and an exam. Judged with servers whose answers are known, and on lists of right and wrong answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..faulty import FaultyServer, Step
from ..parts import Exercise, Trial

exercise = Exercise(
    "08",
    {
        "messages": {
            "en": "A list of dicts is asked for, each with the keys role and content.",
            "es": "Se pide una lista de dicts, cada uno con las claves role y content.",
        },
        "order": {
            "en": "The order is another one: the rule first, then each example as question and answer, and the question last.",
            "es": "El orden es otro: primero la regla, luego cada ejemplo como pregunta y respuesta, y al final la pregunta.",
        },
        "no_rule": {
            "en": "There is no rule here, and an empty message is not nothing: it takes tokens and may confuse.",
            "es": "Aquí no hay regla, y un mensaje vacío no es nada: ocupa tokens y puede confundir.",
        },
        "shares": {
            "en": "A dict with the keys without and with is asked for, each a share from 0 to 1.",
            "es": "Se pide un dict con las claves without y with, cada una una proporción de 0 a 1.",
        },
        "counted": {
            "en": "The share is another one. Count the answers that obey, and divide by all questions.",
            "es": "La proporción es otra. Cuenta las respuestas que obedecen y divide entre todas las preguntas.",
        },
        "both_ways": {
            "en": "Each question must be asked twice: with the rule as a system message, and without any.",
            "es": "Cada pregunta debe hacerse dos veces: con la regla como mensaje de sistema, y sin ninguno.",
        },
        "calm": {
            "en": "Chance must play no part, or the two columns differ for another reason than the rule.",
            "es": "El azar no debe intervenir, o las dos columnas se distinguirán por algo que no es la regla.",
        },
        "schema": {
            "en": "The engine was not told the schema. `model.chat` takes it as an option.",
            "es": "Al motor no le llegó el esquema. `model.chat` lo acepta como opción.",
        },
        "record": {
            "en": "The record is another one. What the model said is JSON text; a dict is asked for.",
            "es": "El registro es otro. Lo que dijo el modelo es texto JSON; se pide un dict.",
        },
        "cut_off": {
            "en": "This answer was cut off. Which attribute of the reply tells it?",
            "es": "Esta respuesta quedó cortada. ¿Qué atributo de la respuesta lo dice?",
        },
        "no_json": {
            "en": "Not every engine obeys a schema. What comes may be no JSON at all, or no object.",
            "es": "No todos los motores obedecen un esquema. Lo que llega puede no ser JSON, o no ser un objeto.",
        },
        "invented": {
            "en": "A value of this record does not stand in the text, so it was invented.",
            "es": "Un valor de este registro no está en el texto, así que es inventado.",
        },
        "worse": {
            "en": "This one is clearly worse: nearly every question that differs was right before and is wrong now.",
            "es": "Este es claramente peor: casi todas las preguntas que cambian antes estaban bien y ahora están mal.",
        },
        "luck": {
            "en": "This difference may be luck: an interval around it holds 0. Only a clear loss keeps a model out.",
            "es": "Esta diferencia puede ser suerte: su intervalo contiene el 0. Solo una pérdida clara deja fuera a un modelo.",
        },
        "better": {
            "en": "This one is clearly better. Which of the two differences is it that counts?",
            "es": "Este es claramente mejor. ¿Cuál de las dos diferencias es la que cuenta?",
        },
    },
)

exercise.task(
    "08.1",
    2,
    {
        "en": "conversation(rule, examples, question): the messages, in the order in which a model should read them.",
        "es": "conversation(rule, examples, question): los mensajes, en el orden en que debe leerlos un modelo.",
    },
    {
        "en": 'Begin with the last message: {"role": "user", "content": question}.',
        "es": 'Empieza con el último mensaje: {"role": "user", "content": question}.',
    },
)
exercise.task(
    "08.2",
    3,
    {
        "en": "obedience(model, questions, rule, word): the share of answers that begin with the word, without the rule and with it.",
        "es": "obedience(model, questions, rule, word): la parte de respuestas que empiezan por la palabra, sin la regla y con ella.",
    },
    {
        "en": "Begin with one question, and look whether the text of its answer begins with the word.",
        "es": "Empieza con una pregunta y mira si el texto de su respuesta empieza por la palabra.",
    },
)
exercise.task(
    "08.3",
    3,
    {
        "en": "record(model, text, schema): what the model reads out of the text as a dict, or None where a person must look.",
        "es": "record(model, text, schema): lo que el modelo saca del texto como dict, o None cuando debe mirar una persona.",
    },
    {
        "en": "Begin with `model.chat(text, schema=schema, temperature=0)` and look at the whole reply.",
        "es": "Empieza con `model.chat(text, schema=schema, temperature=0)` y mira la respuesta entera.",
    },
)
exercise.task(
    "08.4",
    2,
    {
        "en": "may_replace(old, new): False where the new model is clearly worse on the same questions, else True.",
        "es": "may_replace(old, new): False cuando el modelo nuevo es claramente peor en las mismas preguntas; si no, True.",
    },
    {
        "en": "Begin with the difference of each question, and its mean.",
        "es": "Empieza con la diferencia de cada pregunta, y su media.",
    },
)


def conversed(t: Trial, rule: str, examples: Sequence[tuple[str, str]], question: str) -> None:
    """conversation(...) has these messages."""
    found = t.call(rule, [list(pair) for pair in examples], question)
    t.expect(isinstance(found, list) and all(type(one) is dict for one in found), "messages", "[{'role': ..., 'content': ...}, ...]")
    t.expect(all({"role", "content"} <= set(one) for one in found), "messages", "role, content")
    right = [("system", rule)] if rule else []
    right += [turn for asked, said in examples for turn in (("user", asked), ("assistant", said))]
    right.append(("user", question))
    mine = [(one["role"], one["content"]) for one in found]
    t.expect(rule or all(role != "system" for role, _ in mine), "no_rule", right)
    t.expect(mine == right, "order", right)


@exercise.part("08.1", 1)
def a_rule_and_a_question(t: Trial) -> None:
    conversed(t, "Be brief.", [], "What is a token?")
    conversed(t, "Be brief.", [("Hi", "Hello."), ("2 + 2", "4.")], "3 + 3")


@exercise.part("08.1", 0.5)
def no_rule(t: Trial) -> None:
    conversed(t, "", [("Hi", "Hello.")], "Bye")


def pupil(with_rule: Callable[[str], str], without: Callable[[str], str]) -> Callable[[dict[str, Any]], Step]:
    """A server that answers by whether a system message came."""

    def step(body: dict[str, Any]) -> Step:
        messages = body["messages"]
        said = (with_rule if messages[0]["role"] == "system" else without)(messages[-1]["content"])
        return {"say": [said]}

    return step


def obeyed(t: Trial, script: Callable[[dict[str, Any]], Step], questions: Sequence[str], right: Mapping[str, float]) -> None:
    """obedience(...) of a known pupil, whose answers obey where they begin with Ahoy!"""
    rule = 'Begin every answer with "Ahoy!".'
    with FaultyServer(script) as server:
        found = t.call(t.load(server.name()), list(questions), rule, "Ahoy!")
        calls = server.calls
    t.expect_type(found, dict)
    t.expect(set(right) <= set(found) and all(type(found[key]) in (int, float) for key in right), "shares", dict(right))
    systems = [[message["content"] for message in call["messages"] if message["role"] == "system"] for call in calls]
    for wanted in ([], [rule]):
        asked = {call["prompt"] for call, system in zip(calls, systems, strict=True) if system == wanted}
        t.expect(asked == set(questions), "both_ways", 2 * len(questions))
    t.expect(all(call["options"].get("temperature") == 0 for call in calls), "calm", "temperature=0")
    t.expect(all(abs(found[key] - value) < 1e-9 for key, value in right.items()), "counted", dict(right))


@exercise.part("08.2", 1)
def counts_both(t: Trial) -> None:
    questions = ["One?", "Two?", "Three?", "Four?"]
    script = pupil(lambda q: "Ahoy! Yes." if q != "Three?" else "Yes, ahoy!", lambda q: "Ahoy! No." if q == "Two?" else "No.")
    obeyed(t, script, questions, {"without": 0.25, "with": 0.75})


def read(t: Trial, step: Step, text: str, right: dict[str, Any] | None, hint: str) -> None:
    """record(...) of what this answer says."""
    with FaultyServer([step]) as server:
        found = t.call(t.load(server.name()), text, SCHEMA)
        calls = server.calls
    t.expect(len(calls) >= 1 and calls[0]["format"] == SCHEMA, "schema", SCHEMA)
    t.expect(found is None or type(found) is dict, "record", right)
    t.expect(found == right, hint, right)


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}


def says(value: Any, **more: Any) -> Step:
    """An answer in JSON, in two pieces."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"say": [text[:5], text[5:]], **more}


@exercise.part("08.3", 1)
def a_good_record(t: Trial) -> None:
    read(t, says({"name": "Marta", "age": 34}), "Marta is 34 years old.", {"name": "Marta", "age": 34}, "record")


@exercise.part("08.3", 0.5)
def a_value_that_was_invented(t: Trial) -> None:
    read(t, says({"name": "Marta", "age": 43}), "Marta is 34 years old.", None, "invented")


def decided(t: Trial, old: Sequence[int], new: Sequence[int], right: bool, hint: str) -> None:
    """may_replace(old, new) is that."""
    found = t.call(list(old), list(new))
    t.expect_type(found, bool)
    t.expect(found is right, hint, right)


@exercise.part("08.4", 0.5)
def clearly_worse_and_clearly_better(t: Trial) -> None:
    decided(t, [1] * 20 + [0] * 4, [0] * 16 + [1] * 4 + [0] * 4, False, "worse")
    decided(t, [0] * 16 + [1] * 8, [1] * 24, True, "better")


@exercise.part("08.4", 0.5)
def a_loss_that_may_be_luck(t: Trial) -> None:
    decided(t, [1] * 20 + [0] * 4, [0] * 3 + [1] * 17 + [1] * 2 + [0] * 2, True, "luck")
