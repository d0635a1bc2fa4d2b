"""The door: HTTP in, plain answers out."""
