"""The same question again costs nothing; another one, or another option, is computed."""

from __future__ import annotations

import pytest

import labkit as lab
from labkit.errors import ContextWindowExceededError, OptionError
from labkit.streaming import Cached, Fallback, Watched

STORY = "Tell a story about a fox."


def cache_of(reply: lab.Reply) -> object:
    return reply.sent.request.get("cache")


def test_the_same_question_is_answered_from_the_cache(model):
    cached = Cached(model)
    first, again = (cached.chat(STORY, max_tokens=12) for _ in range(2))
    assert (cache_of(first), cache_of(again)) == ("miss", "hit") and first.text == again.text
    assert first.sent.request["seed"] == again.sent.request["seed"] and again.finish_reason == first.finish_reason
    assert again.usage.cached_tokens == again.usage.prompt_tokens == first.usage.prompt_tokens
    assert again.timing.tokens_per_second is None and again.timing.prompt_duration is None and again.model == "mini-m"
    assert (cached.hits, cached.misses, len(cached)) == (1, 1, 1)
    assert "from the cache" in again._repr_html_() and "from the cache" not in first._repr_html_()
    assert "".join(chunk.text for chunk in cached.stream(STORY, max_tokens=12)) == first.text


@pytest.mark.parametrize(
    "other",
    [{"max_tokens": 13}, {"temperature": 0.7}, {"top_k": 3}, {"seed": 5}, {"system": "Be brief."}, {"stop": ["x"]}, {"schema": "json"}],
    ids=lambda other: next(iter(other)),
)
def test_every_option_counts(model, other):
    cached = Cached(model)
    cached.chat(STORY, max_tokens=12)
    assert cache_of(cached.chat(STORY, **{"max_tokens": 12} | other)) == "miss"


def test_seeds_count_where_they_matter(model):
    cached = Cached(model)
    assert [cache_of(cached.chat(STORY, seed=seed, max_tokens=5)) for seed in (1, 2, 1)] == ["miss", "miss", "hit"]
    assert [cache_of(cached.chat(STORY, seed=seed, temperature=0, max_tokens=5)) for seed in (1, 2)] == ["miss", "hit"]
    assert [cache_of(cached.chat(STORY, timeout=seconds, temperature=0, max_tokens=5)) for seconds in (9, 10)] == ["hit", "hit"]
    assert [cache_of(cached.generate(STORY, temperature=0, max_tokens=5)) for _ in range(2)] == ["miss", "hit"]


def test_a_reply_that_was_cut_short_is_not_kept(model):
    cached = Cached(model)
    stream = cached.stream(STORY, seed=1, max_tokens=50)
    next(stream)
    stream.close()
    with pytest.raises(ContextWindowExceededError):
        cached.chat("word " * 5000)
    assert not len(cached) and cache_of(cached.chat(STORY, seed=1, max_tokens=50)) == "miss"


def test_the_oldest_goes_first_and_age_counts(model):
    cached = Cached(model, size=2)
    for question in ("a", "b", "a", "c"):
        cached.chat(question, temperature=0, max_tokens=2)
    assert [cache_of(cached.chat(question, temperature=0, max_tokens=2)) for question in ("a", "c", "b")] == ["hit", "hit", "miss"]
    old = Cached(model, max_age=1e-9)
    assert [cache_of(old.chat("a", temperature=0, max_tokens=2)) for _ in range(2)] == ["miss", "miss"]
    cached.clear()
    assert not len(cached)
    for wrong in ({"size": 0}, {"size": 1.5}, {"max_age": 0}):
        with pytest.raises(OptionError):
            Cached(model, **wrong)


def test_of_many_only_the_unknown_are_computed(model):
    cached = Cached(model)
    requests = [{"prompt": f"Tell a story about a {who}.", "temperature": 0} for who in ("fox", "bear", "cat")]
    cached.chat(**requests[1], max_tokens=6)
    replies = cached.generate_many(requests, max_tokens=6)
    assert [cache_of(reply) for reply in replies] == ["miss", "hit", "miss"]
    assert [reply.text for reply in replies] == [model.chat(**request, max_tokens=6).text for request in requests]
    assert [cache_of(reply) for reply in cached.generate_many(requests, max_tokens=6)] == ["hit"] * 3


def test_wrappers_stand_in_front_of_each_other(model):
    replies = []
    cached = Cached(Fallback("ollama:x@http://127.0.0.1:9", model))
    watched = Watched(cached, on_done=replies.append)
    for _ in range(2):
        watched.chat("Hi", temperature=0, max_tokens=3)
    assert [cache_of(reply) for reply in replies] == ["miss", "miss"], "what stood in for another model is not kept"
    watched = Watched(Cached(model), on_done=replies.append)
    for _ in range(2):
        watched.chat("Hi", max_tokens=3)
    assert cache_of(replies[-1]) == "hit" and replies[-1].text == replies[-2].text
