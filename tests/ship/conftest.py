"""What the end-to-end tests start, these start too."""

from tests.end_to_end.conftest import free_port, programs, smtp

__all__ = ["free_port", "programs", "smtp"]
