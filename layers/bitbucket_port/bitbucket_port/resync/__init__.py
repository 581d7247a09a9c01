"""Work that is done from a queue of jobs: what hangs below an object that moved or went away."""
