"""Training and using networks: from a resolved recipe to weights, measurements, explanations and exports."""
