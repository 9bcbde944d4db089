"""Analysis of networks for freezing, heat maps and timm."""
