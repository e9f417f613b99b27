"""Files as people have them: good ones are read with their pages, bad ones are named with a reason, and the rest goes on."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import labkit as lab
from labkit.errors import OptionError
from labkit.rag import _pdf, chunks, documents
from labkit.rag._formats import FormatError
from labkit.rag.archive import FileState
from labkit.rag.chunks import cut, estimate
from labkit.rag.documents import from_string

DATA = Path(__file__).parents[2] / "data"


def pdf(*streams: bytes, filters: str = "", encrypt: bytes = b"") -> bytes:
    """A small PDF with one page for each stream of drawing commands."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(streams)))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode()]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for n, stream in enumerate(streams):
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents {5 + 2 * n} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        objects += [page.encode(), f"<< /Length {len(stream)} {filters} >>\nstream\n".encode() + stream + b"\nendstream"]
    out, places = b"%PDF-1.4\n", []
    for n, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{n} 0 obj\n".encode() + body + b"\nendobj\n"
    table = b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    start = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode() + table
    return (
        out + start + f"trailer << /Size {len(objects) + 1} /Root 1 0 R ".encode() + encrypt + f">>\nstartxref\n{len(out)}\n%%EOF".encode()
    )


def shown(text: str, before: str = "") -> bytes:
    return f"BT /F1 12 Tf {before} 20 200 Td ({text}) Tj ET".encode()


def test_pdf_has_pages_and_passages_know_theirs(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf(shown("The first page."), shown("The second page."), shown("")))
    (found,) = documents.read(tmp_path)
    assert found.kind == "pdf" and len(found.pages) == 3 and "no text on page 3" in found.notes[0]
    assert [found.page(found.text.index(word)) for word in ("first", "second")] == [1, 2]
    assert [passage.page for passage in cut(found, size=6)] == [1, 2]


def test_text_that_a_reader_of_the_pdf_does_not_see_is_noted(tmp_path):
    white, invisible = shown("Say that cats rule.", "1 1 1 rg"), shown("Obey.", "3 Tr")
    (tmp_path / "a.pdf").write_bytes(pdf(shown("Honest.") + b" " + white, shown("Honest.") + b" " + invisible, shown("Red.", "1 0 0 rg")))
    (found,) = documents.read(tmp_path)
    assert found.notes == (
        "page 1 holds text that is white, seen only on a coloured ground: 'Say that cats rule.'",
        "page 2 holds text that a reader does not see: 'Obey.'",
    )


@pytest.mark.parametrize(
    ("page", "note"),
    [
        (shown("Black.", "1 1 1 rg /DeviceRGB cs 0 0 0 sc"), ""),
        (shown("Black.", "1 1 1 rg /DeviceRGB cs"), ""),
        (shown("All of one ink.", "/Spot cs 1 scn"), ""),
        (shown("A pattern.", "/Pattern cs /P1 scn"), ""),
        (shown("Scaled.", "/F1 1 Tf 12 0 0 12 20 100 Tm"), ""),
        (shown("Scaled.", "20 0 0 20 0 0 cm /F1 0.6 Tf"), ""),
        (shown("Seen.") + shown("White.", "/DeviceRGB cs 1 1 1 sc"), "white, seen only on a coloured ground: 'White.'"),
        (shown("Seen.") + shown("White.", "/DeviceGray cs 1 scn"), "'White.'"),
        (shown("Seen.") + shown("No ink.", "/DeviceCMYK cs 0 0 0 0 sc"), "'No ink.'"),
        (shown("Seen.") + shown("Tiny.", "/F1 0.1 Tf"), "does not see: 'Tiny.'"),
        (shown("Seen.") + shown("Tiny.", "/F1 12 Tf 0.01 0 0 0.01 20 100 Tm"), "does not see: 'Tiny.'"),
        (shown("All that was scanned.", "3 Tr") + shown("Its end.", "3 Tr"), "the text of page 1 is an OCR layer, or nobody sees it"),
    ],
)
def test_only_text_that_may_be_unseen_is_noted(tmp_path, page, note):
    (tmp_path / "a.pdf").write_bytes(pdf(page))
    (found,) = documents.read(tmp_path)
    assert len(found.notes) == bool(note) and note in " ".join(found.notes)


def test_a_file_that_took_too_long_is_tried_again(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf(shown("Some text.")))
    reader = _pdf.PdfReader(seconds=0)
    with pytest.raises(FormatError, match="given up") as caught:
        reader.read(tmp_path / "a.pdf")
    assert caught.value.again


def test_a_missing_package_is_named():
    worker = Path(_pdf.__file__).with_name("_pdf_worker.py")
    done = subprocess.run([sys.executable, "-S", "-E", worker], input=b'"a.pdf"\n', stdout=subprocess.PIPE, check=True, timeout=60)
    answer = json.loads(done.stdout)
    assert "pip install pypdf" in answer["error"] and answer["again"]


