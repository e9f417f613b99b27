# One log call for both outcomes, in `finally`.
class LoggedLLM(LocalLLM):
    def ask(self, *args, **options):
        level, line = logging.ERROR, "nothing"
        before = self.counts["completion_tokens"]
        try:
            answer = LocalLLM.ask(self, *args, **options)
            level, line = logging.INFO, f"tokens={self.counts['completion_tokens'] - before}"
            return answer
        except BaseException as error:
            line = repr(type(error))
            raise
        finally:
            logging.getLogger("local_llm").log(level, f"model={self.model.name} {line}")
