# Takes a lower temperature for enough.
# points: 1
# hint: not_steady
def settings(goal):
    """Options that reach the goal: "steady" or "varied"."""
    return {
        "steady": {"temperature": 0.8, "top_p": 1.0, "max_tokens": 16},
        "varied": {"temperature": 1.6, "top_k": 0, "top_p": 1.0, "max_tokens": 16},
    }[goal]
