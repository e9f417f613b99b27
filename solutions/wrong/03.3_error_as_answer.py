# Returns the error as if it were the answer.
# points: 2
# hint: error_is_no_answer
class LocalLLM:
    def __init__(self, names, tries=2):
        self.model, self.skipped = first_usable(names)
        self.tries = tries
        self.counts = dict.fromkeys(["calls", "answers", "errors", "prompt_tokens", "completion_tokens"], 0)

    def ask(self, prompt, context="", **options):
        self.counts["calls"] += 1
        try:
            reply = ask_again(self.model, prompt, self.tries, system=context, **options)
            self.counts["answers"] += 1
            self.counts["prompt_tokens"] += reply.usage.prompt_tokens
            self.counts["completion_tokens"] += reply.usage.completion_tokens
            return reply.text
        except Exception as error:
            self.counts["errors"] += 1
            return f"Error: {error}"
