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
}
