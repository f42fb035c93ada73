"""The demonstration: the whole story on 569 real cases, every step a public call."""
