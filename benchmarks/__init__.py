"""Measurements that stand in data/ and in notes: each is one command."""
