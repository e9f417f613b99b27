# A dataclass with a Counter, and messages instead of `system`.
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class LocalLLM:
    names: list
    tries: int = 2
    _counter: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.model, _ = first_usable(self.names)

    @property
    def counts(self):
        return {name: self._counter[name] for name in ["calls", "answers", "errors", "prompt_tokens", "completion_tokens", "tries"]}

    def ask(self, prompt, context="", **options):
        messages = [{"role": "system", "content": context}] * bool(context) + [{"role": "user", "content": prompt}]
        self._counter["calls"] += 1
        outcome = "errors"
        try:
            reply = ask_again(self.model, messages, self.tries, **options)
            outcome = "answers"
        finally:
            self._counter[outcome] += 1
        self._counter.update(prompt_tokens=reply.usage.prompt_tokens, completion_tokens=reply.usage.completion_tokens)
        return str(reply)
