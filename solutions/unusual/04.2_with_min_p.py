# Reaches the goals with other options.
def settings(goal):
    if goal == "steady":
        return {"temperature": 1.9, "min_p": 1.0, "top_k": 0, "top_p": 1, "max_tokens": 9}
    return {"temperature": 2, "top_k": 500, "top_p": 0.999, "max_tokens": 14}
