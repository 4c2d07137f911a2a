"""The measurements behind data/ and the notes; each takes one command."""
