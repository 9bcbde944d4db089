"""Corruptions of test images: pure functions on batches."""
