"""Pictures from StyleGAN 1 and 2: sample, mix, truncate, interpolate, project."""

PANEL = "Methods"
