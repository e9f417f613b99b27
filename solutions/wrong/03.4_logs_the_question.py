# Writes down what the user typed.
# points: 1.5
# hint: secret
log = logging.getLogger("local_llm")


class LoggedLLM(LocalLLM):
    """A LocalLLM that leaves one line in the log for each call, and no text of the user's in it."""

    def ask(self, prompt, context="", **options):
        before = self.counts["completion_tokens"]
        try:
            text = super().ask(prompt, context, **options)
        except errors.LabError as error:
            log.error("%s failed: %s", self.model.name, type(error).__name__)
            raise
        log.info("%s answered %r: %d tokens", self.model.name, prompt, self.counts["completion_tokens"] - before)
        return text
