"""The evidence ledger for AI."""

__version__ = "0.1.0"
