"""Make `en/handbook.pdf` and `es/guia.pdf` from the Markdown beside this file: headings, paragraphs, a table, pages.

Only who changes the text needs it: ``pip install fpdf2==2.8.9``, then ``python data/make_pdf.py``. The same text gives the same bytes.
In the Markdown, ``---`` begins a page and lines between ``|`` are rows of a table, the first of them its header.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

HERE = Path(__file__).parent
FILES = {"en": "handbook.pdf", "es": "guia.pdf"}


def make(lang: str, target: Path | None = None) -> Path:
    """Write the PDF of one language, by default where it is kept, and return its path."""
    text = (HERE / f"handbook.{lang}.md").read_text(encoding="utf-8")
    pdf = FPDF(format="A4")
    pdf.set_title(text.splitlines()[0].lstrip("# "))
    pdf.set_lang(lang)
    pdf.set_creation_date(datetime(2026, 9, 1, tzinfo=UTC))
    pdf.add_page()
    for block in text.split("\n\n"):
        block = block.strip()
        if block == "---":
            pdf.add_page()
        elif block.startswith("|"):
            _table(pdf, [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()])
        else:
            _section(pdf, block)
    target = target or HERE / lang / FILES[lang]
    pdf.output(str(target))
    return target


def _section(pdf: FPDF, block: str) -> None:
    for line in block.splitlines():
        level = len(line) - len(line.lstrip("#"))
        pdf.set_font("Helvetica", "B" if level else "", {1: 14, 2: 11}.get(level, 10))
        # Left, not justified: justified lines come out of a PDF with gaps between their letters.
        pdf.multi_cell(0, 7 if level else 5, line.lstrip("# "), align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(2)


def _table(pdf: FPDF, rows: list[list[str]]) -> None:
    pdf.set_font("Helvetica", "", 9)
    with pdf.table(rows, text_align="LEFT", width=140, align="LEFT", col_widths=(14, 38, 34, 18, 24), line_height=6):
        pass
    pdf.ln(3)


if __name__ == "__main__":
    for language in FILES:
        print(make(language))
