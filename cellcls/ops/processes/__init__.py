"""Processes and threads: launching runs, torchrun, work on all cores."""
