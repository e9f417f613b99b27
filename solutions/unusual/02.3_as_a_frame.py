# Returns a DataFrame, and takes the times from the replies.
import pandas as pd


def compare(models, questions):
    def answers():
        for model in models:
            for prompt, expected in questions:
                try:
                    reply = model.chat(prompt, options=lab.Options(**SAME))
                    yield model.name, is_right(reply.text, expected), False, reply.timing.total_duration
                except lab.LabError:
                    yield model.name, False, True, None

    frame = pd.DataFrame(list(answers()), columns=["model", "right", "errors", "seconds"])
    frame["place"] = [n for n in range(len(models)) for _ in questions]
    frame["seconds"] = frame["seconds"].astype(float)
    rows = frame.groupby("place").agg(
        model=("model", "first"), n=("right", "size"), right=("right", "sum"), errors=("errors", "sum"), seconds=("seconds", "median")
    )
    return rows.astype({"seconds": object}).where(rows.notna(), None).reset_index(drop=True)
