"""The run folder: everything needed to read, judge, resume and repeat a run, all of it plain files.

::

    recipe.toml          the recipe with every default filled in; running it repeats the run
    options.json         the command line's options, for resuming: ``options.Options``
    environment.json     versions, plugins, commit, device, threads, processes, precision: what equality of runs needs
    data.json            what was dropped, and which image is in which part: ``records.DataRecord``
    history.jsonl        a line an epoch: ``records.EpochRecord``
    metrics.json         every metric: ``records.MetricsRecord``
    predictions/NAME.npz index (n,) int64, label (n,) int64, probabilities (n, K) float32
    examples/NAME.npz    the surest wrong predictions: images, index, label, predicted, probability
    explain/NAME.json    two networks compared depth by depth: ``records.DepthsRecord``
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
