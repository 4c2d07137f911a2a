"""Settings as people write them: typed on a command line, in files, and with PyMARL's names."""
