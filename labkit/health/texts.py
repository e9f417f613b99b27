"""What the doctor says, in both languages."""

from __future__ import annotations

from .. import settings

# Shape as well as colour tells them apart.
MARKS = {"ok": "✓", "note": "•", "problem": "✗"}

HEADINGS = {
    "en": {
        "ok": "ok",
        "note": "note",
        "problem": "problem",
        "state": "state",
        "what": "what",
        "found": "found",
        "advice": "what to do",
        "report": "This is an error of the doctor itself: please report it with this line.",
    },
    "es": {
        "ok": "bien",
        "note": "nota",
        "problem": "problema",
        "state": "estado",
        "what": "qué",
        "found": "hallado",
        "advice": "qué hacer",
        "report": "Es un error del propio doctor: comunícalo con esta línea.",
    },
}

NAMES = {
    "en": {
        "python": "Python",
        "packages": "packages",
        "engine": "llama.cpp",
        "models": "shipped models",
        "answer": "a first answer",
        "memory": "memory",
        "cores": "processor",
        "disk": "disk",
        "folder": "writing",
        "ollama": "Ollama program",
        "server": "Ollama server",
        "environment": "environment",
    },
    "es": {
        "python": "Python",
        "packages": "paquetes",
        "engine": "llama.cpp",
        "models": "modelos incluidos",
        "answer": "una primera respuesta",
        "memory": "memoria",
        "cores": "procesador",
        "disk": "disco",
        "folder": "escritura",
        "ollama": "programa Ollama",
        "server": "servidor Ollama",
        "environment": "entorno",
    },
}

TEXTS = {
    "en": {
        "python_old": f"Install Python 3.11 or newer, then run `{settings.LAB}` again.",
        "missing": "missing: {names}",
        "set_up": f"Run `{settings.LAB}` in the kit's folder: it repairs the environment.",
        "packages_ok": "{count} installed",
        "engine_ok": "llama-cpp-python {version}",
        "engine_absent": "llama-cpp-python cannot be imported: {error}",
        "models_ok": "{names}: {size}, unchanged",
        "answer_ok": "{model} wrote {tokens} tokens in {seconds:.2f} s, model loading included",
        "memory": "{available} free of {total}",
        "memory_limited": "{available} free of {total} (the limit set for this container or service)",
        "memory_low": "Close other programs or kernels. The shipped models need about 0.2 GB; larger ones will not fit.",
        "cores": "{cores} cores, {system}",
        "disk": "{free} free in {folder}",
        "disk_low": "Little room for more models: `ollama list` shows the sizes, `ollama rm NAME` frees one.",
        "folder_ok": "{folder} can be written",
        "folder_bad": "{folder}: {error}",
        "folder_fix": "Copy the kit into a folder of your own, or set LABKIT_CACHE to one that you may write.",
        "ollama_ok": "{path}",
        "ollama_absent": "not installed; the lessons run without it",
        "ollama_get": "To use larger models, install it: https://ollama.com/download, or `conda install -c conda-forge ollama`.",
        "server_ok": "version {version} at {url}, models: {count}",
        "server_absent": "nobody answers at {url}",
        "server_start": "Start it in a terminal of its own: `ollama serve`",
        "server_old": "Version {version} has known security holes (a crafted model leaks data): install 0.17.1 or newer.",
        "server_open": "OLLAMA_HOST={value}: everybody on your network can use and delete its models, without a password.",
        "server_open_fix": "Unless you mean that, unset OLLAMA_HOST and start the server again.",
        "unread": "{name} is set, but no Ollama server reads it.",
        "proxy": "{name}={value}: other programs may send even local requests there.",
        "proxy_fix": "labkit goes past it for local addresses. For others: `NO_PROXY=localhost,127.0.0.1`.",
    },
    "es": {
        "python_old": f"Instala Python 3.11 o posterior y ejecuta otra vez `{settings.LAB}`.",
        "missing": "faltan: {names}",
        "set_up": f"Ejecuta `{settings.LAB}` en la carpeta del kit: repara el entorno.",
        "packages_ok": "{count} instalados",
        "engine_ok": "llama-cpp-python {version}",
        "engine_absent": "no se puede importar llama-cpp-python: {error}",
        "models_ok": "{names}: {size}, sin cambios",
        "answer_ok": "{model} escribió {tokens} tokens en {seconds:.2f} s, con la carga del modelo",
        "memory": "{available} libres de {total}",
        "memory_limited": "{available} libres de {total} (el límite fijado para este contenedor o servicio)",
        "memory_low": "Cierra otros programas o kernels. Los modelos incluidos piden unos 0,2 GB; los mayores no caben.",
        "cores": "{cores} núcleos, {system}",
        "disk": "{free} libres en {folder}",
        "disk_low": "Queda poco sitio para más modelos: `ollama list` muestra los tamaños y `ollama rm NOMBRE` libera uno.",
        "folder_ok": "se puede escribir en {folder}",
        "folder_bad": "{folder}: {error}",
        "folder_fix": "Copia el kit a una carpeta tuya, o pon en LABKIT_CACHE una en la que puedas escribir.",
        "ollama_ok": "{path}",
        "ollama_absent": "no está instalado; las lecciones funcionan sin él",
        "ollama_get": "Para usar modelos mayores, instálalo: https://ollama.com/download, o `conda install -c conda-forge ollama`.",
        "server_ok": "versión {version} en {url}, modelos: {count}",
        "server_absent": "nadie responde en {url}",
        "server_start": "Arráncalo en una terminal aparte: `ollama serve`",
        "server_old": "La versión {version} tiene fallos de seguridad conocidos (un modelo trucado filtra datos): instala la 0.17.1 o una "
        "posterior.",
        "server_open": "OLLAMA_HOST={value}: cualquiera en tu red puede usar y borrar sus modelos, sin contraseña.",
        "server_open_fix": "Si no es lo que quieres, quita OLLAMA_HOST y arranca de nuevo el servidor.",
        "unread": "{name} está definida, pero ningún servidor Ollama la lee.",
        "proxy": "{name}={value}: otros programas quizá envíen allí hasta las peticiones locales.",
        "proxy_fix": "labkit lo evita con direcciones locales. Para los demás: `NO_PROXY=localhost,127.0.0.1`.",
    },
}

# Variables of old guides that no server reads -> what to use instead (Ollama 0.24 and 0.33 sources, envconfig/config.go).
UNREAD = {
    "OLLAMA_GPU": {"en": "It finds a GPU by itself.", "es": "Encuentra la GPU por sí solo."},
    "OLLAMA_NUM_GPU": {"en": "Use the option num_gpu.", "es": "Usa la opción num_gpu."},
    "OLLAMA_GPU_LAYERS": {"en": "Use the option num_gpu.", "es": "Usa la opción num_gpu."},
    "OLLAMA_NUM_THREADS": {"en": "Use the option num_thread.", "es": "Usa la opción num_thread."},
    "OLLAMA_NUM_THREAD": {"en": "Use the option num_thread.", "es": "Usa la opción num_thread."},
    "OLLAMA_MAX_VRAM": {
        "en": "It was removed; OLLAMA_GPU_OVERHEAD keeps memory free.",
        "es": "Se retiró; OLLAMA_GPU_OVERHEAD reserva memoria.",
    },
    "OLLAMA_LOG_LEVEL": {"en": "Use OLLAMA_DEBUG=1.", "es": "Usa OLLAMA_DEBUG=1."},
    "OLLAMA_TIMEOUT": {"en": "Use OLLAMA_LOAD_TIMEOUT.", "es": "Usa OLLAMA_LOAD_TIMEOUT."},
}
