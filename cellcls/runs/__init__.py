"""The run folder: everything needed to read, judge, resume and repeat a run, all of it plain files.

::

    recipe.toml          the recipe with every default filled in; running it repeats the run
    options.json         the command line's options, for resuming
    environment.json     versions, plugins, commit, device, threads, processes, precision: what equality of runs needs
    data.json            {"hash", "dataset", "classes": [..], "n": int, "names": [..] | null,
                          "decisions": [{"index", "hash", "rule", "reason"}], "bad_images": [{"name", "reason"}],
                          "counts": {"before": {class: n}, "after": {class: n}, "train": .., "val": .., "test": ..},
                          "trained_on": [content hash of each training image, also of the run it started from, ..],
                          "init": {"weights": file, "hash", "head": bool, "known": bool: whether "trained_on" is all
                          that those weights were trained on}, only with [init]
                          "parts": {"train": [index, ..], "val": [..], "test": [..]}}
    history.jsonl        a line an epoch: {"stage", "stage_name", "epoch", "lr", "seconds", "best",
                          "drawn": {class: samples its steps took}, "copies": {class: how many were copies},
                          "train.loss", "train.accuracy", "val.loss", "val.accuracy", "val.balanced_accuracy", ..}
    metrics.json         {"name", "seed", "rehearsal": bool, "complete": bool, "parameters": int, "memory_mb": float,
                          "train_running": {"loss", "accuracy"},
                          "evaluations": {NAME: {"part", "n", "classes": [..], "accuracy", "accuracy_ci": [lo, hi],
                              "balanced_accuracy", "balanced_accuracy_ci", "macro_f1", "macro_f1_ci", "loss",
                              "seconds_per_image", "per_class": {class: {"precision", "recall", "f1", "support",
                              "recall_ci"}}, "confusion": [[true x predicted]]}},
                          "explanations": {NAME: {figure: value}},
                          "claims": [{"place", "evaluation", "metric", "claim": "0.9739 +- 0.01", "measured", "held"}]}
    predictions/NAME.npz index (n,) int64, label (n,) int64, probabilities (n, K) float32
    examples/NAME.npz    the surest wrong predictions: images, index, label, predicted, probability
    explain/NAME.npz     images (n, H, W, 3) uint8, label (n,), predicted (n,), probability (n,) float32,
                         maps (n, H, W) float32 in 0..1, layer: name of the layer
    train_batch.npz      images (n, H, W, 3) uint8 as the network saw them, label (n,) int64; with [expand] copy (n,)
    augmented.npz        images of each class and draws of them: images, label, copy (n,) int64, epoch (n,) int64;
                         both 0: the image as it is. Only with [[augment]]
    best.safetensors     best weights by ``train.select``; metadata hold all that ``evaluate`` needs
    last.safetensors     weights at the end
    stages/I-NAME.safetensors   weights at the end of each stage; .json beside it: what was frozen
    state/               what resuming needs; removed when the run is complete
    runs.json            only where the recipe's file expects something: see ``cellcls.runs.plan``
    figures/*.png        curves, confusion matrices, most confused, heat maps, class counts, train_batch, augmented,
                         draws (samples of each class in each epoch)
    report.html          all of it on one self-contained page

A file with variants or seeds, or several recipes, make a folder with one such run folder each, and beside them::

    runs.json            which runs they are, and what the recipes expect of them
    comparison.html      all of them on one page; its figures: comparison.png, intervals.png, training.png, curves.png,
                         draws.png, classes.png
    comparison.json      the same as data
"""
