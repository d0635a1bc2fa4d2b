"""The durable books: SQL and rows, no decisions. One writer, many readers, one process a file."""
