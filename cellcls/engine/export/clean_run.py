"""Runs a submission as the scoring does: in a process that knows neither cellcls nor the network.

``python -I clean_run.py FOLDER IMAGES ANSWER``: FOLDER holds the unzipped submission, IMAGES is an npy file
(n, H, W, 3) uint8; ANSWER is written as JSON.
"""

import json
import sys
import time
from typing import Any


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """Stop what a stranger's machine may not have: cellcls and its plugins, and a network."""
    if event == "import" and str(args[0]).startswith("cellcls"):
        raise ImportError(f"the submission imports {args[0]}")
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError("the submission asks for a network connection")


def main(folder: str, images: str, answer: str) -> None:
    """Load the model, let it predict, one image alone as well, and write what it said and how long it took."""
    sys.addaudithook(refuse)
    sys.path.insert(0, folder)
    started = time.perf_counter()
    import numpy as np
    from model import Model  # type: ignore[import-not-found]  # lies in FOLDER

    model = Model()
    loaded = time.perf_counter()
    pixels = np.load(images, allow_pickle=False)
    begun = time.perf_counter()
    labels = model.predict(pixels)
    ended = time.perf_counter()
    said = {
        "labels": labels.tolist(),
        "dtype": str(labels.dtype),
        "alone": model.predict(pixels[:1]).tolist(),
        "none": list(model.predict(pixels[:0]).shape),
        "probabilities": model.probabilities(pixels).tolist(),
        "load_seconds": loaded - started,
        "seconds": ended - begun,
    }
    with open(answer, "w") as file:  # noqa: PTH123 - imports no more than it must
        json.dump(said, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
