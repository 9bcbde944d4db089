"""Images on the device: colour, place, contrast, stain, and the corruptions of test images."""
