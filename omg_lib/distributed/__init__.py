"""Games that are played elsewhere: in processes of their own, and by Ray actors."""
