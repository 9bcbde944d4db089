"""Time and memory of ``cellcls audit`` as a process, beside imagededup, cleanvision and fastdup; how its cost grows.

    python benchmarks/audit_speed.py FILE.npz [--peers FOLDER] [--counts 10000,100000] [--rounds 2] [--only NAME,...]
        [--json]
    python benchmarks/audit_speed.py FILE.npz --search 10000,30000,100000 [--json]

Everybody is a process of its own, start included, one after the other, round by round; the audit has an empty cache
each time. Of FILE: the audit from the npz and from a folder of PNG files (a folder a class); our search for copies
alone from both; and the peers on the same PNG files, whose search for copies is what they and we both do. FOLDER holds
one virtual environment a peer, named after it (``FOLDER/imagededup/bin/python``). imagededup: perceptual hash and
search at its default distance; cleanvision: the issues of copies; fastdup: a run.

At each of the counts, the audit of an npz in which FILE's first images are repeated with noise of +-3 grey levels, and
an estimate at 10^6 by the power law through the last two. ``--search`` measures the search for copies alone, images
made as they are read. Peak memory is VmHWM of the main process (Linux), files mapped into it included; it is compared
with the bytes of the images. Times on a shared machine are noisy: look at ratios. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measured_process import estimate, power, summary, timed
from outcome import Goal, Table, below, finish
from PIL import Image

CHALLENGE = 13_759
"""Images of the challenge's file; goals that are about that file are told for no other."""
SECONDS, TIMES_FASTER, TIMES_THE_FILE, NEAR_LINEAR = 10, 3, 1.5, 1.2
"""Goals; the last is what near-linear is taken for: the power of the number of images that the seconds grow with."""
LARGE = 10_000
"""Of fewer images Python itself takes more than they do: no goal of memory or growth is told."""
AUDITS = ("audit npz", "audit PNG")
COPIES = ("copies npz", "copies PNG")
NOISE = 3
OURS = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.storage.hashing import content_hash
from cellcls.ops.curation.near_copies import find_near_copies
from cellcls.ops.processes.parallel import in_parallel
from cellcls.ops.curation.perceptual import Fingerprints, fingerprints

def work(batch):
    read = lambda file: np.asarray(Image.open(file).convert("RGB"))
    images = batch if isinstance(batch, np.ndarray) else np.stack([read(file) for file in batch])
    return [content_hash(image) for image in images], fingerprints(images)

path = Path(sys.argv[1])
whole = sorted(path.iterdir()) if path.is_dir() else np.load(path)["images"]
parts = list(in_parallel(work, (whole[i : i + 64] for i in range(0, len(whole), 64))))
groups = group_by_hash([one for hashes, _ in parts for one in hashes])
pairs = find_near_copies(Fingerprints.joined([prints for _, prints in parts]), groups=groups)
print(f"{len(groups.copied())} exact groups, {len(pairs)} near pairs")
"""
PEERS = {
    "imagededup": """
import sys
from imagededup.methods import PHash
method = PHash(verbose=False)
found = method.find_duplicates(encoding_map=method.encode_images(image_dir=sys.argv[1]))
print(f"{sum(map(len, found.values())) // 2} pairs")
""",
    "cleanvision": """
import sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1])
lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
issues = lab.issues
print(f"{int(issues.is_exact_duplicates_issue.sum())} exact, {int(issues.is_near_duplicates_issue.sum())} near")
""",
    "fastdup": """
import sys, tempfile
import fastdup
with tempfile.TemporaryDirectory() as folder:
    found = fastdup.create(work_dir=folder, input_dir=sys.argv[1])
    found.run(overwrite=True, print_summary=False, verbose=False)
    print(f"{len(found.similarity())} pairs")
""",
}
SEARCH = """
import json, sys, time
import numpy as np
from cellcls.ops.curation.near_copies import find_near_copies
from cellcls.ops.curation.perceptual import Fingerprints, fingerprints, read_fingerprints

cells, count = np.load(sys.argv[1], mmap_mode="r"), int(sys.argv[2])
making = 0.0

def read(places):
    global making
    start = time.thread_time()
    noise = np.random.default_rng(int(places[0])).integers(-3, 4, (len(places), *cells.shape[1:]), dtype=np.int16)
    images = np.clip(cells[places % len(cells)] + noise, 0, 255).astype(np.uint8)
    making += time.thread_time() - start
    return images

