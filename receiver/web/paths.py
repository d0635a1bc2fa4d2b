"""Paths as the log and the metrics have them: ours, never the sender's words."""

from aiohttp import web

UNKNOWN_PATH = "other"


def path_of(request: web.Request) -> str:
    """The path of the route that the request has found."""
    resource = request.match_info.route.resource
    return UNKNOWN_PATH if resource is None else resource.canonical
