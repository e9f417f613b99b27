"""A class to grade: honest, wrong and hostile submissions mixed, the same ones for the same seed.

python -m tests.grading.crowd make FOLDER 300             one folder a student
labkit grade FOLDER --out a.csv --jobs 2                  however it is run ...
python -m tests.grading.crowd same a.json b.json c.json   ... the grades are the same
python -m tests.grading.crowd dask FOLDER b.csv 2         on a Dask LocalCluster of so many workers
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from labkit.grading.report import write
from labkit.grading.run import grade_all
from labkit.grading.source import KIT, sources
from labkit.grading.verify import Variant, submission, variants

from .attacks import ATTACKS

SHARES = {"solution": 0.3, "unusual": 0.1, "wrong": 0.35, "blank": 0.05, "hostile": 0.2}


def make(folder: Path, count: int, seed: int = 1, only: tuple[str, ...] = ()) -> None:
    """Write so many submissions."""
    chance = random.Random(seed)
    books = [source for source in sources(KIT / "solutions") if not only or source.number in only]
    known = {source.path: variants(source) for source in books}
    hostile = [attack for attack in ATTACKS if attack.code]
    for number in range(count):
        source = chance.choice(books)
        kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
        if kind == "hostile":
            attack = chance.choice(hostile)
            code = attack.code.replace("@OUT@", "/var/tmp").replace("@KIT@", str(KIT)).replace("@PORT@", "9")
            task = next(check.id for check in source.checks())
            variant = Variant("wrong", attack.name, task, code.replace("memory_needed", source.checks()[0].names[0]))
            name = "hostile"
        else:
            variant = chance.choice([one for one in known[source.path] if one.kind == kind])
            name = kind
        path = folder / f"{number:03}_{name}" / source.path.name
        path.parent.mkdir(parents=True)
        text = submission(source, variant)
        if kind == "hostile":  # it alone: a hostile answer beside right ones would keep their points
            text = submission(source, Variant("blank", ""))
            book = json.loads(text)
            for cell in book["cells"]:
                if cell["metadata"].get("nbgrader", {}).get("grade_id") == source.answer_cell(variant.task).id:
                    cell["source"] = variant.code
            text = json.dumps(book)
        path.write_text(text, encoding="utf-8")


def grades(path: Path) -> dict[tuple[str, str], list[float]]:
    """Points of each task of each submission."""
    results = json.loads(path.read_text(encoding="utf-8"))
    return {(result["student"], result["exercise"]): [task["points"] for task in result["tasks"]] for result in results}


def main() -> int:
    command, *rest = sys.argv[1:]
    if command == "make":
        make(Path(rest[0]), int(rest[1]))
        return 0
    if command == "dask":
        from distributed import LocalCluster

        start = time.monotonic()
        with LocalCluster(n_workers=int(rest[2]), threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            params = {"model": "mini-m", "seed": 1}
            results = grade_all(Path(rest[0]), Path(rest[1]), scheduler=cluster.scheduler_address, params=params, limits={"seconds": 240})
        write(results, Path(rest[1]))
        print(f"{len(results)} submissions in {time.monotonic() - start:.0f} s")
        return 0
    first, *others = (grades(Path(path)) for path in rest)
    different = sorted({key for other in others for key in {*first, *other} if first.get(key) != other.get(key)})
    for key in different:
        print(*key, *(one.get(key) for one in (first, *others)), sep=" | ")
    gained = [key for key, points in first.items() if key[0].endswith("_hostile") and sum(points)]
    print(f"{len(first)} submissions, {len(different)} with different grades, {len(gained)} hostile ones with points")
    return int(bool(different or gained))


if __name__ == "__main__":
    sys.exit(main())
