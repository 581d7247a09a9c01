"""The commands of ``python -m local``."""
