"""THE table of checkpoint formats: what tells each one, what may be spare, and how it becomes a network of ours.

A row matches when every required name is there with its shape (None = any extent). Names and shapes decide, never the
file's name; a training file's state dict is looked into. Conversion is total both ways: every tensor is used or on the
row's list of spares, and `load` checks that every parameter and buffer of ours was filled.
"""

from stylecli.checkpoints.layouts import table_any_style, table_feed_forward, table_generators

FORMATS = (*table_any_style.FORMATS, *table_generators.FORMATS, *table_feed_forward.FORMATS)
