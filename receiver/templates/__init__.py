"""A channel's own Jinja2 templates: rendered in a process apart, which has no secrets, no files and little time.

``values`` is what a template sees, ``worker`` the process, ``sandbox`` what renders there, ``process`` its leash,
``forms`` what each kind of channel makes of the parts, ``own`` the rendering that the dispatcher calls. ``samples`` are
notifications to try templates on.
"""
