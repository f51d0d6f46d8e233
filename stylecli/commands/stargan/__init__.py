"""Translate pictures to other domains with StarGAN v2: ref, latent, domains."""

PANEL = "Methods"
