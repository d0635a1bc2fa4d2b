"""What the receiver says of itself, in a form that every channel can carry."""

from receiver.core.content import Incidents, Notice, NoticeKind, Rendered
from receiver.messages import templating
from receiver.messages.wording import SUBJECT_LIMIT, capital, one_line, utc

LINE_LIMIT = 500

TITLES = {
    NoticeKind.REFUSED: ("{n} webhook request was refused", "{n} webhook requests were refused"),
    NoticeKind.UNKNOWN_CHANNEL: (
        "{n} notification came for a channel that does not exist",
        "{n} notifications came for channels that do not exist",
    ),
    NoticeKind.DEAD_LETTERS: ("{n} alert could not be delivered", "{n} alerts could not be delivered"),
    NoticeKind.STORE_TROUBLE: ("the store failed {n} time", "the store failed {n} times"),
}
"""What has happened, once or several times."""

ADVICE = {
    NoticeKind.REFUSED: "Such a request may have held alerts, and nobody is told of those. The receiver's log says"
    " more, and Alertmanager's log has the answers that it got.",
    NoticeKind.UNKNOWN_CHANNEL: "Such a notification is routed like any other. Check the webhook's url in Alertmanager"
    " against the names of the channels.",
    NoticeKind.DEAD_LETTERS: "Dead is what was refused for good, or was over and older than retry_for. Once the cause"
    " is mended, POST /api/v1/messages/ID/redeliver sends a message's alerts again.",
    NoticeKind.STORE_TROUBLE: "While the store can't commit, notifications are answered with 503, and Alertmanager"
    " tries again. Look at the disk on which the database is.",
}
"""What it means, and what to do."""


def about(incidents: Incidents) -> Rendered:
    """The notice that tells of these."""
    title = TITLES[incidents.kind][incidents.n != 1].format(n=f"{incidents.n:,}")
    lines = (*incidents.details, _when(incidents.first_at, incidents.last_at), ADVICE[incidents.kind])
    return render(Notice(incidents.channel, incidents.uid, incidents.composed_at, title, lines))


def _when(first_at: int, last_at: int) -> str:
    first, last = utc(first_at), utc(last_at)
    return f"This happened at {first}." if first == last else f"This happened between {first} and {last}."


def render(notice: Notice) -> Rendered:
    """Subject, text, HTML and blocks; no quoted text can begin a new line, a tag or a mention."""
    subject = one_line(f"[NOTICE] {notice.title}", SUBJECT_LIMIT)
    lines = [one_line(line, LINE_LIMIT) for line in notice.lines]
    sent = f"Sent {utc(notice.composed_at)} by alert-receiver to {notice.channel}, about itself"
    return Rendered(
        subject=subject,
        text="\n".join([*lines, "", sent, ""]),
        html=templating.notice(subject, capital(one_line(notice.title, SUBJECT_LIMIT)), lines, sent),
        blocks=(
            {"type": "header", "text": {"type": "plain_text", "text": subject, "emoji": False}},
            *(
                {"type": "section", "text": {"type": "plain_text", "text": line, "emoji": False}}
                for line in lines
                if line
            ),
            {
                "type": "context",
                "elements": [{"type": "plain_text", "text": one_line(sent, LINE_LIMIT), "emoji": False}],
            },
        ),
    )
