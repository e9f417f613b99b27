# Rounds up to whole bytes, as memory comes.
def memory_needed(parameters, bits, kv_bytes_per_token, context_window):
    from fractions import Fraction
    from math import ceil

    return ceil(parameters * Fraction(str(bits)) / 8) + kv_bytes_per_token * context_window
