"""For the whole session: one thread for each process, and every shape in a signature of omg_lib checked."""

import os

from jaxtyping import install_import_hook

# Before torch and numpy are loaded; notebooks and commands that tests start inherit it. The tests run two at
# a time, and small tensors gain nothing from more threads.
os.environ["OMP_NUM_THREADS"] = "1"

install_import_hook("omg_lib", "beartype.beartype")
