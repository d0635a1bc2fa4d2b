"""The deciding, pure: standard library only, no IO, no clock, no asyncio. ``now`` is always a parameter.

Times are integer UTC milliseconds since 1970; durations are integer milliseconds.
"""
