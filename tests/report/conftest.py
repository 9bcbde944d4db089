from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.runs import FAIR, GOOD, POOR, write_small_run

from cellcls.report import write

CLASSES = [
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature_granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
]
SIZES = [122, 312, 155, 290, 121, 142, 333, 235]
RECIPE = 'name = "final"\nseed = 42\n[dataset]\nuse = "npz"\nfile = "training_set.npz"\n'


def blobs(labels: np.ndarray, size: int = 96, seed: int = 0) -> np.ndarray:
    """Purple blobs on a pink ground, one hue a class: (n, size, size, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    images = np.empty((len(labels), size, size, 3))
    for image, label in zip(images, labels, strict=True):
        image[:] = (236, 205, 214)
        for _ in range(5):
            cx, cy = rng.uniform(-0.6, 0.6, 2)
            image[(x - cx) ** 2 + (y - cy) ** 2 < 0.03] = (226, 170, 178)
        image[x**2 + y**2 < 0.09] = (205, 185 - 8 * label, 215)
        for _ in range(2 + label % 4):
            cx, cy = rng.normal(0, 0.09, 2)
            image[(x - cx) ** 2 + (y - cy) ** 2 < 0.012] = (105 - 6 * label, 60 + 3 * label, 150)
        image += rng.normal(0, 5, image.shape)
    return images.clip(0, 255).astype(np.uint8)


def evaluation(part: str, rate: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    confusion = np.zeros((8, 8), dtype=int)
    for given, n in enumerate(SIZES):
        wrong = rng.binomial(n, rate)
        shares = np.array([4.0 if abs(said - given) == 1 else 0.4 for said in range(8)])
        shares[given] = 0
        confusion[given] = rng.multinomial(wrong, shares / shares.sum())
        confusion[given, given] = n - wrong
    recall = confusion.diagonal() / confusion.sum(1)
    precision = confusion.diagonal() / confusion.sum(0)
    f1 = 2 * recall * precision / (recall + precision)
    accuracy = float(confusion.trace() / confusion.sum())

    def around(value: float, width: float) -> list[float]:
        return [max(0.0, value - width), min(1.0, value + 0.8 * width)]

    return {
        "part": part,
        "n": int(confusion.sum()),
        "classes": CLASSES,
        "accuracy": accuracy,
        "accuracy_ci": around(accuracy, 0.01),
        "balanced_accuracy": float(recall.mean()),
        "balanced_accuracy_ci": around(float(recall.mean()), 0.012),
        "macro_f1": float(f1.mean()),
        "macro_f1_ci": around(float(f1.mean()), 0.012),
        "loss": 0.1,
        "seconds_per_image": 0.00043,
        "per_class": {
            name: {
                "precision": float(precision[at]),
                "recall": float(recall[at]),
                "f1": float(f1[at]),
                "support": SIZES[at],
                "recall_ci": around(float(recall[at]), 0.6 / SIZES[at] ** 0.5),
            }
            for at, name in enumerate(CLASSES)
        },
        "confusion": confusion.tolist(),
    }


def metrics() -> dict[str, Any]:
    return {
        "name": "final",
        "seed": 42,
        "rehearsal": False,
        "complete": True,
        "parameters": 3_374_312,
        "memory_mb": 812.4,
        "train_running": {"loss": 0.21, "accuracy": 0.951},
        "evaluations": {
            "val": evaluation("val", 0.03, 1),
            "test": evaluation("test", 0.028, 2),
            "remote": evaluation("test", 0.12, 3),
        },
        "explanations": {"grad_cam": {"frozen_share": 0.12}},
        "claims": [
            {
                "place": "Table 1",
                "evaluation": "test",
                "metric": "accuracy",
                "claim": "0.9739 +- 0.01",
                "measured": 0.9702,
                "held": True,
            },
            {
                "place": "Table 4",
                "evaluation": "remote",
                "metric": "macro_f1",
                "claim": "above 0.95",
                "measured": 0.8812,
                "held": False,
            },
        ],
    }


def data() -> dict[str, Any]:
    before = {name: 10 * size + 200 for name, size in zip(CLASSES, SIZES, strict=True)}
    after = {name: 10 * size for name, size in zip(CLASSES, SIZES, strict=True)}
    junk = [
        {"index": at, "hash": f"{at:08x}", "rule": "drop_outliers", "reason": "the same image 1,800 times, limit 20"}
        for at in range(1592)
    ]
    copies = [
        {"index": 5000 + at, "hash": "ab", "rule": "drop_duplicates", "reason": "copy of image 17, same label"}
        for at in range(8)
    ]
    return {
        "hash": "3fb1c0d2",
        "dataset": "npz",
        "classes": CLASSES,
        "n": sum(before.values()),
        "names": None,
        "decisions": junk + copies,
        "bad_images": [{"name": "smear_0071.jpg", "reason": "the file ends too early"}],
        "counts": {
            "before": before,
            "after": after,
            "train": {name: 8 * size for name, size in zip(CLASSES, SIZES, strict=True)},
            "val": dict(zip(CLASSES, SIZES, strict=True)),
            "test": dict(zip(CLASSES, SIZES, strict=True)),
        },
        "parts": {"train": [], "val": [], "test": []},
    }


def history(head: int = 5, finetune: int = 9) -> list[dict[str, Any]]:
    lines = []
    for number in range(head + finetune):
        stage = int(number >= head)
        start = 0.45 * 0.8**number if not stage else 0.14 * 0.75 ** (number - head)
        lines.append(
            {
                "stage": stage,
                "stage_name": ("head", "finetune")[stage],
                "epoch": number - head * stage,
                "lr": (1e-3, 1e-4)[stage],
                "seconds": 12.5,
                "best": number < head + finetune - 2,
                "drawn": {name: 16 * size for name, size in zip(CLASSES, SIZES, strict=True)},
                "copies": {name: 8 * size for name, size in zip(CLASSES, SIZES, strict=True)},
                "train.loss": 3 * start,
                "train.accuracy": 1 - 0.9 * start,
                "val.loss": 3.2 * start + 0.05,
                "val.accuracy": 1 - start - 0.015,
                "val.balanced_accuracy": 1 - start - 0.02,
            }
        )
    return lines


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def write_history(folder: Path, lines: list[dict[str, Any]]) -> None:
    folder.joinpath("history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_pictures(run: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("examples", "explain"):
        run.joinpath(name).mkdir()
    confusion = np.array(evaluation("test", 0.028, 2)["confusion"])
    pairs = [(given, said) for given, said in np.argwhere(confusion > 0) if given != said][:12]
    label, said = np.repeat(np.array(pairs), 2, axis=0).T
    sure = np.linspace(0.99, 0.6, len(label)).astype(np.float32)
    wrong = {"images": blobs(label), "label": label, "predicted": said, "probability": sure}
    np.savez(run / "examples" / "test.npz", index=np.arange(len(label)), **wrong)
    label = np.arange(16) % 8
    predicted = label.copy()
    predicted[[3, 9]] = 6, 4
    y, x = np.mgrid[:96, :96] / 96 - 0.5
    centres = rng.normal(0, 0.1, (16, 2, 1, 1))
    maps = np.exp(-((x - centres[:, 0]) ** 2 + (y - centres[:, 1]) ** 2) / 0.03).astype(np.float32)
    seen = {"images": blobs(label, seed=2), "label": label, "predicted": predicted, "maps": maps}
    shares = np.full(16, 0.93, np.float32)
    np.savez(run / "explain" / "grad_cam.npz", **seen, probability=shares, layer="blocks.6")
    write_comparison(run / "explain")
    label = rng.integers(0, 8, 32)
    np.savez(run / "train_batch.npz", images=blobs(label, seed=3), label=label, copy=np.arange(32) % 2)
    label = np.repeat(np.arange(8), 6)
    draws = {"copy": np.tile([0, 1, 1, 1, 1, 1], 8), "epoch": np.tile(np.arange(6), 8)}
    np.savez(run / "augmented.npz", images=blobs(label, seed=4), label=label, **draws)


def comparison(layers: int = 80, advised: int = 40) -> dict[str, Any]:
    """Two stages compared at as many blocks as the report's network has; one early block parts by chance."""
    alike = [0.95 - 0.002 * at if at < advised + 5 else 0.7 - 0.005 * (at - advised) for at in range(layers)]
    return {
        "names": ["head", "finetune"],
        "same_above": 0.8,
        "advised": f"blocks.{advised // 10}.{advised % 10}",
        "frozen_share": 0.37,
        "freeze": '{ until = "blocks.4.0.conv_pw" }',
        "lasting": f"blocks.{advised // 10}.{advised % 10 + 5}",
        "frozen_share_lasting": 0.41,
        "cell_area": 0.3,
        "depths": [
            {
                "layer": f"blocks.{at // 10}.{at % 10}",
                "frozen_share": (at / layers) ** 2,
                "until": f"blocks.{at // 10}.{at % 10}.conv_pw",
                "similarity": 0.7 if at == advised else alike[at],
                "heat_inside": [0.3 + 0.002 * at, 0.3 + 0.003 * at],
            }
            for at in range(layers)
        ],
    }


