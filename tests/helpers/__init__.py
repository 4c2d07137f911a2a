"""Shared by several test modules: small batches, toy games, references, readers."""
