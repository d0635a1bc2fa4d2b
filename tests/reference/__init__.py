"""The reference pages docs/configuration.md, docs/metrics.md and docs/cli.md, as far as the code can write them.

``python -m tests.reference.configuration``, ``….metrics`` and ``….cli`` write anew what lies between the markers.
"""
