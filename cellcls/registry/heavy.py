"""Libraries that are heavy to import: a plugin that imports one at its top makes every command slow."""

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
"""Top-level names. numpy is none of them: 0.1 s."""
