"""What several test modules share: small batches, toy games, references, readers."""
