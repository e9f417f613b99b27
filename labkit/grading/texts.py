"""What feedback says, in both languages."""

from __future__ import annotations

# Hints that any task may need.
HINTS = {
    "blank": {
        "en": "Nothing is here yet, or in a function of yours that is called here. Replace `raise NotImplementedError()` with your own "
        "lines.",
        "es": "Aquí, o en una función tuya que se llama aquí, todavía no hay nada. Sustituye `raise NotImplementedError()` por tus propias "
        "líneas.",
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
        "en": "A function is asked for here, and this is something else. Give its name alone, without parentheses.",
        "es": "Aquí se pide una función y esto es otra cosa. Da solo su nombre, sin paréntesis.",
    },
    "type": {
        "en": "The answer is of another kind than asked. Read again what the function must return.",
        "es": "La respuesta no es del tipo pedido. Vuelve a leer qué debe devolver la función.",
    },
    "no_key": {
        "en": "The answer lacks a key that the task names. Compare its keys letter by letter.",
        "es": "A la respuesta le falta una clave que nombra la tarea. Compara sus claves letra por letra.",
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
        "got": "se obtuvo",
        "expected": "se esperaba",
        "hint": "pista",
        "points": "puntos hasta ahora: {got:g} de {seen:g} visibles aquí",
        "hidden": "en pruebas que guarda el profesor: {hidden:g} más",
        "hidden_part": "una prueba que guarda el profesor",
        "raised": "{kind}: {text}",
        "no_error": "ningún error",
        "nothing": "nada",
        "all_right": "Todo lo que se puede ver aquí está bien.",
    },
}

STUB = {"en": "# YOUR CODE HERE", "es": "# TU CÓDIGO AQUÍ"}

# What each way of running a submission keeps apart, and what not, in plain words.
ISOLATION = {
    "namespaces": {
        "en": "Each submission runs as a user of its own, in a file system that holds Python, its packages, the shipped models and an "
        "empty folder, without network, with limits on time, memory, processes, output and disk. Not kept apart: the kernel and the "
        "processor (a fault in the kernel would let it out).",
        "es": "Cada entrega se ejecuta con un usuario del sistema solo para ella, en un sistema de archivos con Python, sus paquetes, los "
        "modelos incluidos y una carpeta vacía, sin red y con límites de tiempo, memoria, procesos, salida y disco. No están aislados el "
        "núcleo del sistema ni el procesador (un fallo del núcleo la dejaría salir).",
    },
    "user": {
        "en": "Each submission runs as a user of its own with limits on time, memory, processes and output. NOT kept apart: files that "
        "every user may read, and the network. Simple ways to them are refused, but a student who tries can use them. For submissions "
        "that you do not trust, use --container, or Linux with namespaces.",
        "es": "Cada entrega se ejecuta con un usuario del sistema solo para ella y con límites de tiempo, memoria, procesos y salida. NO "
        "están protegidos los archivos que puede leer cualquier usuario ni la red. Se bloquean las vías sencillas para llegar a ellos, "
        "pero un estudiante que lo intente puede usarlos. Con entregas que no sean de confianza, usa --container, o Linux con espacios de "
        "nombres (namespaces).",
    },
    "process": {
        "en": "Each submission runs in a process and folder of its own with limits on time, memory and output (on Windows a single cell "
        "has no deadline, only the whole). NOT kept apart: your files, your other programs and the network. Simple ways to them are "
        "refused, but a student who tries can use them. For submissions that you do not trust, use --container, or Linux as root or "
        "with user namespaces.",
        "es": "Cada entrega se ejecuta en un proceso y una carpeta propios con límites de tiempo, memoria y salida (en Windows una celda "
        "suelta no tiene plazo, solo el conjunto). NO están protegidos tus archivos, tus otros programas ni la red. Se bloquean las vías "
        "sencillas para llegar a ellos, pero un estudiante que lo intente puede usarlos. Con entregas que no sean de confianza, usa "
        "--container, o Linux como root o con espacios de nombres de usuario (user namespaces).",
    },
}

# What was found in a submission, by key; see submission.Prepared and run.Handed.
NOTES = {
    "other_tests": {
        "en": "made from another version of the exercise",
        "es": "hecho con otra versión del ejercicio",
    },
    "locked_changed": {
        "en": "a locked cell was changed; yours was run, then the restored one",
        "es": "se cambió una celda bloqueada; se ejecutó la tuya y después la restaurada",
    },
    "answer_missing": {"en": "an answer cell is missing", "es": "falta una celda de respuesta"},
    "answer_twice": {
        "en": "a cell is there twice; both were run, in order",
        "es": "una celda está dos veces; se ejecutaron ambas, en orden",
    },
    "unknown_id": {
        "en": "a cell has a name that the exercise does not know",
        "es": "una celda tiene un nombre que el ejercicio no conoce",
    },
    "kind_changed": {"en": "a cell is of another kind than in the exercise", "es": "una celda es de otro tipo que en el ejercicio"},
    "judge_failed": {
        "en": "could not be graded automatically; the teacher will look at it",
        "es": "no se pudo calificar automáticamente; lo mirará el profesor",
    },
    "unreadable": {"en": "could not be read", "es": "no se pudo leer"},
    "nothing_found": {"en": "no notebook in it; files", "es": "no contiene ningún cuaderno; archivos"},
    "no_exercise": {"en": "belongs to no exercise that is known here", "es": "no corresponde a ningún ejercicio conocido"},
    "duplicate": {"en": "handed in more than once; graded", "es": "entregado más de una vez; se calificó"},
}


def note(said: str, lang: str) -> str:
    """A note in words: `key` or `key: detail`; what is no key stays as it is."""
    key, _, detail = said.partition(": ")
    words = NOTES.get(key, {}).get(lang)
    return said if words is None else f"{words}: {detail}" if detail else words


REPORT = {
    "en": {
        "feedback": "Feedback for {student}",
        "overview": "Class overview",
        "points": "points",
        "exercise": "exercise",
        "task": "task",
        "students": "students",
        "median": "median (%)",
        "lowest": "lowest (%)",
        "highest": "highest (%)",
        "mistakes": "The commonest mistakes",
        "share": "submissions with this mistake",
        "to_look_at": "To look at yourself",
        "none": "none",
        "right": "All right.",
        "errors": "Cells that stopped with an error",
        "output": "What the cells printed (the beginning)",
        "how": "How the submissions were kept apart",
        "notes": "notes",
    },
    "es": {
        "feedback": "Comentarios para {student}",
        "overview": "Resumen de la clase",
        "points": "puntos",
        "exercise": "ejercicio",
        "task": "tarea",
        "students": "estudiantes",
        "median": "mediana (%)",
        "lowest": "mínimo (%)",
        "highest": "máximo (%)",
        "mistakes": "Los errores más frecuentes",
        "share": "entregas con este error",
        "to_look_at": "Para revisar a mano",
        "none": "ninguno",
        "right": "Todo bien.",
        "errors": "Celdas que se detuvieron con un error",
        "output": "Lo que imprimieron las celdas (el principio)",
        "how": "Cómo se aislaron las entregas",
        "notes": "observaciones",
    },
}
