"""Bounces in the shapes of the field: who failed, how, and for good or not; and mail that only looks like a bounce."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from maild.ingest.bounce import read_bounce
from maild.ingest.bounce_verdict import judge
from maild.ingest.classify import NOTHING_OWN, classify
from maild.ingest.parse import parse
from maild.model.message import BounceAction, BounceReport, MessageKind

RETURNED = """\
Return-Path: <desk@help.example>
Received: from mx.help.example (mx.help.example [192.0.2.7]) by relay.example; Tue, 3 Nov 2026 10:00:00 +0000
From: Desk <desk@help.example>
To: jo@shop.example
Subject: Your order
Message-ID: <case.77.abc@help.example>
References: <first@shop.example> <second@help.example>

Hello Jo
"""


def mail(body: str, *, sender: str = "MAILER-DAEMON@relay.example", subject: str = "failure notice", more: str = "") -> str:
    head = f"From: {sender}\nTo: desk@help.example\nSubject: {subject}\nDate: Tue, 3 Nov 2026 10:00:00 +0000\n{more}"
    return head + ("" if "Content-Type" in more else "Content-Type: text/plain; charset=utf-8\n") + "\n" + body


def report(groups: str, text: str = "Sorry.", returned: str = RETURNED, top: str = "Reporting-MTA: dns; relay.example") -> str:
    more = 'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n'
    body = (
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        f"--b\nContent-Type: message/delivery-status\n\n{top}\n\n{groups}\n"
        f"--b\nContent-Type: message/rfc822\n\n{returned}\n--b--\n"
    )
    return mail(body, subject="Undelivered Mail Returned to Sender", more=more)


def read(source: str) -> BounceReport | None:
    return read_bounce(parse(source.encode()))


def told(source: str) -> list[tuple[str, str, str, bool]]:
    found = read(source)
    assert found is not None
    return [(one.address, one.status, str(one.action), one.hard) for one in found.recipients]


FAILED = "Final-Recipient: rfc822; jo@shop.example\nAction: failed\nStatus: {}\nDiagnostic-Code: smtp; {}"


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected", "hard"),
    [
        ("5.1.1", "550 5.1.1 <jo@shop.example>: no such address here", "5.1.1", True),
        ("5.0.0", "550 5.1.1 <jo@shop.example>... User unknown", "5.1.1", True),
        ("5.0.0 (permanent failure)", "550 5.2.2 mailbox of jo is full", "5.2.2", False),
        ("5.2.2", "552 5.2.2 Quota exceeded", "5.2.2", False),
        ("5.1.2", "550 Host unknown", "5.1.2", True),
        ("5.4.4", "Host or domain name not found. Name service error for name=shop.example type=A", "5.4.4", True),
        ("5.7.1", "554 5.7.1 Service unavailable; client blocked using list.example", "5.7.1", False),
        ("5.7.26", "550 5.7.26 Unauthenticated email from help.example is not accepted due to DMARC policy", "5.7.26", False),
        ("5.7.25", "550 5.7.25 The sending address has no PTR record", "5.7.25", False),
        ("5.3.4", "552 5.3.4 Message size exceeds fixed limit", "5.3.4", False),
        ("4.4.7", "421 4.4.7 delivery time expired", "4.4.7", False),
        ("5.2.1", "550 5.2.1 The account is disabled", "5.2.1", False),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "5.1.10", True),
        ("5.1.8", "553 5.1.8 <desk@help.example>... Domain of sender address does not exist", "5.1.8", False),
        ("5.5.0", "550 Requested action not taken: mailbox unavailable", "5.5.0", True),
        ("4.0.0", "DNS Error: domain has a Null MX, it does not accept mail", "4.0.0", False),
        ("5.0.0", "550 Unknown user jo@shop.example", "5.0.0", False),
    ],
)
def test_a_report_with_fields_says_status_and_whether_for_good(status: str, diagnostic: str, expected: str, hard: bool) -> None:
    assert told(report(FAILED.format(status, diagnostic))) == [("jo@shop.example", expected, "failed", hard)]


def test_a_report_names_each_recipient_and_the_returned_message() -> None:
    groups = FAILED.format("5.1.1", "550 5.1.1 no such user") + "\n\nOriginal-Recipient: rfc822;al@shop.example\nFinal-Recipient: rfc822;al@inner.shop.example\nAction: delayed\nStatus: 4.4.1"
    found = read(report(groups))
    assert found is not None
    assert [(one.address, one.action, one.hard, one.original) for one in found.recipients] == [
        ("jo@shop.example", BounceAction.FAILED, True, ""),
        ("al@inner.shop.example", BounceAction.DELAYED, False, "al@shop.example"),
    ]
    assert found.original_message_id == "case.77.abc@help.example"
    assert found.original_references == ("first@shop.example", "second@help.example")


def test_delivered_recipients_are_none_and_relayed_ones_are_named_so() -> None:
    groups = "Final-Recipient: rfc822;al@shop.example\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822;bo@shop.example\nAction: relayed\nStatus: 2.1.5\n\n"
    assert told(report(groups + FAILED.format("5.1.1", "550 no such user"))) == [("bo@shop.example", "2.1.5", "relayed", False), ("jo@shop.example", "5.1.1", "failed", True)]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "Delivered (to mailbox)"])
def test_a_report_in_which_nobody_failed_is_a_receipt_and_no_bounce(action: str) -> None:
    source = report(f"Final-Recipient: rfc822;jo@shop.example\nAction: {action}\nStatus: 2.0.0", text="Your message was delivered to jo@shop.example")
    assert read(source) is None
    assert classify(parse(source.encode()), "", NOTHING_OWN).kind is MessageKind.RECEIPT


@pytest.mark.parametrize(
    "groups",
    [
        "Action: failed\nStatus: 5.1.1\nFinal-Recipient: RFC822; <jo@shop.example>\nAction: failed\nFinal-Recipient: rfc822;al@shop.example\nStatus: 5.1.1",
        "Final-Recipient: rfc822;jo@shop.example\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822;al@shop.example\nAction: failed\nStatus: 5.1.1",
        "Final-Recipient: rfc822;jo@shop.example\n\nAction: failed\n\nStatus: 5.1.1\n\nFinal-Recipient: rfc822;al@shop.example\n\nAction: failed\n\nStatus: 5.1.1",
        "final-recipient:rfc822;jo@shop.example\nACTION:Failed\nstatus:5.1.1 (bad)\n\n\nOriginal-Recipient: al@shop.example\nAction: failed (no)\nStatus: 5.1.1",
    ],
)
def test_fields_in_any_order_and_without_their_blank_lines_are_told_apart(groups: str) -> None:
    assert [address for address, *_ in told(report(groups))] == ["jo@shop.example", "al@shop.example"]


def test_fields_pasted_into_a_text_are_read() -> None:
    body = "An error occurred while trying to deliver the mail to the following recipients:\njo@shop.example\n\nTechnical report:\nReporting-MTA: dsn; a.example\n\nAction: failed\nFinal-Recipient: rfc822; jo@shop.example\nDiagnostic-Code: smtp; 550 5.1.1 mailbox does not exist\nStatus: 5.1.1\n"
    assert told(mail(body)) == [("jo@shop.example", "5.1.1", "failed", True)]


PROSE: dict[str, tuple[str, list[tuple[str, bool]]]] = {
    "qmail": (
        "Hi. This is the qmail-send program at relay.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<jo@shop.example>:\n192.0.2.9 does not like recipient.\nRemote host said: 550 no such user here\nGiving up on 192.0.2.9.\n\n<al@shop.example>:\nThis account is over quota (#5.2.2)\n\n--- Below this line is a copy of the message.\n\n" + RETURNED,
        [("jo@shop.example", True), ("al@shop.example", False)],
    ),
    "exim": (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  jo@shop.example\n    host mx.shop.example [192.0.2.9]\n    SMTP error from remote mail server after RCPT TO:<jo@shop.example>:\n    550 5.1.1 User unknown\n\n------ This is a copy of the message, including all the headers. ------\n\n" + RETURNED,
        [("jo@shop.example", True)],
    ),
    "exim refused the sender": (
        "A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  jo@shop.example\n    SMTP error from remote mail server after MAIL FROM:<desk@help.example>:\n    550 no such domain help.example\n",
        [("jo@shop.example", False)],
    ),
    "postfix": (
        "This is the mail system at host relay.example.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. For further assistance, please send mail to <postmaster@relay.example>\n\n<jo@shop.example>: host mx.shop.example[192.0.2.9] said: 550 5.1.1\n    <jo@shop.example>: Recipient address rejected: User unknown (in reply to RCPT TO command)\n",
        [("jo@shop.example", True)],
    ),
    "exchange 5.5": (
        "Your message\n\n  To:      Jo\n  Subject: Your order\n  Sent:    Tue, 3 Nov 2026 10:00:00 +0000\n\ndid not reach the following recipient(s):\n\njo@shop.example on Tue, 3 Nov 2026 10:00:05 +0000\n    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=de;a= ;p=shop;l=X\n",
        [("jo@shop.example", True)],
    ),
    "x.400": (
        "Your message\n\n  Subject: Your order\n\ndid not reach the following recipient(s):\n\nc=DE;a= ;p=SHOP;o=Main;dda:SMTP=jo@shop.example; on Tue, 3 Nov 2026\n    The recipient name is not recognized\n",
        [("jo@shop.example", True)],
    ),
    "notes": (
        "------- Failure Reasons  --------\n\nUser jo not listed in public Name & Address Book\njo@shop.example\n\n------- Returned Message --------\n\n" + RETURNED,
        [("jo@shop.example", True)],
    ),
    "imail": ("Unknown user: jo@shop.example\nRCPT TO generated following response:\n553 5.3.0 <jo@shop.example>... Addressee unknown\n\nOriginal message follows.\n\n" + RETURNED, [("jo@shop.example", True)]),
    "mailmarshal": (
        "Your message:\n   From:    desk@help.example\n   Subject: Your order\n\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected:\n    jo@shop.example\n",
        [("jo@shop.example", True)],
    ),
    "james": (
        "Message details:\n  Subject: Your order\n  MAIL FROM: desk@help.example\n  RCPT TO: jo@shop.example\n\nError message below:\n550 - Requested action not taken: no such user here\n",
        [("jo@shop.example", True)],
    ),
    "trendmicro": (
        "Sent >>> RCPT TO: <jo@shop.example>\nReceived <<< 550 5.1.1 unknown user\n\nUnable to deliver message to <jo@shop.example>\n",
        [("jo@shop.example", True)],
    ),
    "domino": (
        "Your message\n\n  Subject: Your order\n\nwas not delivered to:\n\n  jo@shop.example\n\nbecause:\n\n  User jo (jo@shop.example) not listed in Domino Directory\n",
        [("jo@shop.example", True)],
    ),
    "carrier, in Japanese": (
        "次のあて先へのメッセージはエラーのため送信できませんでした。\n\nEach of the following recipients was rejected by a remote mail server.\n\n    Recipient: <jo@shop.example>\n    >>> RCPT TO:<jo@shop.example>\n    <<< 550 <jo@shop.example>: User unknown\n",
        [("jo@shop.example", True)],
    ),
    "opensmtpd": (
        "    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this e-mail.\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\njo@shop.example: 552 5.2.2 mailbox full\n\n    Below is a copy of the original message:\n\n" + RETURNED,
        [("jo@shop.example", False)],
    ),
    "said in German": (
        "Ihre Nachricht konnte nicht zugestellt werden.\n\nEmpfänger: jo@shop.example\n550 5.1.1 Empfänger unbekannt\n",
        [("jo@shop.example", True)],
    ),
    "no name but in the returned message": ("Your mail could not be delivered.\n550 5.1.1 user unknown\n\n----- Unsent message follows -----\n" + RETURNED, [("jo@shop.example", True)]),
    "courier, whose heading is no returned message": (
        "This is a delivery status notification from mx.relay.example,\nrunning the Courier mail server.\n\n                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<jo@shop.example>:\n    mx.shop.example [192.0.2.9]:\n>>> RCPT TO:<jo@shop.example>\n<<< 550 5.1.1 <jo@shop.example>... User Unknown\n",
        [("jo@shop.example", True)],
    ),
    "a count of attempts says nothing of the address": ("Delivery failed 20 attempts: jo@shop.example\n\nOriginal message follows.\n\n" + RETURNED, [("jo@shop.example", False)]),
    "the mere word undeliverable neither": ("undeliverable to jo@shop.example\nOriginal message follows.\n\n" + RETURNED, [("jo@shop.example", False)]),
    "full-width punctuation beside the address": ("抱歉，您的邮件被退回来了……\n收件人：jo@shop.example\n\n退信原因：\n收件人不存在\n", [("jo@shop.example", True)]),
    "the log of a session, with the id of our mail": (
        "The attached message had PERMANENT fatal delivery errors!\n\n--- Session Transcript ---\n Sun 2026-11-01 10:00:01: *  From: desk@help.example\n Sun 2026-11-01 10:00:01: *  To: jo@shop.example\n"
        " Sun 2026-11-01 10:00:01: *  Message-ID: <case.77.abc@help.example>\n Sun 2026-11-01 10:00:03: --> RCPT To:<jo@shop.example>\n Sun 2026-11-01 10:00:03: <-- 550 5.1.1 User unknown\n--- End Transcript ---\n",
        [("jo@shop.example", True)],
    ),
    "said in Portuguese": ("A sua mensagem não pôde ser entregue ao destinatário:\n\njo@shop.example: caixa postal inexistente\n", [("jo@shop.example", True)]),
    "said in Polish": ("Twoja wiadomość nie została dostarczona do:\n\njo@shop.example\nNieznany użytkownik\n", [("jo@shop.example", True)]),
    "said in Korean": ("메일 전송에 실패하였습니다.\n\n받는 사람 : jo@shop.example\n실패 사유 : 수신자를 찾을 수 없습니다\n", [("jo@shop.example", True)]),
}


@pytest.mark.parametrize("form", PROSE)
def test_prose_is_read(form: str) -> None:
    body, expected = PROSE[form]
    assert [(address, hard) for address, _, _, hard in told(mail(body))] == expected


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Postmaster Notify: Delivery Failure.", "The local mail transport system has reported the following problems\nit encountered while trying to deliver your message:\n\n*** jo@shop.example\nUser not known at this site.\n"),
        ("Benachrichtigung zum Übermittlungsstatus (Fehlgeschlagen)", "Übermittlung an folgende Empfänger fehlgeschlagen.\n\n       jo@shop.example\n"),
        ("Notificación del estado de entrega (Error)", "jo@shop.example\n"),
        ("Notifica sullo stato del recapito (errore)", "jo@shop.example\n"),
        ("Notificação de status de entrega (Falha)", "jo@shop.example\n"),
        ("Уведомление о состоянии доставки (сбой)", "jo@shop.example\n"),
        ("Powiadomienie o stanie dostarczania (niepowodzenie)", "jo@shop.example\n"),
        ("Nelze doručit: Objednávka", "jo@shop.example\n"),
        ("配信状態通知 (エラー)", "jo@shop.example\n"),
    ],
)  # fmt: skip
def test_a_postmasters_report_is_known_in_many_languages(subject: str, body: str) -> None:
    assert [address for address, *_ in told(mail(body, sender="postmaster@relay.example", subject=subject))] == ["jo@shop.example"]


def test_the_returned_message_is_known_by_its_id_in_the_words_of_the_report() -> None:
    body = "This report relates to a message you sent with the following header fields:\n\n  Message-id: <case.77.abc@help.example>\n  To: jo@shop.example\n  Subject: Your order\n\nYour message cannot be delivered to the following recipients:\n\n  Recipient address: jo@shop.example\n  Reason: Remote SMTP server has rejected address\n"
    found = read(mail(body, sender="postmaster@relay.example", subject="Delivery Notification: Delivery has failed"))
    assert found is not None
    assert found.original_message_id == "case.77.abc@help.example"


@pytest.mark.parametrize("told_as", ["The message identifier was: <case.77.abc@help.example>", "   original Message-ID: <case.77.abc@help.example>"])
def test_the_id_is_found_under_other_names(told_as: str) -> None:
    found = read(mail(f"I was unable to deliver your message to the following addresses:\n\njo@shop.example\n\nReason: 550 5.1.1 No such user\n{told_as}\n"))
    assert found is not None
    assert found.original_message_id == "case.77.abc@help.example"


def test_a_service_that_gives_up_is_known_by_its_words_and_the_empty_envelope_sender() -> None:
    words = "We couldn't deliver your message to jo@shop.example.\n\nReason: smtp;550 5.1.1 The account does not exist.\n"
    source = mail(words, sender="Postbox <support@service.example>", subject="Delivery to jo@shop.example failed")
    found = read_bounce(parse(source.encode()), null_sender=True)
    assert found is not None
    assert [(one.address, one.hard) for one in found.recipients] == [("jo@shop.example", True)]
    assert read(source) is None  # a shop that failed to hand over a parcel writes so, too


def test_a_filter_that_rejects_is_a_bounce() -> None:
    body = "Your message to <jo@shop.example> was automatically rejected:\nQuota exceeded (mailbox for user is full)\n"
    assert told(mail(body, sender="postmaster@relay.example", subject="Rejected: Your order")) == [("jo@shop.example", "5.2.2", "failed", False)]


def test_a_bare_name_belongs_to_the_domain_of_the_reporting_system() -> None:
    body = "Your mail to the following recipients could not be delivered because they are not accepting mail from desk@help.example:\n\tjodoe\n"
    assert [address for address, *_ in told(mail(body, sender="MAILER-DAEMON@shop.example"))] == ["jodoe@shop.example"]


def test_what_will_be_tried_again_is_delayed_and_never_hard() -> None:
    body = "This is an automatically generated Delivery Status Notification\n\nTHIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n\n     jo@shop.example\n\nMessage will be retried for 2 more day(s)\n\nThe error was: 450 5.1.1 user unknown\n"
    assert told(mail(body, subject="Delivery Status Notification (Delay)")) == [("jo@shop.example", "5.1.1", "delayed", False)]


def test_the_failed_recipients_header_is_believed() -> None:
    body = "Hola,\n\nel grupo no existe.\n\n----- Original message -----\n\n" + RETURNED
    found = told(mail(body, more="X-Failed-Recipients: jo@shop.example,\n al@shop.example\n"))
    assert [address for address, *_ in found] == ["jo@shop.example", "al@shop.example"]


def test_a_notice_of_amazon_is_a_bounce_only_if_it_tells_of_one() -> None:
    bounce = '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"jo@shop.example","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},"mail":{"messageId":"0100-abc","headers":[{"name":"Message-ID","value":"<case.77.abc@help.example>"}]}}'
    found = read(mail(bounce, sender="no-reply@sns.example", subject="Notification"))
    assert found is not None
    assert found.original_message_id == "case.77.abc@help.example"
    assert [(one.address, one.hard) for one in found.recipients] == [("jo@shop.example", True)]
    assert read(mail('{"notificationType":"Delivery","delivery":{},"mail":{}}', sender="no-reply@sns.example")) is None
    assert read(mail('{"notificationType":"Bounce","bounce":', sender="no-reply@sns.example")) is None


def test_the_mail_daemon_itself_writes_nothing_but_reports_in_any_language() -> None:
    found = read(mail("Tuesan tu mezu:\n\njo@shop.example\n", subject="Mezu"))
    assert found is not None
    assert [one.address for one in found.recipients] == ["jo@shop.example"]
    assert read(mail("Bihotz.\n", subject="Mezu", more="Auto-Submitted: auto-replied\n")) is None


def test_a_report_without_any_recipient_is_still_a_bounce() -> None:
    found = read(mail("<<< No Message Collected >>>\n", subject="Returned mail: see transcript for details"))
    assert found == BounceReport(())


PERSONAL: dict[str, str] = {
    "a person forwards a bounce": mail("Can you look into this?\n\n> <jo@shop.example>: 550 5.1.1 user unknown\n", sender="jo@shop.example", subject="Fwd: Undelivered Mail Returned to Sender"),
    "a person tells of a bounce": mail("My mail to sales@help.example could not be delivered, it says 550 user unknown.\n", sender="jo@shop.example", subject="Mail delivery failed?"),
    "a parcel could not be delivered": mail("Your parcel could not be delivered. Questions? Write to care@parcels.example\n", sender="noreply@parcels.example", subject="Delivery failed"),
    "a vacation note from nobody": mail("I am away until Monday.\n", sender="jo@shop.example", subject="Re: Your order", more="Return-Path: <>\nAuto-Submitted: auto-replied\n"),
    "a company whose trade is delivery": mail("The goods could not be delivered on Monday. When will you be there?\n", sender="Acme Delivery Systems <sales@shop.example>", subject="Delivery failed"),
    "a courier": mail("We were unable to deliver your parcel 55.\n", sender="Fast Mail Delivery <info@shop.example>", subject="Your parcel"),
    "an admin of the other side": mail("My users say that mail to you could not be delivered. Please look.\n", sender="System Administrator <it@shop.example>", subject="Delivery failed"),
    "a complaint": mail(
        f"--b\nContent-Type: text/plain\n\nThis is a complaint.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--b\nContent-Type: message/rfc822\n\n{RETURNED}\n--b--\n",
        more='Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n',
    ),
    "a receipt": mail(
        "--b\nContent-Type: text/plain\n\nYour mail was displayed.\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;jo@shop.example\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
        sender="jo@shop.example",
        more='Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\n',
    ),
    "a person attaches a bounce": mail(
        f"--x\nContent-Type: text/plain\n\nWhat is this?\n--x\nContent-Type: message/rfc822\n\n{report(FAILED.format('5.1.1', '550 5.1.1 user unknown'))}\n--x--\n",
        sender="jo@shop.example",
        subject="strange mail",
        more='Content-Type: multipart/mixed; boundary="x"\n',
    ),
}


@pytest.mark.parametrize("what", PERSONAL)
def test_other_mail_is_no_bounce(what: str) -> None:
    assert read(PERSONAL[what]) is None


def test_the_empty_envelope_sender_is_a_sign_where_the_header_is_missing() -> None:
    source = mail("Your mail to jo@shop.example could not be delivered: mailbox full\n", sender="mta@relay.example", subject="Problem")
    assert read(source) is None
    found = read_bounce(parse(source.encode()), null_sender=True)
    assert found is not None
    assert [one.address for one in found.recipients] == ["jo@shop.example"]


@dataclass(frozen=True)
class Said:
    words: str
    status: str
    hard: bool


@pytest.mark.parametrize(
    "said",
    [
        Said("550 5.2.1 <jo@shop.example>... User Unknown", "5.2.1", False),
        Said("550 5.2.1 <jo@shop.example>... User Unknown [RCPT_TO]", "5.2.1", True),
        Said("550 user unknown (in reply to end of DATA command)", "5.1.1", False),
        Said("450 4.2.0 greylisted, try again", "4.2.0", False),
        Said("552 mailbox of mailboxfull@shop.example is gone, no such mailbox", "5.1.1", True),
        Said("521 host does not accept mail", "5.1.10", True),
        Said("unrouteable address", "5.1.2", True),
        Said("550 we do not accept mail from dynamic addresses", "5.0.0", False),
        Said("550 Helo command rejected: Host not found", "5.7.25", False),
        Said("I'm not going to try again; this message has been in the queue too long.", "4.4.7", False),
        Said("hMailServer v5.6.1 says 550 no such mailbox", "5.1.1", True),
        Said("retry timeout exceeded", "4.4.7", False),
        Said("553 sorry, this recipient is not in my validrcptto list (#5.7.1)", "5.7.1", True),
        Said("This address no longer accepts mail.", "5.1.1", True),
        Said("退信原因：收件人（jo@shop.example）不存在", "5.1.1", True),
        Said("550 No account by that name here", "5.1.1", True),
        Said("554 5.7.1 <jo@shop.example>: Recipient address rejected: user jo@shop.example does not exist", "5.7.1", True),
        Said("550 #5.1.0 Address rejected.", "5.1.0", True),
        Said("550 5.1.1 Recipient address rejected: {Gra2}", "5.1.1", True),
        Said("550 Adresse inexistante.", "5.1.1", True),
        Said("Нет такого пользователя", "5.1.1", True),
        Said("gebruiker onbekend", "5.1.1", True),
        Said("La boîte aux lettres du destinataire est pleine.", "5.2.2", False),
        Said("Domain shop.example does not accept mail (nullMX)", "5.1.10", True),
        Said("the domain name (shop.example) does not appear to be registered", "5.1.2", True),
        Said("Почтовый ящик удалён", "5.1.1", True),
        Said("Kein solcher Benutzer", "5.1.1", True),
        Said("Das Postfach wurde nicht gefunden", "5.1.1", True),
        Said("El usuario no fue encontrado", "5.1.1", True),
        Said("Brak takiego konta", "5.1.1", True),
        Said("550 5.7.26 This mail is unauthenticated and has been blocked", "5.7.26", False),
        Said("552 RCPT TO:<jo@shop.example> User has exhausted allowed storage space", "5.2.2", False),
        Said("DNS Error: 12345 DNS type 'mx' lookup of shop.example responded with code NXDOMAIN", "5.1.2", True),
        Said("DNS Error: 12345 DNS type 'mx' lookup of shop.example responded with code NOERROR", "4.4.3", False),
        Said("lost connection with mx.shop.example while sending RCPT TO", "4.4.7", False),
        Said("", "", False),
    ],
)
def test_words_are_judged(said: Said) -> None:
    verdict = judge(said.words)
    assert (verdict.status, verdict.hard) == (said.status, said.hard)
