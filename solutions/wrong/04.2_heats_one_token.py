# A high temperature with nothing left to choose from.
# points: 1
# hint: not_varied
def settings(goal):
    """Options that reach the goal: "steady" or "varied"."""
    return {
        "steady": {"temperature": 1.0, "top_k": 1, "max_tokens": 16},
        "varied": {"temperature": 1.6, "top_k": 1, "top_p": 1.0, "max_tokens": 16},
    }[goal]
