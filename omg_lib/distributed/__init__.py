"""Games played elsewhere: in separate processes and by Ray actors."""
