"""Masks of an incmask run, corrected in napari."""
