# Takes words for tokens.
# points: 0.5
# hint: engine_counts
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
            reply = ask_again(self.model, prompt, self.tries, system=context, **options)
        except errors.LabError:
            self.counts["errors"] += 1
            raise
        self.counts["answers"] += 1
        self.counts["prompt_tokens"] += len(prompt.split())
        self.counts["completion_tokens"] += len(reply.text.split())
        return reply.text
