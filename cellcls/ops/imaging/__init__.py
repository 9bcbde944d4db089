"""Image operations on tensors: colour, geometry, contrast, stain, and corruptions of test images."""
