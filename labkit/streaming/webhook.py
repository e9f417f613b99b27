"""`Webhook`: an example of a callback. It posts a line of JSON to an address of yours when a reply has ended."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from ..backends.base import Model
from ..backends.net import is_loopback
from ..chat import Reply
from ..errors import BackendError, LabError, OptionError, ServerNotRunningError
from .watched import Watched


class Webhook:
    """Posts what happened to an address: ``Webhook(url).watch(model)``.

    The body is ``{"event": "done" or "error", "model", "finish_reason", tokens and durations}``, and the text only where you ask for it:
    an address may belong to others. It is posted after the last character has arrived; when that fails, the reply is whole all the same,
    and a warning says why.

    Parameters
    ----------
    url : str
    text : bool
        Send the text of the reply as well.
    timeout : float
        Seconds for which the address may take its time.
    """

    def __init__(self, url: str, text: bool = False, timeout: float = 5.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"{url!r} is not an address to post to.", fix="It looks like http://127.0.0.1:8000/hook.")
        self.url, self.text, self.timeout = url, text, timeout
        self._place = (
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # to be shown: the rest of such an address is often its password
        )
        self._local = is_loopback(parts.hostname)
        self.posted = 0

    def watch(self, model: Model) -> Watched:
        """The model, with its replies and errors posted."""
        return Watched(model, on_done=self.on_done, on_error=self.on_error)

    def on_done(self, reply: Reply) -> None:
        """Post that a reply has ended."""
        self._post(self._body("done", reply))

    def on_error(self, error: BaseException, reply: Reply) -> None:
        """Post that a reply failed."""
        # What happened and no more: the cause may quote the reply, and the message of an error that is not ours may hold anything.
        message = error.what if isinstance(error, LabError) else ""
        self._post(self._body("error", reply) | {"error": type(error).__name__, "message": message})

    def _body(self, event: str, reply: Reply) -> dict[str, Any]:
        row = reply.row()
        if not self.text:
            row = {name: value for name, value in row.items() if name not in ("text", "thinking")}
        return {"event": event} | row

    def _post(self, body: dict[str, Any]) -> None:
        try:
            with httpx.Client(timeout=self.timeout, follow_redirects=False, trust_env=not self._local) as client:
                status = client.post(self.url, json=body).status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = str(error) or type(error).__name__
            raise ServerNotRunningError(
                f"The webhook at {self._place} did not answer: {why}.", fix="Start its server, or correct it."
            ) from None
        if status >= 300:
            raise BackendError(f"The webhook at {self._place} answered with status {status}.", fix="Look at its server's log.")
        self.posted += 1
