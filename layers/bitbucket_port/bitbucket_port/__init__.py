"""Keeps a Port catalog true to Bitbucket: the domain, importable without any AWS setting."""

__version__ = "0.1.0"