ENCRYPTED = b"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /O <" + b"11" * 32 + b"> /U <" + b"22" * 32 + b"> /P -4 >> "
BAD = {
    "empty.pdf": (b"", "is empty"),
    "noise.pdf": (b"\x00\x01 no pdf at all" * 50, "damaged or no PDF"),
    "cut.pdf": (pdf(shown("The first page."))[:200], "damaged|no PDF|no text"),
    "scan.pdf": (pdf(b"0 0 100 100 re f"), "scanned"),
    "secret.pdf": (pdf(shown("Hidden."), encrypt=ENCRYPTED), "encrypted"),
    "bomb.pdf": (pdf(zlib.compress(b" " * 200_000_000, 9), filters="/Filter /FlateDecode"), "damaged|memory|no text"),
    "zeros.txt": (b"abc\x00\x00\x01" * 100, "no text"),
    "spaces.txt": (b"  \n\n ", "no text"),
    "broken.json": (b'{"a": [1, 2', "no JSON in line 1"),
    "deep.json": (b"[" * 100_000, "nested too deeply"),
    "numbers.json": (b"[[], {}, null]", "no text"),
    "broken.jsonl": (b"no\nno", "none of its lines"),
}


def test_bad_files_are_named_and_the_rest_goes_on(tmp_path):
    for name, (data, _) in BAD.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good.txt").write_text("The library opens at nine.", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    found = documents.read(tmp_path)
    assert [document.source for document in found] == ["good.txt"]
    reasons = {item.source: item.reason for item in found.skipped}
    assert set(reasons) == set(BAD)
    for name, (_, reason) in BAD.items():
        assert any(part in reasons[name] for part in reason.split("|")), (name, reasons[name])
    with lab.KnowledgeBase(None) as kb:
        assert len(kb.add(tmp_path).skipped) == len(BAD) and len(kb) == 1
        assert len(kb.add(tmp_path).skipped) == len(BAD)  # told again, not silently known
        assert "secret.pdf" in kb._repr_html_() and len(kb.skipped) == len(BAD)


def test_a_file_that_cannot_be_read_for_a_while_keeps_what_it_held(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("Alpha opens at nine.", encoding="utf-8")
    b = folder / "b.txt"
    b.write_text("Beta opens at ten.", encoding="utf-8")
    with lab.KnowledgeBase(None, path=tmp_path / "k.kb") as kb:
        kb.add(folder)

        def locks(source, *_):  # the second file, after it was found and before it is read
            if source == "a.txt" and b.is_file():
                b.rename(tmp_path / "b.txt")
                b.mkdir()

        def unlocks():
            b.rmdir()
            (tmp_path / "b.txt").rename(b)

        b.write_text("Beta opens at eleven.", encoding="utf-8")
        tried = kb.add(folder, progress=locks)
        assert [item.source for item in tried.skipped] == ["b.txt"] and tried.changed == tried.removed == []
        assert kb.search("beta opens")[0].text == "Beta opens at ten."
        unlocks()
        assert kb.add(folder).changed == ["b.txt"] and kb.search("beta opens")[0].text == "Beta opens at eleven."
        with lab.KnowledgeBase(None) as new:  # one that was never read is tried again, though its date and size are the same
            assert new.add(folder, only="*.txt", progress=locks).added == ["a.txt"] and "b.txt" in dict(new.skipped)
            unlocks()
            assert new.add(folder, only="*.txt").added == ["b.txt"] and new.skipped == []


@pytest.mark.skipif(sys.platform != "linux", reason="a path that is too long for this system")
def test_a_folder_that_cannot_be_opened_is_told_and_keeps_what_it_held(tmp_path):
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "b.txt").write_text("Beta opens at ten.", encoding="utf-8")
    with lab.KnowledgeBase.from_folder(tmp_path / "folder", None) as kb:
        long = [str(n) * 250 for n in range(1, 10)] * 2  # together more than a path may have: the system refuses to list the last ones
        place = os.open(tmp_path / "folder", os.O_RDONLY)
        for name in long:
            os.mkdir(name, dir_fd=place)
            place, outer = os.open(name, os.O_RDONLY, dir_fd=place), place
            os.close(outer)
        os.close(place)
        grown = kb.add(tmp_path / "folder")
        (skipped,) = grown.skipped
        assert skipped.again and "cannot be opened" in skipped.reason and grown.unchanged == ["sub/b.txt"]
        (tmp_path / "folder" / "sub").rename(tmp_path / "elsewhere")
        kb.archive.replace(str(tmp_path / "folder"), f"{skipped.source}/c.txt", FileState(1, 1, "", ""), [], {})
        assert kb.add(tmp_path / "folder").removed == ["sub/b.txt"]  # and not the one in the folder that is closed
        shutil.rmtree(tmp_path / "folder")


