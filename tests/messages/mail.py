"""A channel that builds mails, for tests that send none."""

from receiver.channels.email import EmailChannel


def mail_channel(
    sender: str = "Alerts <alerts@example.com>", recipients: tuple[str, ...] = ("oncall@example.com",)
) -> EmailChannel:
    """One that nobody should send by: there is no server."""
    return EmailChannel(
        "oncall",
        sender=sender,
        recipients=recipients,
        host="127.0.0.1",
        port=25,
        security="none",
        username=None,
        password=None,
        ca_file=None,
        timeout=1.0,
    )
