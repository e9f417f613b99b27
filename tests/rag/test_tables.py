"""Tables: found in PDF files and Markdown, cut under their header, searched and read row by row."""

from __future__ import annotations

import time
from random import Random

import pytest

import labkit as lab
from labkit.rag import _pdf, _pdf_worker, compress, documents, tables, words
from labkit.rag.chunks import cut
from labkit.rag.documents import from_string

from .test_documents import pdf

HEADER = ["Code", "Course", "Teacher", "Weeks", "Fee"]
ROWS = [
    ["K-11", "Bread Baking", "Orla Venn", "14", "860 euros"],
    ["K-25", "Cheese Making", "Tomas Reik", "5", "310 euros"],
    ["K-32", "Bee Keeping", "Ada Morrow", "8", "445 euros"],
    ["K-47", "Wood Carving", "Lio Santer", "3", "175 euros"],
]
MARKDOWN = "\n".join(["# Courses", "", *(f"| {' | '.join(row)} |" for row in (HEADER, ["---"] * 5, *ROWS)), "", "Ask the office."])


def drawn(rows: list[list[str]], places: list[int], one_block: bool = False) -> bytes:
    """Drawing commands of a table: each cell at its place, in a text object of its own or all in one."""
    cells = [(x, 250 - 15 * y, cell) for y, row in enumerate(rows) for x, cell in zip(places, row, strict=True) if cell]
    if one_block:
        return ("BT /F1 8 Tf " + " ".join(f"1 0 0 1 {x} {y} Tm ({cell}) Tj" for x, y, cell in cells) + " ET").encode()
    return "\n".join(f"BT /F1 8 Tf {x} {y} Td ({cell}) Tj ET" for x, y, cell in cells).encode()


@pytest.mark.parametrize("one_block", [True, False])
def test_pdf_table_is_read_with_bars_between_its_cells(tmp_path, one_block):
    rows = [HEADER, ROWS[0], [*ROWS[1][:3], "", "310 euros"], ROWS[2]]
    prose = b"BT /F1 8 Tf 20 280 Td (The courses of the year) Tj 0 -260 Td (Ask the office, upstairs.) Tj ET\n"
    (tmp_path / "a.pdf").write_bytes(pdf(prose + drawn(rows, [20, 60, 130, 200, 240], one_block)))
    (found,) = documents.read(tmp_path)
    lines = found.text.splitlines()
    assert [line for line in lines if "|" in line] == [
        "Code | Course | Teacher | Weeks | Fee",
        "K-11 | Bread Baking | Orla Venn | 14 | 860 euros",
        "K-25 | Cheese Making | Tomas Reik |  | 310 euros",
        "K-32 | Bee Keeping | Ada Morrow | 8 | 445 euros",
    ]
    assert "The courses of the year" in lines and "Ask the office, upstairs." in lines


@pytest.mark.parametrize(
    "layout",
    [
        "This  is  a  line  of  justified  prose  with  wide  gaps\nand  here  is  another  one,  whose  gaps  lie  elsewhere  too",
        "One line of two cells    alone\nand prose below it",
        "left column goes on          right column too\nand on                       to the end",
        "",
        "   \n \n",
    ],
)
def test_prose_gets_no_bars(layout):
    text = "\n".join(" ".join(line.split()) for line in layout.splitlines())
    assert _pdf_worker.with_tables(text, layout) == text


def test_any_page_is_searched_for_tables_in_time():
    random = Random(1)
    pages = ["a   b   " * 120 + "\n", "x" + " " * 998 + "y\n", "a  b\n"]
    pages += ["".join(random.choice("a  \t|") for _ in range(200)) + "\n" for _ in range(5)]
    start = time.monotonic()
    for line in pages:
        layout = line * (_pdf_worker.LAYOUT // len(line))
        kept = _pdf_worker.with_tables("a\n" * 20_000, layout)
        assert sorted(kept.replace("|", "").split()) == ["a"] * 20_000
    assert time.monotonic() - start < 60


def test_tables_are_looked_for_as_long_as_there_is_time(tmp_path):
    page = drawn([HEADER, *ROWS], [20, 60, 130, 200, 240])
    (tmp_path / "a.pdf").write_bytes(pdf(page, page, page))
    (found,) = documents.read(tmp_path)
    assert found.text.count("Bee Keeping | Ada Morrow") == 3 and found.notes == ()
    hurried = _pdf_worker.read(str(tmp_path / "a.pdf"), seconds=0.0)
    assert [text.count("Bee Keeping | Ada Morrow") for text in hurried["pages"]] == [1, 0, 0]
    assert "on the first 1 pages only" in _pdf.part(hurried).notes[0]


def test_a_page_that_the_layout_mode_cannot_read_keeps_its_text(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf(b"BT /F1 12 Tf 20 200 Td (Plain text.) Tj ET q q q Q BT /F9 1 Tf (More.) Tj ET"))
    (found,) = documents.read(tmp_path)
    assert "Plain text." in found.text


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        (MARKDOWN, [("Code | Course | Teacher | Weeks | Fee", True)]),
        ("Name | Room\nAna | 12\n\nLine | Bus\nL1 | 7", [("Name | Room", False), ("Line | Bus", False)]),
        ("Either this | that, in a line of prose.\nAnd another.", []),
        ("|---|---|\n|---|---|", []),
        ("| alone |", []),
        ("", []),
    ],
)
def test_tables_of_a_text(text, headers):
    assert [(table.header, table.ruled) for table in tables.find(text)] == headers


