# Prints instead of logging.
# points: 0
# hint: one_line
class LoggedLLM(LocalLLM):
    def ask(self, prompt, context="", **options):
        before = self.counts["completion_tokens"]
        try:
            text = super().ask(prompt, context, **options)
        except errors.LabError as error:
            print(f"ERROR {self.model.name}: {type(error).__name__}")
            raise
        print(f"INFO {self.model.name}: {self.counts['completion_tokens'] - before} tokens")
        return text
