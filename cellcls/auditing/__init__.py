"""The audit: what is wrong with a data set, for a person to decide on and a recipe to replay."""