@pytest.mark.parametrize(
    "text",
    ["|" + "-" * 200_000 + "x\n| y |", "a" + " " * 200_000 + "| b\n" * 2, "a | b\n1 | 2\n\nSo. Not.\n\n" * 20_000],
    ids=["a long rule", "a wide gap", "many tables"],
)
def test_any_text_is_searched_for_tables_in_time(text):
    start = time.monotonic()
    tables.find(text), words.sentences(text)
    assert time.monotonic() - start < 20


def test_each_row_is_a_sentence_whatever_its_cells_hold():
    text = "Where | What to bring\n|---|---|\nHall | Dr. Venn is there. Bring gloves.\nYard | Nothing."
    header, rule, *rows = text.splitlines()
    assert [text[start:end] for start, end in words.sentences(text)] == [f"{header}\n{rule}", *rows]
    assert [text[one.start : one.end] for one in compress.sentences(text)] == ["Hall | Dr. Venn is there. Bring gloves.", "Yard | Nothing."]


def test_rows_that_are_cut_from_their_header_come_under_it():
    passages = cut(from_string(MARKDOWN, source="a.md"), size=60)
    assert len(passages) >= 3 and all(passage.text == MARKDOWN[passage.start : passage.end] for passage in passages)
    for passage in passages:
        if passage.text.startswith("| K-"):
            assert passage.above == " | ".join(HEADER) and passage.given == f"{passage.above}\n{passage.text}" in passage.searched
        else:
            assert passage.above == "" and passage.given == passage.text
    assert any(passage.above for passage in passages)
    later = next(passage for passage in passages if passage.above)
    (first, *_) = compress.sentences(later.text, later.above)
    assert first.above == first.before == later.above and later.text[first.start : first.end].startswith("K-")


def test_a_first_row_without_a_rule_is_a_row_and_a_header():
    text = "Name | Ana Lupo\nRoom | 12\nTelephone | 555 01 02"
    assert [(text[one.start : one.end], one.above) for one in compress.sentences(text)] == [
        ("Name | Ana Lupo", ""),
        ("Room | 12", "Name | Ana Lupo"),
        ("Telephone | 555 01 02", "Name | Ana Lupo"),
    ]


def test_a_long_header_is_not_repeated():
    header = " | ".join(f"a very long name of column {n}" for n in range(12))
    text = f"{header}\n{'| x ' * 11}| y"
    assert len(header) > tables.LONGEST and tables.Headers(text).above(len(header) + 1) == ""
    assert [one.above for one in compress.sentences(text)] == ["", ""]


def test_reopened_knowledge_base_keeps_headers(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "courses.md").write_text(MARKDOWN)
    with lab.KnowledgeBase.from_folder(tmp_path / "docs", None, size=60) as kb:
        kb.save(tmp_path / "a.kb")
        before = list(kb.passages.values())
    with lab.KnowledgeBase.open(tmp_path / "a.kb") as kb:
        assert list(kb.passages.values()) == before and any(passage.above for passage in before)


@pytest.mark.parametrize("model", ["mini-m", "mini-l"])
def test_shipped_models_read_tables(model):
    """Every cell of every row, asked in words that name its column: rows with their header, as a knowledge base gives them."""
    asked = {0: "What is the code of the course {}?", 2: "Who teaches {}?", 3: "How many weeks does the course {} last?"}
    with lab.load(model) as reader, lab.KnowledgeBase(None) as kb:
        kb.add(from_string(MARKDOWN, source="courses.md"))
        answers = [
            row[cell] in kb.ask(question.format(row[1]), reader, lang="en", sentences=2).text
            for row in ROWS
            for cell, question in asked.items()
        ]
    assert sum(answers) >= 0.8 * len(answers)
