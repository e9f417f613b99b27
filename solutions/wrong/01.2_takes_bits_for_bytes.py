# Does not divide by eight.
# points: 0
# hint: unit
def memory_needed(parameters, bits, kv_bytes_per_token, context_window):
    return parameters * bits + kv_bytes_per_token * context_window
