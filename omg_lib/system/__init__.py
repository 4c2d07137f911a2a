"""This machine: files, limits, StarCraft II, and the doctor."""