def write_comparison(folder: Path, shown: tuple[int, ...] = (0, 20, 40, 60, 79)) -> None:
    rng = np.random.default_rng(6)
    write_json(folder / "depth.json", comparison())
    label = np.arange(8)
    predicted = np.stack([label, label])
    predicted[:, 3], predicted[0, 5] = 6, 4
    y, x = np.mgrid[:96, :96] / 96 - 0.5
    centres = rng.normal(0, 0.15, (len(shown), 2, 8, 2, 1, 1))
    maps = np.exp(-((x - centres[..., 0, :, :]) ** 2 + (y - centres[..., 1, :, :]) ** 2) / 0.03)
    arrays = {"images": blobs(label, seed=4), "index": label, "label": label, "predicted": predicted}
    layers = np.array([f"blocks.{at // 10}.{at % 10}" for at in shown])
    np.savez(folder / "depth.npz", **arrays, layers=layers, maps=maps.astype(np.float32))


def write_run(run: Path) -> Path:
    """Write a finished run of two stages by hand."""
    run.mkdir(parents=True)
    run.joinpath("recipe.toml").write_text(RECIPE, encoding="utf-8")
    environment = {
        "python": "3.11.2",
        "versions": {"torch": "2.15.0"},
        "device": "cpu",
        "threads": 2,
        "plugins": {"builtin": "0.1.0"},
    }
    write_json(run / "environment.json", environment)
    write_json(run / "data.json", data())
    write_json(run / "metrics.json", metrics())
    write_history(run, history())
    write_pictures(run)
    return run


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report, for tests that change nothing."""
    run = write_run(tmp_path_factory.mktemp("written") / "final-1")
    write(run)
    return run


@pytest.fixture
def run(tmp_path: Path, written: Path) -> Path:
    """A finished run with everything but its report, to change at will."""
    return shutil.copytree(written, tmp_path / "final-1", ignore=shutil.ignore_patterns("figures", "report.html"))


@pytest.fixture
def change(run: Path) -> Callable[..., Path]:
    """Change the run's metrics and return its folder."""

    def changed(**fields: Any) -> Path:
        write_json(run / "metrics.json", {**metrics(), **fields})
        return run

    return changed


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Three runs on the same forty images."""
    for name, marks in (("fair", FAIR), ("good", GOOD), ("poor", POOR)):
        write_small_run(tmp_path / "runs" / name, {"test": marks, "val": marks[::-1]})
    return tmp_path / "runs"
