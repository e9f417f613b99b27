"""A reply while it arrives: when each piece came, who is told of it, and models that stand before other models."""

from .cached import Cached
from .fallback import Fallback
from .metrics import Metrics
from .timeline import Timeline, plot, timeline
from .watched import Watched
from .webhook import Webhook

__all__ = ["Cached", "Fallback", "Metrics", "Timeline", "Watched", "Webhook", "plot", "timeline"]
