"""Train networks of your own: every kind of weights that stylecli ships."""

PANEL = "Training"
