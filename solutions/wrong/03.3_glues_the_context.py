# Puts the context into the question.
# points: 2.5
# hint: context_is_a_system_message
class LocalLLM:
    """A model that was checked, asked again when that helps, and counts what it did."""

    def __init__(self, names, tries=2):
        self.model, self.skipped = first_usable(names)
        self.tries = tries
        self.counts = dict.fromkeys(["calls", "answers", "errors", "prompt_tokens", "completion_tokens"], 0)

    def ask(self, prompt, context="", **options):
        """The text of the answer; `context` goes first, as a system message."""
        self.counts["calls"] += 1
        try:
            reply = ask_again(self.model, f"{context} {prompt}".strip(), self.tries, **options)
        except errors.LabError:
            self.counts["errors"] += 1
            raise
        self.counts["answers"] += 1
        self.counts["prompt_tokens"] += reply.usage.prompt_tokens
        self.counts["completion_tokens"] += reply.usage.completion_tokens
        return reply.text
