"""cellcls: telling blood cells apart under a microscope, reproducibly."""
