"""Loops, peers and planted faults that the provenance tests follow."""
