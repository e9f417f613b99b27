from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from labkit import errors

CLASSES = sorted((c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.LabError)), key=lambda c: c.__name__)


@pytest.mark.parametrize("kind", CLASSES)
def test_error_survives_pickle_and_keeps_its_parts(kind):
    error = kind("It broke.", "It was old.", "Run `mend`.")
    error.partial = "so far"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == "It broke. It was old. Run `mend`."
    assert (again.what, again.cause, again.fix, again.partial) == ("It broke.", "It was old.", "Run `mend`.", "so far")


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ServerNotRunningError, ConnectionError),
        (errors.ModelNotFoundError, LookupError),
        (errors.OutOfMemoryError, MemoryError),
        (errors.GenerationTimeoutError, TimeoutError),
        (errors.BadModelFileError, ValueError),
        (errors.OptionError, ValueError),
        (errors.MissingDependencyError, ImportError),
    ],
)
def test_error_is_also_the_builtin_that_people_catch(kind, builtin):
    with pytest.raises(builtin):
        raise kind("It broke.")


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_in_the_module_text_names_every_class(kind):
    assert kind.__name__ in (errors.__doc__ or "")


def test_missing_parts_leave_no_stray_spaces():
    assert str(errors.LabError("It broke.", fix="Mend it.")) == "It broke. Mend it."


@pytest.mark.parametrize("command", [["labkit.zoo", "export", "mini-embed"], ["labkit.zoo", "evaluate", "mini-n"]])
def test_an_error_of_a_command_is_one_line(command):
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1 and done.stderr.startswith("labkit.zoo: ") and done.stderr.count("\n") == 1