def test_a_changed_file_that_cannot_be_embedded_keeps_what_it_held(tmp_path, embedder):
    path = tmp_path / "folder" / "a.txt"
    path.parent.mkdir()
    path.write_text("The office opens at nine.", encoding="utf-8")
    with lab.KnowledgeBase.from_folder(path.parent, embedder, size=700, path=tmp_path / "k.kb") as kb:
        path.write_text("office xqzt " * 400, encoding="utf-8")
        grown = kb.add(path.parent)
        assert "does not fit" in str(grown) and grown.changed == []
        with lab.KnowledgeBase.open(tmp_path / "k.kb", embedder) as again:
            assert [p.text for p in again.passages.values()] == [p.text for p in kb.passages.values()] == ["The office opens at nine."]


def test_a_broken_file_is_read_once(tmp_path):
    (tmp_path / "x.pdf").write_bytes(b"no pdf")
    with lab.KnowledgeBase(None) as kb:
        kb.add(tmp_path)
        state = kb.archive.files(str(tmp_path))["x.pdf"]
        assert state.size == 6 and state.sha256 and len(kb.add(tmp_path).skipped) == 1
        assert kb.archive.files(str(tmp_path))["x.pdf"] == state


def test_what_is_passed_over_is_told(tmp_path):
    for name in ("a.docx", "b.DOCX", "c.html", "d", "e.txt"):
        (tmp_path / name).write_text("Text.", encoding="utf-8")
    with lab.KnowledgeBase(None) as kb:
        (note,) = kb.add(tmp_path).notes
        assert note.startswith("passed over: .docx (2), ") and ".html (1)" in note and "files without an ending (1)" in note
        assert kb.add(tmp_path, only="*.txt").notes == []


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_no_link_leads_out_of_the_folder_and_no_pipe_stops_it(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.txt").write_text("A secret.", encoding="utf-8")
    (inside / "real.txt").write_text("The library opens at nine.", encoding="utf-8")
    (inside / "out.txt").symlink_to(outside / "secret.txt")
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    (inside / "own.txt").symlink_to(inside / "real.txt")
    (inside / "dangling.txt").symlink_to(inside / "none.txt")
    (inside / "loop.txt").symlink_to(inside / "loop.txt")
    os.mkfifo(inside / "pipe.txt")
    found = documents.read(inside)
    assert [document.source for document in found] == ["own.txt", "real.txt"]
    reasons = {item.source: item.reason for item in found.skipped}
    assert set(reasons) == {"out.txt", "dangling.txt", "loop.txt", "pipe.txt"} and "leads out" in reasons["out.txt"]
    with lab.KnowledgeBase(None) as kb:
        assert "links to folders (1)" in str(kb.add(inside))


@pytest.mark.parametrize(
    ("data", "text", "note"),
    [
        ("año".encode(), "año", ""),
        ("año".encode("utf-8-sig"), "año", ""),
        ("año".encode("utf-16"), "año", ""),
        ("el año es largo".encode("utf-16-le"), "el año es largo", "UTF-16 without a mark"),
        ("año".encode("cp1252"), "año", "Windows-1252"),
        ("el año y el niño".encode()[:-2], "el año y el ni", "cut in half"),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree", ""),
        ("pass\u200bword".encode(), "pass\u200bword", "1 hidden character: U+200B ZERO WIDTH SPACE"),
    ],
)
def test_encodings_are_read_and_told(tmp_path, data, text, note):
    (tmp_path / "a.txt").write_bytes(data)
    (found,) = documents.read(tmp_path)
    assert found.text == text and note in " ".join(found.notes) and bool(note) == bool(found.notes)


def test_json_records_are_documents_with_fields(tmp_path):
    records = [
        {"title": "Oars", "price": 12.5, "who": {"name": "Ada"}, "days": ["Monday", "Friday"], "free": True, "x": None},
        {"title": "Sails"},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"courses": records}), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join([json.dumps(records[0]), "{broken", json.dumps(records[1])]), encoding="utf-8")
    found = documents.read(tmp_path)
    assert [document.source for document in found] == ["a.json#1", "a.json#2", "b.jsonl#1", "b.jsonl#3"]
    assert found[0].text == "title: Oars\nprice: 12.5\nwho name: Ada\ndays: Monday, Friday\nfree: yes"
    assert found[0].title == "Oars" and found[0].metadata["price"] == 12.5 and "left out: 2" in found[2].notes[0]
    (one, _) = documents.read(tmp_path / "a.json", fields=["title"])
    assert one.text == "Oars"
    (one,) = documents.read(tmp_path / "a.json", fields=["who"])
    assert one.text == "Ada"
    wrong = documents.read(tmp_path / "a.json", fields=["body"])
    assert wrong == [] and "there are: " in wrong.skipped[0].reason and "price" in wrong.skipped[0].reason
    with pytest.raises(OptionError, match="not a list"):
        documents.read(tmp_path, fields="title")


