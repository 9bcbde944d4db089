"""The audit: finds problems in a data set. The user decides what to drop, and a recipe replays the decisions."""
