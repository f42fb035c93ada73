"""The evidence ledger for AI."""
