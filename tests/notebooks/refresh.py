"""Keep the lessons whole: code cells equal in both languages, outputs fresh, translations marked.

    python -m tests.notebooks.refresh 01              copy the English code cells into the Spanish lesson, run both, store outputs
    python -m tests.notebooks.refresh 01 --translated  record that every Spanish text now renders its English cell

The English lesson is edited first; the test in this folder then names the Spanish cells that are stale.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FOLDER = Path(__file__).parents[2] / "notebooks"


def text_hash(text: str) -> str:
    """What a translated cell records of the English text that it renders."""
    return hashlib.sha256(text.strip().encode()).hexdigest()[:16]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def is_parameters(cell: Any) -> bool:
    return "parameters" in cell.metadata.get("tags", ())


def copy_code(english: Any, spanish: Any) -> None:
    """The English code cells, the parameters aside, into the Spanish lesson."""
    if [c.cell_type for c in english.cells] != [c.cell_type for c in spanish.cells]:
        raise SystemExit("The lessons differ in their cells: add or remove the Spanish ones first.")
    for ours, theirs in zip(english.cells, spanish.cells, strict=True):
        theirs.id = ours.id
        if ours.cell_type == "code" and not is_parameters(ours):
            theirs.source = ours.source


def mark_translated(english: Any, spanish: Any) -> None:
    for ours, theirs in zip(english.cells, spanish.cells, strict=True):
        if ours.cell_type == "markdown":
            theirs.metadata["renders"] = text_hash(ours.source)


def run(notebook: Any, folder: Path) -> None:
    """Execute and keep the outputs, without times and ids that change from run to run."""
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):  # a live view of a widget that is gone says "model not found"; its snapshot stays
            output.get("data", {}).pop(WIDGET_VIEW, None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="+", help="how the file names begin, such as 01")
    parser.add_argument("--translated", action="store_true")
    options = parser.parse_args()
    for start in options.lessons:
        for path in sorted((FOLDER / "en").glob(f"{start}*.ipynb")):
            pair = {lang: FOLDER / lang / path.name for lang in ("en", "es")}
            books = {lang: read(file) for lang, file in pair.items()}
            copy_code(books["en"], books["es"])
            if options.translated:
                mark_translated(books["en"], books["es"])
            for lang, file in pair.items():
                run(books[lang], file.parent)
                nbformat.write(books[lang], file)
                print(file.relative_to(FOLDER.parent))


if __name__ == "__main__":
    main()
