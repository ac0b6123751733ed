"""Tell by mail."""

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from functools import partial

from bridges.notify.outlets import OutgoingMessage, RefusedError
from bridges.process.notify_settings import MailTarget
from streams.alarms.incidents import Incident
from streams.alarms.routing import message_id
from streams.alarms.templates import Labels, Told, no_labels
from streams.errors import TransientError
from streams.records.alarm_records import Alarm


class MailOutlet:
    """Tells one target by SMTP.

    Args:
        target: Its settings.
        listed: Alarms that a mail lists.
        labels: What people call a sensor.
    """

    follows_all = False

    def __init__(self, target: MailTarget, listed: int, labels: Labels = no_labels) -> None:
        self._target = target
        self._listed = listed
        self._labels = labels

    def prepare(
        self, alarms: Sequence[Alarm], incidents: Mapping[str, Incident]
    ) -> Sequence[OutgoingMessage]:
        """Return what sends the mail of a group."""
        told = Told(alarms, self._listed, labels=self._labels, incidents=incidents)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._target.sender
        mail["To"] = ", ".join(self._target.recipients)
        mail["Subject"] = f"[Weir] {told.title()}".replace("\n", " ").replace("\r", " ")
        mail["Date"] = formatdate(localtime=False)
        mail["Message-ID"] = f"<{message_id(alarms)}@weir>"  # by it a mail that comes twice is known
        mail.set_content("\n".join([*told.lines(), "", "-- ", "Weir"]))
        return [OutgoingMessage(alarms, partial(self._send, mail))]

    def known(self, alarm: Alarm) -> None:
        """Nothing is kept."""

    def refresh(self) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing is open."""

    def _send(self, mail: EmailMessage) -> None:
        target = self._target
        try:
            with self._connected() as server:
                if target.username:
                    server.login(target.username, target.password.get_secret_value())
                server.send_message(mail)
        except smtplib.SMTPAuthenticationError as error:
            raise TransientError(f"user {target.username!r} is refused: {error.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            raise _judged(max(codes), f"recipients refused: {sorted(codes)}") from None
        except smtplib.SMTPResponseException as error:
            raise _judged(error.smtp_code, f"{error.smtp_code} {error.smtp_error!r}") from None
        except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
            raise TransientError(f"{target.host}:{target.port}: {error!r}") from None

    def _connected(self) -> smtplib.SMTP:
        target = self._target
        context = ssl.create_default_context()
        if target.security == "tls":
            return smtplib.SMTP_SSL(target.host, target.port, timeout=target.timeout_seconds, context=context)
        server = smtplib.SMTP(target.host, target.port, timeout=target.timeout_seconds)
        if target.security == "starttls":
            server.starttls(context=context)
        return server


def _judged(code: int, text: str) -> Exception:
    """A code of 4 hundred passes, one of 5 hundred does not (RFC 5321, 4.2.1)."""
    return RefusedError(text) if code >= 500 else TransientError(text)
