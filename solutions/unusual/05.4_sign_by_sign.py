# Goes through the text sign by sign.
def words(stream):
    piece, inside = [], False
    for chunk in stream:
        for sign in chunk.text:
            piece.append(sign)
            inside = inside or not sign.isspace()
            if inside and sign.isspace():
                yield "".join(piece)
                piece, inside = [], False
    if piece:
        yield "".join(piece)
