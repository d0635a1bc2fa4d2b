"""alert-receiver: Alertmanager's webhook in, readable mail and Slack messages out, every alert accounted for."""

__version__ = "0.1.0"
