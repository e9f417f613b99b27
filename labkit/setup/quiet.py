"""`python -m labkit.setup.quiet`: this environment's JupyterLab asks no question about news, and looks for no updates."""

import json
import sys
from pathlib import Path

QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}

if __name__ == "__main__":
    folder = Path(sys.prefix, "share", "jupyter", "lab", "settings")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(QUIET), encoding="utf-8")
