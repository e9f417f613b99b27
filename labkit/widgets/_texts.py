"""What the widgets say, in English and Spanish."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    # -- shared ---------------------------------------------------------------------------------------------------------------------
    "stop": {"en": "Stop", "es": "Parar"},
    "stop_hint": {"en": "End the generation; what has arrived stays", "es": "Termina la generación; lo que ha llegado se queda"},
    "error": {"en": "Error.", "es": "Error."},
    "show_text": {"en": "Show as text", "es": "Ver como texto"},
    "hide_text": {"en": "Hide the text", "es": "Ocultar el texto"},
    "text_hint": {"en": "The same as plain text, to read aloud or copy", "es": "Lo mismo como texto, para leer en voz alta o copiar"},
    "model": {"en": "Model", "es": "Modelo"},
    "loading": {"en": "Loading {name} …", "es": "Cargando {name} …"},
    "waiting": {
        "en": "Waiting for {name} (at most {seconds:g} s; Stop ends it) …",
        "es": "Esperando a {name} (como mucho {seconds:g} s; Parar lo termina) …",
    },
    "stopped": {"en": "Stopped.", "es": "Parado."},
    "prompt": {"en": "Prompt", "es": "Pregunta"},
    # -- chat -----------------------------------------------------------------------------------------------------------------------
    "chat_title": {"en": "Chat", "es": "Conversación"},
    "you": {"en": "You", "es": "Tú"},
    "system": {"en": "System prompt", "es": "Instrucción"},
    "system_empty": {"en": "How the model should behave (may stay empty)", "es": "Cómo debe comportarse el modelo (puede quedar vacía)"},
    "message": {"en": "Message", "es": "Mensaje"},
    "message_empty": {"en": "Ask something, then press Enter", "es": "Pregunta algo y pulsa Intro"},
    "ask": {"en": "Send", "es": "Enviar"},
    "ask_hint": {"en": "Send the message (Enter)", "es": "Enviar el mensaje (Intro)"},
    "again": {"en": "Regenerate", "es": "Otra respuesta"},
    "again_hint": {
        "en": "Answer the last message again, with another seed",
        "es": "Responder de nuevo al último mensaje, con otra semilla",
    },
    "edit": {"en": "Edit last message", "es": "Editar el último"},
    "edit_hint": {
        "en": "Take the last message back, to change it and send it again",
        "es": "Recuperar el último mensaje, para cambiarlo y enviarlo otra vez",
    },
    "clear": {"en": "New chat", "es": "Nueva conversación"},
    "clear_hint": {"en": "Forget the conversation", "es": "Olvidar la conversación"},
    "show_sent": {"en": "Show what was sent", "es": "Ver lo enviado"},
    "hide_sent": {"en": "Hide what was sent", "es": "Ocultar lo enviado"},
    "what_sent": {"en": "What was sent last", "es": "Lo último que se envió"},
    "sent_hint": {"en": "Exactly what the last request gave to the engine", "es": "Exactamente lo que la última petición dio al motor"},
    "nothing_sent": {"en": "Nothing was sent yet.", "es": "Aún no se ha enviado nada."},
    "no_turns": {"en": "No messages yet.", "es": "Aún no hay mensajes."},
    "figures_live": {
        "en": "first token after {first:.2g} s · about {speed:.0f} tokens/s · {elapsed:.1f} s",
        "es": "primer token a los {first:.2g} s · unos {speed:.0f} tokens/s · {elapsed:.1f} s",
    },
    "first_token": {"en": "first token after {value:.2g} s", "es": "primer token a los {value:.2g} s"},
    "speed": {"en": "{value:.0f} tokens/s", "es": "{value:.0f} tokens/s"},
    "tokens": {"en": "{prompt} + {completion} tokens", "es": "{prompt} + {completion} tokens"},
    "ended_stop": {"en": "ended by itself", "es": "terminó por sí mismo"},
    "ended_length": {
        "en": "cut: it reached max_tokens or the context window",
        "es": "cortado: llegó a max_tokens o al fin del contexto",
    },
    "ended_cancelled": {"en": "stopped", "es": "parado"},
    "ended_error": {"en": "broken off by an error", "es": "roto por un error"},
    "ended_tool_calls": {"en": "asks for a tool", "es": "pide una herramienta"},
    # -- token lens -----------------------------------------------------------------------------------------------------------------
    "lens_title": {"en": "Token lens", "es": "Lupa de tokens"},
    "lens_prompt": {"en": "Tell a story about a fox.", "es": "Cuenta una historia de un zorro."},
    "prompt_empty": {"en": "Write a prompt first.", "es": "Escribe antes una pregunta."},
    "look": {"en": "Look", "es": "Mirar"},
    "look_hint": {"en": "Compute what may come after the prompt (Enter)", "es": "Calcular qué puede venir tras la pregunta (Intro)"},
    "draw": {"en": "Draw one", "es": "Sortear uno"},
    "draw_hint": {"en": "Draw the next token under these sliders", "es": "Sortear el siguiente token con estos ajustes"},
    "more": {"en": "Draw 20", "es": "Sortear 20"},
    "more_hint": {"en": "Draw the next 20 tokens under these sliders", "es": "Sortear los 20 tokens siguientes con estos ajustes"},
    "back": {"en": "One back", "es": "Uno atrás"},
    "back_hint": {"en": "Take the last token away", "es": "Quitar el último token"},
    "computing": {"en": "Computing …", "es": "Calculando …"},
    "full": {"en": "That is as many tokens as the lens keeps.", "es": "La lupa no guarda más tokens."},
    "out": {"en": "out", "es": "fuera"},
    "was": {"en": "{percent}, number {rank}: see what else could have come", "es": "{percent}, puesto {rank}: ver qué más pudo venir"},
    "place_at": {
        "en": "Place {n}: here came {token} ({percent}, number {rank}). Take another token to go on from there.",
        "es": "Lugar {n}: aquí vino {token} ({percent}, puesto {rank}). Toma otro token para seguir desde ahí.",
    },
    "place_next": {
        "en": "Place {n}: what may come next. Take a token to go on.",
        "es": "Lugar {n}: qué puede venir. Toma un token para seguir.",
    },
    "take_hint": {"en": "Go on from {token}", "es": "Seguir desde {token}"},
    "kept": {"en": "{kept:,} of {all:,} tokens can be drawn", "es": "pueden salir {kept:,} de {all:,} tokens"},
    "covered": {
        "en": "these {rows} hold {percent} of the probability before the sliders",
        "es": "estos {rows} reúnen {percent} de la probabilidad antes de los ajustes",
    },
    "not_exact": {
        "en": "approximate: the server tells only the likeliest tokens",
        "es": "aproximado: el servidor solo dice los tokens más probables",
    },
    "nothing_yet": {"en": "Nothing computed yet.", "es": "Aún no se ha calculado nada."},
    "so_far": {"en": "Text so far", "es": "Texto hasta aquí"},
    "token": {"en": "token", "es": "token"},
    "before": {"en": "as the model computes it", "es": "según el modelo"},
    "after": {"en": "under the sliders", "es": "con los ajustes"},
    "about_temperature": {
        "en": "Divides the logits: 0 always takes the likeliest token, above 1 evens them out",
        "es": "Divide los logits: 0 toma siempre el token más probable, más de 1 los iguala",
    },
    "about_top_k": {"en": "Keeps the k likeliest tokens; 0 keeps all", "es": "Conserva los k tokens más probables; 0 los conserva todos"},
    "about_top_p": {
        "en": "Keeps the likeliest tokens up to this sum of probability; 1 keeps all",
        "es": "Conserva los más probables hasta esta suma de probabilidad; 1 los conserva todos",
    },
    "about_min_p": {
        "en": "Drops tokens less likely than this share of the likeliest; 0 drops none",
        "es": "Quita los menos probables que esta parte del más probable; 0 no quita ninguno",
    },
    # -- memory gauge ---------------------------------------------------------------------------------------------------------------
    "gauge_title": {"en": "Memory gauge", "es": "Medidor de memoria"},
    "quantization": {"en": "Quantization", "es": "Cuantización"},
    "quantization_hint": {"en": "Bits for each number of the model", "es": "Bits por cada número del modelo"},
    "context_window": {"en": "Context window", "es": "Contexto"},
    "context_window_hint": {
        "en": "Tokens that prompt and answer may take together",
        "es": "Tokens que pueden ocupar juntos pregunta y respuesta",
    },
    "fits": {
        "en": "{name} at {quantization} with a context of {window:,} "
        "tokens needs about {need}: it fits into the {free} that are free now, of {total}.",
        "es": "{name} en {quantization} con un contexto de {window:,} "
        "tokens necesita unos {need}: cabe en los {free} libres ahora, de {total}.",
    },
    "fits_not": {
        "en": "{name} at {quantization} with a context of {window:,} "
        "tokens needs about {need}: too much for the {free} that are free now, of {total}.",
        "es": "{name} en {quantization} con un contexto de {window:,} "
        "tokens necesita unos {need}: no cabe en los {free} libres ahora, de {total}.",
    },
    "window_fits": {"en": "A context of up to {window:,} tokens would fit.", "es": "Cabría un contexto de hasta {window:,} tokens."},
    "window_fits_none": {
        "en": "No context would fit: take fewer bits or a smaller model.",
        "es": "No cabría ningún contexto: usa menos bits o un modelo menor.",
    },
    "part": {"en": "part", "es": "parte"},
    "memory": {"en": "memory", "es": "memoria"},
    "part_weights": {"en": "weights", "es": "pesos"},
    "part_kv_cache": {"en": "KV cache (what it remembers of the context)", "es": "caché KV (lo que recuerda del contexto)"},
    "part_working": {"en": "working space", "es": "espacio de trabajo"},
    # -- playground -----------------------------------------------------------------------------------------------------------------
    "playground_title": {"en": "Playground", "es": "Banco de pruebas"},
    "samples": {"en": "samples", "es": "muestras"},
    "about_samples": {
        "en": "Answers to the same prompt, each from the next seed",
        "es": "Respuestas a la misma pregunta, cada una con la semilla siguiente",
    },
    "about_repeat_penalty": {
        "en": "Divides the logits of tokens that came lately; 1 is off",
        "es": "Divide los logits de los tokens recientes; 1 no hace nada",
    },
    "about_presence_penalty": {
        "en": "Taken off the logits of every token that occurred; 0 is off",
        "es": "Se resta a los logits de cada token que ya salió; 0 no hace nada",
    },
    "about_frequency_penalty": {
        "en": "The same once for each time that it occurred; 0 is off",
        "es": "Lo mismo, tantas veces como haya salido; 0 no hace nada",
    },
    "about_max_tokens": {"en": "The answer is cut after so many tokens", "es": "La respuesta se corta tras tantos tokens"},
    "about_seed": {
        "en": "Where chance begins: the same seed gives the same text again",
        "es": "Donde empieza el azar: la misma semilla da otra vez el mismo texto",
    },
    "about_stop": {
        "en": "The answer ends before this text (may stay empty)",
        "es": "La respuesta acaba antes de este texto (puede faltar)",
    },
    "generate": {"en": "Generate", "es": "Generar"},
    "generate_hint": {"en": "Answer the prompt under these settings", "es": "Responder a la pregunta con estos ajustes"},
    "running": {"en": "Sample {n} of {all} …", "es": "Muestra {n} de {all} …"},
    "sample": {"en": "sample {n}, seed {seed}", "es": "muestra {n}, semilla {seed}"},
    "differ": {"en": "{different} different texts in {all} samples", "es": "{different} textos distintos en {all} muestras"},
    "now_settings": {"en": "These settings: {settings}", "es": "Estos ajustes: {settings}"},
    "earlier_settings": {"en": "The settings before: {settings}", "es": "Los ajustes anteriores: {settings}"},
    "no_samples": {"en": "No samples yet.", "es": "Aún no hay muestras."},
}
