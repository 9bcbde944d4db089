"""Time of our search for copies beside imagededup, cleanvision and fastdup; and how its cost grows.

    python benchmarks/audit_speed.py FILE.npz --peers FOLDER [--rounds 2] [--only ours,imagededup] [--json]
    python benchmarks/audit_speed.py FILE.npz --scaling 10000,30000,100000 [--json]

FOLDER holds one virtual environment a peer, named after it (``FOLDER/imagededup/bin/python``). Everybody reads the same
PNG files, each in a process of its own, start included, one after the other, round by round; ours also reads the npz
file. imagededup: perceptual hash and search at its default distance; cleanvision: the issues of copies; fastdup: a
run. Scaling: cells repeated with noise of +-3 grey levels, made as they are read (the making is not
counted). Peak memory is VmHWM of the main process (Linux), files mapped into it included. Times on
a shared machine are noisy: look at ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

OURS = """
import json, sys
from pathlib import Path
import numpy as np
from PIL import Image
from cellcls.ops.copies import group_by_hash
from cellcls.ops.hashing import content_hash
from cellcls.ops.near_copies import find_near_copies
from cellcls.ops.parallel import in_parallel
from cellcls.ops.perceptual import Fingerprints, fingerprints

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
SCALING = """
import json, sys, time
import numpy as np
from cellcls.ops.near_copies import find_near_copies
from cellcls.ops.perceptual import Fingerprints, fingerprints, read_fingerprints

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


def timed(python: Path | str, code: str, *arguments: str) -> dict[str, object]:
    """Run ``code`` in a process of its own; return its seconds, peak memory and last line. Raises when it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen([str(python), "-c", code, *arguments], stdout=out, stderr=err)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{python} ended with {process.returncode}: {err.read()[-500:]}")
        lines = out.read().strip().splitlines()
    return {"seconds": seconds, "peak_mb": peak, "said": lines[-1] if lines else ""}


def peak_mb(process: int) -> float:
    """Return the most memory a process ever held (0: it has ended)."""
    try:
        return int(Path(f"/proc/{process}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def write_images(images: np.ndarray, folder: Path) -> None:
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:06d}.png", compress_level=1)


def compare(path: Path, options: argparse.Namespace) -> dict[str, object]:
    with np.load(path) as file:
        images = file["images"]
    with tempfile.TemporaryDirectory() as folder:
        write_images(images, Path(folder))
        runs = {
            "ours": (sys.executable, OURS, folder),
            "ours, from npz": (sys.executable, OURS, str(path)),
            **{name: (options.peers / name / "bin" / "python", code, folder) for name, code in PEERS.items()},
        }
        chosen = [name for name in runs if not options.only or name in options.only.split(",")]
        made: dict[str, list[dict]] = {name: [] for name in chosen}
        for _ in range(options.rounds):
            for name in chosen:
                try:
                    made[name].append(timed(*runs[name]))
                except (RuntimeError, FileNotFoundError) as error:
                    print(f"{name}: {error}", file=sys.stderr)
    return {"images": len(images), "rounds": options.rounds, "runs": {n: summary(r) for n, r in made.items() if r}}


def summary(runs: list[dict]) -> dict[str, object]:
    return {
        "seconds": round(statistics.median(run["seconds"] for run in runs), 2),
        "all_seconds": [round(run["seconds"], 2) for run in runs],
        "peak_mb": round(max(run["peak_mb"] for run in runs)),
        "said": runs[-1]["said"],
    }


def scaling(path: Path, counts: list[int]) -> dict[str, object]:
    """Measure at each count; estimate 10^6 by the growth between the last two."""
    with np.load(path) as file, tempfile.TemporaryDirectory() as folder:
        cells = Path(folder) / "cells.npy"
        np.save(cells, file["images"][:10_000])
        rows = []
        for count in counts:
            made = timed(sys.executable, SCALING, str(cells), str(count))
            rows.append({**json.loads(str(made["said"])), "peak_mb": round(float(str(made["peak_mb"])))})
    return {
        "rows": rows,
        "at_1e6": {name: estimate(rows, name) for name in ("fingerprint_cpu_s", "search_s", "peak_mb")},
    }


def estimate(rows: list[dict], name: str, to: int = 1_000_000) -> float | None:
    """Extrapolate ``name`` by the power law through the last two rows (None: fewer than two)."""
    if len(rows) < 2:
        return None
    before, last = rows[-2:]
    power = math.log(last[name] / before[name]) / math.log(last["images"] / before["images"])
    return round(last[name] * (to / last["images"]) ** power)


def show(found: dict) -> None:
    if "runs" in found:
        print(f"{found['images']:,} images, median of {found['rounds']} interleaved rounds, whole process")
        for name, one in found["runs"].items():
            print(f"{name:<16}{one['seconds']:>9.2f} s{one['peak_mb']:>8} MB   {one['said']}")
        return
    print(f"{'images':>9}{'fingerprint cpu s':>19}{'search s':>10}{'peak MB':>9}{'pairs':>10}{'right':>8}{'groups':>9}")
    for row in found["rows"]:
        line = f"{row['images']:>9}{row['fingerprint_cpu_s']:>19.1f}{row['search_s']:>10.1f}{row['peak_mb']:>9}"
        print(f"{line}{row['pairs']:>10}{row['right']:>8.4f}{row['groups']:>9}")
    print(f"estimate at 10^6 (power law through the last two rows): {found['at_1e6']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only")
    parser.add_argument("--scaling")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.scaling:
        found = scaling(options.file, [int(count) for count in options.scaling.split(",")])
    elif options.peers:
        found = compare(options.file, options)
    else:
        parser.error("give --peers or --scaling")
    print(json.dumps(found, indent=1)) if options.json else show(found)


if __name__ == "__main__":
    main()
