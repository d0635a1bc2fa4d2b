"""What ``alert-receiver demo`` and the tests need on the other side: providers of our own, on loopback."""
