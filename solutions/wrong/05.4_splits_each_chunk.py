# Splits every chunk by itself: words break where chunks end.
# points: 0.5
# hint: same_text
def words(stream):
    for chunk in stream:
        for word in chunk.text.split():
            yield word + " "
