# Takes logging an error for handling it.
# points: 1
# hint: still_raised
log = logging.getLogger("local_llm")


class LoggedLLM(LocalLLM):
    """A LocalLLM that leaves one line in the log for each call, and no text of the user's in it."""

    def ask(self, prompt, context="", **options):
        before = self.counts["completion_tokens"]
        try:
            text = super().ask(prompt, context, **options)
        except errors.LabError as error:
            log.error("%s failed: %s", self.model.name, type(error).__name__)
            text = ""
        log.info("%s answered: %d tokens", self.model.name, self.counts["completion_tokens"] - before)
        return text