fingerprints(cells[:64])
start = time.process_time()
prints = read_fingerprints(read, np.arange(count))
hashed = time.process_time() - start - making
start = time.perf_counter()
pairs = find_near_copies(prints)
searched = time.perf_counter() - start
groups = pairs.groups(count)
right = (pairs.first % len(cells) == pairs.second % len(cells)).mean() if len(pairs) else 1.0
found = {"images": count, "fingerprint_cpu_s": hashed, "search_s": searched, "pairs": len(pairs), "right": float(right)}
print(json.dumps({**found, "images_in_groups": int(sum(map(len, groups))), "groups": len(groups)}))
"""


# --- the files ---


def write_images(images: np.ndarray, labels: np.ndarray, folder: Path) -> tuple[Path, Path]:
    """Write PNG files into one folder, and link them into a folder a class; return both."""
    flat, classes = folder / "flat", folder / "classes"
    flat.mkdir()
    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        file = flat / f"{number:06d}.png"
        Image.fromarray(image).save(file, compress_level=1)
        (classes / f"class {label}").mkdir(parents=True, exist_ok=True)
        os.link(file, classes / f"class {label}" / file.name)
    return flat, classes


def write_repeated(path: Path, images: np.ndarray, labels: np.ndarray, count: int) -> None:
    """Write an npz of ``count`` images, those given repeated with noise, a batch at a time."""
    with zipfile.ZipFile(path, "w") as file:
        with file.open("images.npy", "w", force_zip64=True) as member:
            head = {"descr": "|u1", "fortran_order": False, "shape": (count, *images.shape[1:])}
            np.lib.format.write_array_header_1_0(member, head)
            for start in range(0, count, 256):
                places = np.arange(start, min(start + 256, count)) % len(images)
                shape = (len(places), *images.shape[1:])
                noise = np.random.default_rng(start).integers(-NOISE, NOISE + 1, shape, dtype=np.int16)
                member.write(np.clip(images[places] + noise, 0, 255).astype(np.uint8).tobytes())
        with file.open("labels.npy", "w") as member:
            np.lib.format.write_array(member, labels[np.arange(count) % len(labels)].astype(np.uint8))


# --- measuring ---


def audited(data: Path) -> dict[str, Any]:
    """Audit a set as a process; return what it took, and what it says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "cellcls", "audit", data, "--out", out]
        made = timed(command, {"CELLCLS_CACHE": str(Path(folder) / "cache")})
        record = json.loads((out / "audit.json").read_text())
        page = (out / "audit.html").stat().st_size
    groups = {kind: [_images(one) for one in record["findings"] if one["kind"] == kind] for kind in record["counts"]}
    exact = [one for one in groups["copies"] + groups["conflicts"] if one not in groups["outliers"]]
    return {
        "seconds": made["seconds"],
        "peak_mb": made["peak_mb"],
        "said": ", ".join(f"{number} {kind}" for kind, number in record["counts"].items() if number),
        "steps": record["seconds"],
        "kept": record["kept"],
        "outliers": sorted(map(len, groups["outliers"])),
        "other exact copies": sorted(map(len, exact)),
        "page_mb": page / 1e6,
    }


def _images(finding: dict[str, Any]) -> set[int]:
    return {one["index"] for one in finding["images"]}


