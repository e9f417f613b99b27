# Counts the weights alone.
# points: 1
# hint: cache
def memory_needed(parameters, bits, kv_bytes_per_token, context_window):
    return parameters * bits / 8
