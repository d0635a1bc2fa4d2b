"""The sinks and the receivers of the end-to-end tests, and the folder that the quick start makes."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.documentation.pages import DOCS, page
from tests.end_to_end.conftest import free_port, programs, slack, smtp, start
from tests.smtp_server import SmtpServer

__all__ = ["free_port", "programs", "slack", "smtp", "start"]

PASSWORD = "password-of-the-quick-start"


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[SmtpServer]:
    """A mail server that offers STARTTLS and wants a login, and whose authority is in ``ca.pem``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = SmtpServer(starttls=context, credentials=("alerts", PASSWORD))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def desk(mail: SmtpServer, tmp_path: Path) -> Path:
    """The folder that the quick start makes, with its configuration; the mail server is the test's own."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "smtp-password").write_text(f"{PASSWORD}\n")
    shown = page("quickstart").block("yaml", "password_file: secrets/smtp-password")
    there = shown.replace("host: smtp.example.com", f"host: 127.0.0.1\n  port: {mail.port}\n  ca_file: ca.pem")
    assert there != shown
    (tmp_path / "alert-receiver.yml").write_text(there)
    (tmp_path / "fewer.yml").write_text(page("howto").block("yaml", "group_by: [alertname, cluster]"))
    (tmp_path / "docs").symlink_to(DOCS)
    return tmp_path
