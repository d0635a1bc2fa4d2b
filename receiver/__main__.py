"""``python -m receiver``."""

from receiver.cli import main

main()
