# Steady, but against the rule.
# points: 1
# hint: rule
def settings(goal):
    """Options that reach the goal: "steady" or "varied"."""
    return {
        "steady": {"temperature": 0, "max_tokens": 16},
        "varied": {"temperature": 1.6, "top_k": 0, "top_p": 1.0, "max_tokens": 16},
    }[goal]
