"""The commands of `python -m omg_lib`, one module each."""
