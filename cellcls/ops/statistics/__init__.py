"""Metrics with their intervals, and the comparison of two classifiers."""
