"""What feedback says, in both languages."""

from __future__ import annotations

# Hints that any task may need.
HINTS = {
    "blank": {
        "en": "Nothing is here yet. Replace `raise NotImplementedError()` with your own lines.",
        "es": "Aquí todavía no hay nada. Sustituye `raise NotImplementedError()` por tus propias líneas.",
    },
    "crash": {
        "en": "Your code stopped with an error. Call it yourself with this input in a cell of its own and read the last line.",
        "es": "Tu código se detuvo con un error. Llámalo tú con esta entrada en una celda aparte y lee la última línea.",
    },
    "missing": {
        "en": "This name does not exist. Run the cell that defines it, and keep the name as the exercise gives it.",
        "es": "Este nombre no existe. Ejecuta la celda que lo define y conserva el nombre que da el ejercicio.",
    },
    "not_callable": {
        "en": "A function is asked for here, and this is something else. Begin with `def`.",
        "es": "Aquí se pide una función y esto es otra cosa. Empieza con `def`.",
    },
    "type": {
        "en": "The answer is of another kind than asked. Read again what the function must return.",
        "es": "La respuesta no es del tipo pedido. Vuelve a leer qué debe devolver la función.",
    },
    "odd_number": {
        "en": "The answer holds a NaN or an infinity, which is no result. Look for a division by zero or an empty list.",
        "es": "La respuesta contiene un NaN o un infinito, y eso no es un resultado. Busca una división por cero o una lista vacía.",
    },
    "too_much": {
        "en": "The answer is too long or too deep to be judged. Return only what is asked.",
        "es": "La respuesta es demasiado larga o profunda para evaluarla. Devuelve solo lo que se pide.",
    },
    "timeout": {
        "en": "No answer came in time. Look for a loop that never ends, or a wait without a deadline.",
        "es": "No llegó respuesta a tiempo. Busca un bucle que no termina o una espera sin plazo.",
    },
    "ended": {
        "en": "Your code ended its own process, or used more than it may (memory, processes, output).",
        "es": "Tu código terminó su propio proceso o gastó más de lo permitido (memoria, procesos, salida).",
    },
    "broken_check": {
        "en": "The check itself broke on this answer. Look at its type first; if it is as asked, please report this.",
        "es": "La propia comprobación falló con esta respuesta. Mira primero su tipo; si es el pedido, avísanos, por favor.",
    },
}

WORDS = {
    "en": {
        "asked": "asked",
        "input": "with",
        "got": "came",
        "expected": "expected",
        "hint": "hint",
        "points": "points so far: {got:g} of {seen:g} seen here",
        "hidden": "{hidden:g} more are decided by tests that stay with the teacher",
        "hidden_part": "a test that stays with the teacher",
        "raised": "{kind}: {text}",
        "no_error": "no error",
        "nothing": "nothing",
        "all_right": "All that can be seen here is right.",
    },
    "es": {
        "asked": "se pide",
        "input": "con",
        "got": "llegó",
        "expected": "se esperaba",
        "hint": "pista",
        "points": "puntos hasta ahora: {got:g} de {seen:g} visibles aquí",
        "hidden": "{hidden:g} más dependen de pruebas que guarda el profesor",
        "hidden_part": "una prueba que guarda el profesor",
        "raised": "{kind}: {text}",
        "no_error": "ningún error",
        "nothing": "nada",
        "all_right": "Todo lo que se puede ver aquí está bien.",
    },
}

STUB = {"en": "# YOUR CODE HERE", "es": "# TU CÓDIGO AQUÍ"}
