"""Libraries that are slow to import: a plugin that imports one at module level makes every command slow."""

HEAVY = frozenset(
    {
        *(
            "torch",
            "torchvision",
            "timm",
            "kornia",
            "captum",
            "lightning",
            "transformers",
            "jax",
            "keras",
            "tensorflow",
        ),
        *("matplotlib", "pandas", "scipy", "skimage", "sklearn", "cv2", "albumentations", "onnx", "onnxruntime"),
        *("mlflow", "optuna", "ray", "tensorboard"),
    }
)
"""Top-level names. numpy is not one of them: it takes 0.1 s."""
