"""The shipped models and how they are trained."""

import importlib.util

import pytest

from ..servers.programs import REQUIRED

TRAINING = ("torch", "tokenizers", "gguf", "safetensors")


def needs(*modules: str) -> None:
    """Skip a whole test file where the extra `train` is absent, or fail where LABKIT_REQUIRE names `train`."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and "train" in REQUIRED:
        pytest.fail(f"LABKIT_REQUIRE names train: {', '.join(missing)} is absent", pytrace=False)
    if missing:
        pytest.skip(f"{', '.join(missing)} is absent: pip install -e '.[train]'", allow_module_level=True)