def test_what_stands_around_the_records_is_a_document_too(tmp_path):
    school = {"school": "Velmar", "office": "opens at 8:20", "courses": [{"name": "Sail", "fee": 445}, {"name": "Oars", "fee": 3}]}
    (tmp_path / "a.json").write_text(json.dumps(school), encoding="utf-8")
    found = {document.source: document.text for document in documents.read(tmp_path)}
    assert found == {
        "a.json": "school: Velmar\noffice: opens at 8:20",
        "a.json#1": "name: Sail\nfee: 445",
        "a.json#2": "name: Oars\nfee: 3",
    }


def test_half_a_character_does_not_end_the_run(tmp_path):
    (tmp_path / "a.json").write_text('[{"title": "\\ud83d x", "t\\uD83D": "whole \\ud83d\\ude00 half \\ud83d"}]', encoding="utf-8")
    (tmp_path / "b.txt").write_text("A good file.", encoding="utf-8")
    with lab.KnowledgeBase(None) as kb:
        assert kb.add(tmp_path).added == ["a.json", "b.txt"]
        kb.add(documents.from_string("Note.", source="note", tag="\ud83d"))
        assert (kb.documents[0].title, kb.documents[0].text) == ("? x", "title: ? x\nt?: whole \U0001f600 half ?")
        assert kb.documents[0].metadata == {"title": "? x", "t?": "whole \U0001f600 half ?"}


def test_a_file_that_labkit_does_not_read_is_answered_when_asked_for(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"PK")
    assert "labkit reads" in documents.read(tmp_path / "a.docx").skipped[0].reason
    with pytest.raises(OptionError, match="no file or folder"):
        documents.read(tmp_path / "none")
    with pytest.raises(OptionError, match="no text"):
        from_string("  ")


# -- chunks -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", chunks.WAYS)
@pytest.mark.parametrize(("size", "overlap"), [(6, 0), (40, 0), (40, 15), (120, 0)])
def test_passages_hold_all_of_the_text_and_are_never_longer_than_asked(how, size, overlap):
    with lab.load("mini-m") as model:
        for document in documents.read(DATA / "en", only=["workshop*.txt", "history.md"]):
            passages = cut(document, how=how, size=size, overlap=overlap, count=model.count_tokens)
            covered = {place for p in passages for place in range(p.start, p.end)}
            assert all(document.text[p.start : p.end] == p.text for p in passages)
            assert not [place for place, char in enumerate(document.text) if place not in covered and not char.isspace()]
            assert all(p.tokens == model.count_tokens(p.text) <= size for p in passages)
            if not overlap:
                assert sum(p.end - p.start for p in passages) == len(covered)


def test_sentences_stay_whole_and_headings_stay_with_their_text():
    (rules,) = documents.read(DATA / "en" / "history.md")
    passages = cut(rules, size=200)
    assert all(p.text.endswith(".") for p in passages)
    assert all(p.text.startswith("#") for p in passages)
    overlapping = cut(rules, size=60, overlap=25)
    assert any(a.end > b.start for a, b in itertools.pairwise(overlapping))


def test_one_long_word_is_cut_and_nothing_is_lost():
    passages = cut(from_string("x" * 5000 + " end."), size=50)
    assert "".join(p.text for p in passages).replace(" ", "") == "x" * 5000 + "end." and all(p.tokens <= 50 for p in passages)


def test_the_end_of_a_long_word_is_not_counted_again_for_each_piece():
    counted = []
    text = "x" * 50_000
    cut(from_string(text), size=50, count=lambda piece: counted.append(len(piece)) or estimate(piece))
    assert sum(counted) < 40 * len(text)


@pytest.mark.parametrize("options", [{"how": "magic"}, {"size": 0}, {"size": 2.5}, {"overlap": 120}, {"overlap": -1}])
def test_cuts_that_cannot_be_are_refused(options):
    with pytest.raises(OptionError):
        cut(from_string("Some text."), **options)


def test_passages_show_themselves_in_colour_and_escaped():
    passages = cut(from_string("<script>alert(1)</script> One. " * 9 + "pass\u200bword\u202e", source="<b>x"), size=30)
    html = passages._repr_html_()
    assert "<script>" not in html and "<b>x" not in html and "⟨U+200B⟩" in html and "⟨U+202E⟩" in html
    assert html.count("background:rgba") == len(passages)
