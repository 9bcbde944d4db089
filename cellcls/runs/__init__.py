"""The run folder: everything needed to read, assess, resume and repeat a run, as plain files.

::

    recipe.toml          the recipe with every default filled in; running it repeats the run
    options.json         the command line's options, for resuming: ``options.Options``
    environment.json     versions, plugins, commit, device, threads, processes, precision: what reproducibility needs
    data.json            dropped images, and the part of each image: ``records.DataRecord``
    history.jsonl        one line per epoch: ``records.EpochRecord``
    metrics.json         every metric: ``records.MetricsRecord``
    predictions/NAME.npz index (n,) int64, label (n,) int64, probabilities (n, K) float32
    examples/NAME.npz    wrong predictions with the highest confidence: images, index, label, predicted, probability
    explain/NAME.json    two networks compared layer by layer: ``records.DepthsRecord``
    explain/NAME.npz     images (n, H, W, 3) uint8, label (n,), predicted (n,), probability (n,) float32,
                         maps (n, H, W) float32 in 0..1, layer: name of the layer
    train_batch.npz      images (n, H, W, 3) uint8 as the network saw them, label (n,) int64; with [expand] copy (n,)
    augmented.npz        images of each class and draws of them: images, label, copy (n,) int64, epoch (n,) int64;
                         both 0: the original image. Only with [[augment]]
    best.safetensors     best weights by ``train.select``; the metadata contain all that ``evaluate`` needs
    last.safetensors     weights at the end
    stages/I-NAME.safetensors   weights at the end of each stage; the .json next to it: what was frozen
    state/               what resuming needs; removed when the run is complete
    runs.json            only if the recipe file has expectations: see ``cellcls.runs.plan``
    figures/*.png        curves, confusion matrices, most confused, heat maps, class counts, train_batch, augmented,
                         draws (samples of each class in each epoch)
    report.html          everything on one self-contained page

Several recipes, or a recipe with variants or seeds, make a folder that contains one run folder for each, and::

    runs.json            the list of runs, and what the recipes expect of them
    comparison.html      all runs on one page; its figures: comparison.png, intervals.png, training.png, curves.png,
                         draws.png, classes.png
    comparison.json      the comparison as data
"""
