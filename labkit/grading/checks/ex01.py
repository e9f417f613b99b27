"""Exercise 01: is a server there, what will a model take, which one fits, a first query."""

from __future__ import annotations

from ..parts import Exercise, Trial
from ..servers import server

exercise = Exercise(
    "01",
    hints={
        "no_error": {
            "en": "A server that does not answer is nothing unusual: the function says False and raises nothing. Which error came?",
            "es": "Que un servidor no responda no tiene nada de raro: la función dice False y no lanza nada. ¿Qué error llegó?",
        },
        "says_no": {
            "en": "Here an Ollama answers. Ask the address that you are given, and look at what comes back.",
            "es": "Aquí responde un Ollama. Pregunta en la dirección que te dan y mira qué llega.",
        },
        "says_yes": {
            "en": "Something that answers need not be Ollama. What does an Ollama say that another program does not?",
            "es": "Que algo responda no quiere decir que sea Ollama. ¿Qué dice un Ollama que otro programa no dice?",
        },
        "unit": {
            "en": "The order of magnitude is wrong. Sizes are in bytes here, and a byte has eight bits.",
            "es": "El orden de magnitud no es el correcto. Aquí los tamaños van en bytes, y un byte tiene ocho bits.",
        },
        "cache": {
            "en": "The weights are not all: the KV cache grows with each token of the context window.",
            "es": "Los pesos no son todo: la caché KV crece con cada token de la ventana de contexto.",
        },
        "too_large": {
            "en": "This model does not fit. Compare its whole need, cache included, with what is free.",
            "es": "Este modelo no cabe. Compara todo lo que necesita, caché incluida, con lo que hay libre.",
        },
        "largest": {
            "en": "A larger model would fit as well, and mostly answers better. The list is in no order.",
            "es": "También cabría un modelo mayor, que casi siempre responde mejor. La lista no está ordenada.",
        },
        "none_fits": {
            "en": "Nothing fits here. The exercise says what to return then.",
            "es": "Aquí no cabe nada. El ejercicio dice qué devolver entonces.",
        },
        "first_keys": {
            "en": "A dict with exactly the keys text, tokens and finish_reason is asked for.",
            "es": "Se pide un dict con las claves text, tokens y finish_reason, ni más ni menos.",
        },
        "limit": {
            "en": "No more than max_tokens may be generated. Does the option reach the model? reply.sent shows what was sent.",
            "es": "No se pueden generar más de max_tokens. ¿Llega la opción al modelo? reply.sent muestra lo enviado.",
        },
        "count": {
            "en": "The number of tokens does not belong to this text. The engine counts them: look into reply.usage.",
            "es": "El número de tokens no corresponde a este texto. Los cuenta el motor: mira en reply.usage.",
        },
        "same": {
            "en": "Two calls with the same question gave different texts. Which temperature leaves nothing to chance?",
            "es": "Dos llamadas con la misma pregunta dieron textos distintos. ¿Qué temperatura no deja nada al azar?",
        },
    },
)

exercise.task(
    "01.1",
    points=4,
    asks={
        "en": "is_answering(url): True where an Ollama server answers at the address, False otherwise; it never raises.",
        "es": "is_answering(url): True si en la dirección responde un servidor Ollama y False si no; nunca lanza un error.",
    },
    start={
        "en": "lab.OllamaServer(url) can tell, or a request to url + '/api/version' with a deadline.",
        "es": "lab.OllamaServer(url) lo sabe, o una petición a url + '/api/version' con un plazo.",
    },
)


@exercise.part("01.1", points=1)
def finds_ollama(t: Trial) -> None:
    with server("healthy") as there:
        answer = t.call(there.url)
        t.expect_type(answer, bool)
        t.expect(answer is True, "says_yes" if answer is None else "says_no", True)


@exercise.part("01.1", points=1)
def nobody_there(t: Trial) -> None:
    with server("refuses") as nobody:
        error = t.error(nobody.url)
        t.expect(error is None, "no_error", False)
        answer = t.call(nobody.url)
        t.expect_type(answer, bool)
        t.expect(answer is False, "says_yes", False)