def compare(images: np.ndarray, labels: np.ndarray, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        flat, classes = write_images(images, labels, Path(folder))
        runs = {
            AUDITS[0]: lambda: audited(path),
            AUDITS[1]: lambda: audited(classes),
            COPIES[0]: lambda: timed([sys.executable, "-c", OURS, path]),
            COPIES[1]: lambda: timed([sys.executable, "-c", OURS, flat]),
        }
        for name, code in PEERS.items() if options.peers else ():
            runs[name] = lambda name=name, code=code: timed([options.peers / name / "bin" / "python", "-c", code, flat])
        chosen = [name for name in runs if not options.only or name in options.only.split(",")]
        made: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
        for _ in range(options.rounds):
            for name in chosen:
                try:
                    made[name].append(runs[name]())
                except (RuntimeError, FileNotFoundError) as error:
                    print(f"{name}: {error}", file=sys.stderr)
    return {name: summary(rows) for name, rows in made.items() if rows}


def grown(images: np.ndarray, labels: np.ndarray, counts: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "repeated.npz"
            write_repeated(path, images[:10_000], labels[:10_000], count)
            made = summary([audited(path) for _ in range(rounds)])
            rows.append({"images": count, "mb": count * images[0].nbytes / 1e6, **made})
    return rows


def search(images: np.ndarray, counts: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cells = Path(folder) / "cells.npy"
        np.save(cells, images[:10_000])
        for count in counts:
            made = timed([sys.executable, "-c", SEARCH, cells, str(count)])
            rows.append({**json.loads(made["said"]), "peak_mb": round(made["peak_mb"])})
    return rows


# --- telling ---


def goals(found: dict[str, Any]) -> Iterator[Goal]:
    runs, rows = found["runs"], found["grown"]
    for name in AUDITS:
        if name in runs and found["images"] == CHALLENGE:
            what = f"everything but wrong labels, {name}, {CHALLENGE:,} images"
            yield below(what, SECONDS, runs[name]["seconds"] - runs[name]["steps"]["wrong_labels"], "s")
            for what, wanted in (("kept", 11_951), ("outliers", [200, 1600]), ("other exact copies", [2] * 7)):
                measured = runs[name][what]
                yield Goal(f"the challenge's file, {name}: {what}", str(wanted), str(measured), measured == wanted)
    peers = {name: runs[name]["seconds"] for name in PEERS if name in runs}
    if peers and COPIES[1] in runs:
        fastest = min(peers, key=lambda name: peers[name])
        ratio = peers[fastest] / runs[COPIES[1]]["seconds"]
        what = f"copies alone, from PNG, against the fastest peer ({fastest})"
        yield Goal(what, f"{TIMES_FASTER}x as fast", f"{ratio:.1f}x", ratio >= TIMES_FASTER)
    base = {"images": found["images"], "mb": found["mb"]}
    audits = [(name, {**runs[name], **base}) for name in AUDITS if name in runs] + [(AUDITS[0], row) for row in rows]
    for name, row in audits:
        if row["images"] >= LARGE:
            ratio = row["peak_mb"] / row["mb"]
            yield below(f"peak memory, {name}, {row['images']:,} images", TIMES_THE_FILE, ratio, "x the images")
    by = power([row for row in rows if row["images"] >= LARGE], "seconds")
    if by is not None:
        yield Goal("near-linear: the power seconds grow with", f"at most {NEAR_LINEAR}", f"{by:.2f}", by <= NEAR_LINEAR)


def tables(found: dict[str, Any]) -> Iterator[Table]:
    runs = [
        {
            "what": name,
            "seconds": f"{one['seconds']:.2f}",
            "of each round": ", ".join(f"{value:.1f}" for value in one["all_seconds"]),
            "peak MB": f"{one['peak_mb']:,}",
            "over the images": f"{one['peak_mb'] / found['mb']:.2f}",
            "found": one["said"],
        }
        for name, one in found["runs"].items()
    ]
    note = f"The images are {found['mb']:,.0f} MB. Median of {found['rounds']} interleaved rounds, whole processes."
    if runs:
        yield Table(f"{found['images']:,} images", runs, note)
    sets = {name: one for name, one in found["runs"].items() if name in AUDITS}
    sets |= {f"{AUDITS[0]}, {row['images']:,} images": row for row in found["grown"]}
    if sets:
        yield Table("Seconds of each step", list(_steps(sets)), "The rest is starting Python and writing small files.")
    if found["grown"]:
        yield Table("Cells repeated with noise", [*map(_grown, found["grown"]), _at_a_million(found["grown"])])
    if found["search"]:
        yield Table("The search for copies alone", [*map(_searched, found["search"])])


def _steps(sets: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    for name in dict.fromkeys(step for one in sets.values() for step in one["steps"]):
        yield {"step": name, **{of: f"{one['steps'].get(name, 0):.2f}" for of, one in sets.items()}}


def _grown(row: dict[str, Any]) -> dict[str, str]:
    return {
        "images": f"{row['images']:,}",
        "seconds": f"{row['seconds']:.1f}",
        "peak MB": f"{row['peak_mb']:,}",
        "over the images": f"{row['peak_mb'] / row['mb']:.2f}",
        "page MB": f"{row['page_mb']:.1f}",
        "found": row["said"],
    }


def _at_a_million(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    seconds, peak = estimate(rows, "seconds"), estimate(rows, "peak_mb")
    size = rows[-1]["mb"] / rows[-1]["images"] * 1e6
    return {
        "images": "1,000,000 (estimate)",
        "seconds": "-" if seconds is None else f"{seconds:,.0f}",
        "peak MB": "-" if peak is None else f"{peak:,.0f}",
        "over the images": "-" if peak is None else f"{peak / size:.2f}",
        "page MB": "-",
        "found": "-",
    }


def _searched(row: dict[str, Any]) -> dict[str, str]:
    return {
        "images": f"{row['images']:,}",
        "fingerprints, CPU s": f"{row['fingerprint_cpu_s']:.1f}",
        "search s": f"{row['search_s']:.1f}",
        "peak MB": f"{row['peak_mb']:,}",
        "pairs": f"{row['pairs']:,}",
        "right": f"{row['right']:.4f}",
        "groups": f"{row['groups']:,}",
    }


def _counts(text: str) -> list[int]:
    return [int(count) for count in text.split(",") if count]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--counts", type=_counts, default=[])
    parser.add_argument("--search", type=_counts, default=[])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with np.load(options.file) as file:
        images, labels = file["images"], file["labels"].ravel()
    found = {
        "images": len(images),
        "mb": images.nbytes / 1e6,
        "rounds": options.rounds,
        "runs": {} if options.search else compare(images, labels, options.file, options),
        "grown": grown(images, labels, options.counts, options.rounds),
        "search": search(images, options.search),
    }
    return finish("audit_speed", found, list(goals(found)), list(tables(found)), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
