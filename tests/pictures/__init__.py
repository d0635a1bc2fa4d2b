"""The pictures of the documentation, made from what the receiver really sends: ``python -m tests.pictures``."""