exercise.task(
    "01.2",
    points=3,
    asks={
        "en": "memory_needed(parameters, bits, kv_bytes_per_token, context_window): bytes for the weights and the KV cache.",
        "es": "memory_needed(parameters, bits, kv_bytes_per_token, context_window): bytes para los pesos y la caché KV.",
    },
    start={
        "en": "Weights: parameters times bits, in bytes. Cache: bytes per token times tokens.",
        "es": "Pesos: parámetros por bits, en bytes. Caché: bytes por token por tokens.",
    },
)


@exercise.part("01.2", points=1)
def weights(t: Trial) -> None:
    need = t.call(1_000_000, 16, 0, 4096)
    t.expect_type(need, int, float)
    t.expect(abs(need - 2_000_000) < 1, "unit", "2,000,000")


@exercise.part("01.2", points=1)
def with_cache(t: Trial) -> None:
    need = t.call(8_030_000_000, 4.85, 131_072, 4096)
    t.expect_type(need, int, float)
    right = 8_030_000_000 * 4.85 / 8 + 131_072 * 4096
    t.expect(need > right * 0.95, "cache", {"en": "more", "es": "más"})
    t.expect(abs(need / right - 1) < 1e-6, "unit", {"en": "about 5.4 GB", "es": "unos 5,4 GB"})


exercise.task(
    "01.3",
    points=3,
    asks={
        "en": "choose(models, free): the name of the model with most parameters that fits into `free` bytes, or None.",
        "es": "choose(models, free): el nombre del modelo con más parámetros que cabe en `free` bytes, o None.",
    },
    start={
        "en": "Keep the models whose memory_needed(...) is at most `free`, then take the largest by parameters.",
        "es": "Quédate con los modelos cuyo memory_needed(...) es como mucho `free` y toma el de más parámetros.",
    },
)
MODELS = [
    {"name": "small", "parameters": 1_000_000_000, "bits": 4.85, "kv_bytes_per_token": 32_768, "context_window": 4096},
    {"name": "large", "parameters": 8_000_000_000, "bits": 4.85, "kv_bytes_per_token": 131_072, "context_window": 4096},
    {"name": "middle", "parameters": 3_000_000_000, "bits": 4.85, "kv_bytes_per_token": 114_688, "context_window": 4096},
]


@exercise.part("01.3", points=1)
def fits(t: Trial) -> None:
    name = t.call(MODELS, 4_000_000_000)
    t.expect(name != "large", "too_large", "middle")
    t.expect(name == "middle", "largest", "middle")


@exercise.part("01.3", points=1)
def nothing_fits(t: Trial) -> None:
    error = t.error(MODELS, 1000)
    t.expect(error is None, "none_fits", None)
    t.expect(t.call(MODELS, 1000) is None, "none_fits", None)


exercise.task(
    "01.4",
    points=4,
    asks={
        "en": 'first_answer(name, question, max_tokens): ask that model without chance; {"text", "tokens", "finish_reason"}.',
        "es": 'first_answer(name, question, max_tokens): pregunta a ese modelo sin azar; {"text", "tokens", "finish_reason"}.',
    },
    start={
        "en": "lab.load(name).chat(question, ...) returns a reply: print one and look at what it holds.",
        "es": "lab.load(name).chat(question, ...) devuelve una respuesta: imprime una y mira qué contiene.",
    },
)
QUESTIONS = {"en": ("Hello!", "Tell a story about a dog."), "es": ("¡Hola!", "Cuenta una historia de un perro.")}


@exercise.part("01.4", points=1)
def form(t: Trial) -> None:
    answer = t.call(t.model, QUESTIONS[t.lang][0], 20)
    t.expect_type(answer, dict)
    t.expect(set(answer) == {"text", "tokens", "finish_reason"}, "first_keys", "text, tokens, finish_reason")
    t.expect_type(answer["text"], str)
    t.expect_type(answer["tokens"], int)
    t.expect(answer["finish_reason"] in ("stop", "length"), "first_keys", "stop / length")


@exercise.part("01.4", points=1)
def without_chance(t: Trial) -> None:
    answers = [t.call(t.model, QUESTIONS[t.lang][1], 60) for _ in range(3)]
    for answer in answers:
        t.expect_type(answer, dict)
        t.expect(answer["text"] == answers[0]["text"], "same", answers[0]["text"])
