"""What freezing, heat maps and timm need to know of a network."""
