"""This is where maild reads bounces: reports that a mail was not, or not yet, delivered.

First the report as RFC 3464 has it; then its fields where they stand in a text; then the prose of servers that know
no standard. What a person forwards, a machine's vacation note, a complaint (RFC 5965), a receipt (RFC 8098) and a
report on authentication (RFC 6591) are no bounces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import re2

from maild.ingest.bounce_forms import Found, clean, find_recipients, split_returned
from maild.ingest.bounce_notice import is_notice, read_notice
from maild.ingest.bounce_verdict import VAGUE, judge, tidy
from maild.ingest.delivery_status import StatusGroup, address_of, read_groups
from maild.model.message import BounceAction, BouncedRecipient, BounceReport, Message

MAX_TEXT = 200_000

_DAEMON = re2.compile(
    r"(?i)^(mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|maildelivery|mail\.delivery\.system|mail-?delivery-?(sub)?system|bounces?|ndr|nondelivery|mailsystem|mail-system)$"
)
_MAILER_DAEMON = re2.compile(r"(?i)^mailer[-_.]?daemon$")
_DAEMON_NAME = re2.compile(
    r"(?i)^\W*((internet )?(e?mail(er)?|message)[ -]?(deliver(y|er)?|daemon)( (sub)?system| agent| service| notification| status)?|delivery (sub)?system|mail ?administrator|mailer-daemon\S*)( at \S+)?\W*$"
)
_POSTMASTER = re2.compile(r"(?i)^(post[_-]?master|mail-?admin|mmdf|mailer|mmail|microsoftexchange.*)$")
_PROGRAM = re2.compile(r"(?i)^(no-?reply|do-?not-?reply|system|administrator|admin|root|.*-admin|inetgw\d*|nobody|daemon|uucp|mail|.*-bounces?|listserv|majordomo|mailman)$")
_ERRORS = re2.compile(r"(?i)daemon|bounce|error")
_SUBJECT = re2.compile(
    r"(?i)^(\W*\S*\W*)?(undeliver(able|ed)|delivery (status )?(notification|failure|failed|report|delayed|problem|error|unsuccessful)|(message|mail|e-?mail) delivery (has )?(fail|problem|error|status|unsuccess)|returned mail|returned to sender|"
    r"mail (could not|failed|failure|delivery)|failure notice|failed delivery|failure delivery|delivery (to \S+@\S+ )?(has )?failed|non[- ]?deliver|nondeliverable|unable to deliver|mail system error|processing error|warning: (could not send|message )|message (could not|status|delay|not delivered|undeliv)|"
    r"there was an error sending your mail|loop alert|bounced? mail|mail returned|rejected mail|error sending|email (bounce|could not|not delivered)|undeliverable|"
    r"unzustellbar|nicht zugestellt|nicht zustellbar|zustellung|mail nicht|"
    r"non remis|échec|echec|non distribu|notification d.état|"
    r"no se (ha podido|pudo) entregar|no entregado|error de entrega|devuelto|"
    r"mancata consegna|non recapitabil|não entregue|não foi possível|falha na entrega|"
    r"benachrichtigung (zum|über den) (übermittlungs|zustell)|notificaci[óo]n (del?|sobre el) estado|notifica (sullo|dello|di) stato|notificação (de|do|sobre o) (status|estado)|melding (over|van) (de )?(bezorg|lever|aflever)|"
    r"kennisgeving van|powiadomienie o (stanie|niedostar)|meddelande om leverans|(meddelelse|melding) om leverings|ilmoitus toimitus|oznámení o stavu|уведомление о (состоянии |статусе )?(не)?достав|сповіщення про|teslim(at)? durumu|"
    r"(邮件|郵件)?(送达|送達|传递|傳遞|传送|傳送)状?態?状态|傳遞狀態|배달 상태|전달 상태|전송 ?실패|配信状[況態]|"
    r"onbestelbaar|niet bezorgd|kan niet worden bezorgd|olevererbar|kunne ikke leveres|kan inte levereras|toimittaminen|niedostarczon|nie (została |można |udało się )?dostarcz|nedoručiteln|nelze doručit|nebyla? doručen|"
    r"не доставлен|недоставлен|недоставк|доставк|teslim edilemedi|退信|无法|未送达|投递|配信|配達|送信できません|届けられ|返送|エラー|반송|전송 실패)"
)
_FORWARDED = re2.compile(r"(?i)^\s*(re|fwd?|aw|wg|tr|rv|sv|vs|antw|odp|ynt|enc|rif|i|回复|转发|答复)\s*(\[\d+\])?\s*[:：]")
_BODY = re2.compile(
    r"(?i)(could|can|was|were|has|have)(n't|n’t| ?not)( yet)?( be| been)? (deliver(ed)?|able to deliver)|not able to deliver|unable to deliver|undeliverable|deliver(y|ing) .{0,60}(fail|error|problem|delayed|unsuccess)|delivery (status|attempts)|(qmail-send|postfix|deliver|exim) program|mail delivery (agent|software|system)|"
    r"failed (to deliver|addresses|recipients?)|did not reach|had (permanent|delivery|transient)|permanent (fatal )?error|following (address|recipient)\S* (\S+ ){0,3}(fail|had|could|reject)|returned (to sender|mail)|failure reasons|not listed in|message log follows|user unknown|unknown user|no such user|mailbox (is )?full|"
    r"error occurred while (trying|attempting) to deliver|transcript of session|problem(s)? delivering|trouble delivering|rejected recipient|bounced|returned because|has been returned|could not (be )?(sent|send)|not delivered|intended recipient:|invalid final delivery|delivery failed|duplicated message-id|exceed\S* (their|the|his|her) quota|encountered while trying to deliver|automatically rejected|nicht (zugestellt|ausgeliefert|übermittelt|erreichen)|konnte nicht|(übermittlung|zustellung) .{0,60}fehlgeschlagen|"
    r"n'a pas pu être|n'a pu être|non remis|no se (ha podido|pudo)|non (è stato possibile|recapita)|não (foi possível|pôde)|kon(den)? niet worden|niet (worden )?bezorgd|nie (została|zostały|mogła|mógł|można|udało się) .{0,40}(dostarcz|doręcz)|kunde inte levereras|kunne ikke leveres|ei voitu toimittaa|nemohla být doručena|nebylo možné doručit|teslim edilemedi|не (может быть|был|удалось) доставлен|невозможно доставить|送信できません|配信できません|送信に失敗|届けることができ|配送できません|配信に失敗|投递失败|无法(投递|发送|送达)|無法(投遞|傳送|送達)|被退回|退信|전송되지|전송에 실패|배달되지"
)
_DELAYED = re2.compile(
    r"(?i)(has|have) not yet been delivered|delivery .{0,40}(has been |is )?delayed|message is delayed|(this is|is only) a (temporary|warning)|warning message only|temporary failure report|will be retried|delivery attempts will continue|still (being )?(trying|tried)|not yet been delivered|do not need to re-?send|will retry for|delivery incomplete|temporary problem delivering"
)
_MESSAGE_ID = re2.compile(r"(?im)^[ \t>|]*message-id:\s*<?([^\s<>]+@[^\s<>]*|[^\s<>]+)>?")
_TOLD_ID = re2.compile(r"(?i)\bmessage[- ]?id(?:entifier)?[^<>\n@]{0,20}<?([^\s<>]+@[^\s<>]+)>?")  # in the words of a report
_LOGGED_ID = re2.compile(r"(?i)\bmessage-id:[ \t]*<?([^\s<>]+@[^\s<>]+)>?")  # in the log of a session, which no recipient is
_REFERENCES = re2.compile(r"(?im)^[ \t>|]*(?:references|in-reply-to):[ \t]*((?:.*\n?)(?:[ \t]+.*\n?)*)")
_ID = re2.compile(r"<([^\s<>]+)>")
_RETURN_PATH = re2.compile(r"(?im)^[ \t]*(?:return-path|from|sender|reply-to):.*?<?([^\s<>@]+@[^\s<>@\"]+)>?[ \t]*$")
_TO_FIELD = re2.compile(r"(?im)^[ \t]*(?:to|x-rcpt-to|delivered-to|x-original-to):[ \t]*(.+)$")
_FOR = re2.compile(r"(?i)\bfor <([^\s<>@]+@[^\s<>@]+)>")
_RETURNED_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers", "message/global-headers")
_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status", "text/delivery-status")
_BLANKS = {0xA0: " ", 0x3000: " ", 0x2007: " ", 0x202F: " ", 0x200B: None, 0xFEFF: None, 0x0D: None}
_OTHER_REPORTS = ("feedback-report", "disposition-notification", "tlsrpt")


@dataclass(frozen=True, slots=True)
class _Parts:
    """The texts of a report by what they are."""

    plain: list[str]
    status: list[str]
    returned: list[str]
    nested: list[str]  # delivery-status fields inside a message that came along


def read_bounce(message: Message, null_sender: bool = False) -> BounceReport | None:
    """What a delivery report says of each recipient, or None for a mail that reports no failure and no delay.

    ``null_sender`` says that the envelope sender was empty. A report that names nobody has no recipients.
    RFC 3464 (fields), RFC 3462 (multipart/report), RFC 3463 (statuses).
    """
    if _other_report(message):
        return None
    if is_notice(message.text):
        return read_notice(message.text)
    parts = _sort_parts(message)
    report, returned = _texts(message, parts)
    certain = bool(parts.status) or dict(message.content_params).get("report-type", "").lower() == "delivery-status"
    if not _is_report(message, report, returned, certain, null_sender):
        return None
    fields, groups = _groups(parts.status)
    if not groups:  # pasted into the text, or the whole report wrapped by a scanner on its way
        fields, groups = _groups([report, *parts.nested, *(text for text in parts.returned if _nested_report(text))])
    if groups and all(_went_well(group, message.subject) for group in groups):
        return None
    recipients = _from_groups(groups, report, _own_addresses(message, returned), message.subject)
    if not recipients:
        recipients = _from_prose(message, report, returned)
    message_id, references = _original(message, report, returned, fields)
    return BounceReport(tuple(recipients), message_id, references)


def is_delivery_receipt(message: Message) -> bool:
    """Whether this is a delivery report in which no recipient failed or is late: delivered, relayed, expanded."""
    _, groups = _groups(part.text[:MAX_TEXT] for part in message.parts if part.type in _STATUS_TYPES and part.depth <= 2)
    return bool(groups) and all(_went_well(group, message.subject) for group in groups)


def _went_well(group: StatusGroup, subject: str) -> bool:
    return _action(group, subject) in (None, BounceAction.RELAYED)


def _other_report(message: Message) -> bool:
    """Whether this is a report of another kind: a complaint, a receipt, authentication, TLS."""
    kind = dict(message.content_params).get("report-type", "").lower()
    parts = {part.type for part in message.parts}
    return kind in _OTHER_REPORTS or bool(parts & {"message/feedback-report", "message/disposition-notification"})


def _sort_parts(message: Message) -> _Parts:
    """The parts of the report itself, apart from those inside a message that came along."""
    parts = _Parts([], [], [], [])
    outer = -1  # the depth of the message that is attached, -1 outside of one
    for part in message.parts:
        nested = 0 <= outer < part.depth
        if not nested:
            outer = part.depth if part.type in _RETURNED_TYPES[:2] else -1
        if part.type in _STATUS_TYPES:
            (parts.nested if nested else parts.status).append(part.text[:MAX_TEXT])
        elif part.type in _RETURNED_TYPES and not nested:
            parts.returned.append(part.text[:MAX_TEXT])
        elif part.type == "text/plain" and not nested and sum(map(len, parts.plain)) < MAX_TEXT:
            parts.plain.append(part.text[:MAX_TEXT])
    return parts


def _texts(message: Message, parts: _Parts) -> tuple[str, str]:
    """The words of the report, and the source of the returned message as far as it came along."""
    text = "\n".join(parts.plain)
    if not text.strip():
        text = message.text[:MAX_TEXT]
    report, rest = split_returned(text.translate(_BLANKS))
    return report, "\n".join([*parts.returned, rest])


def _is_report(message: Message, report: str, returned: str, certain: bool, null_sender: bool) -> bool:
    """Whether the mail as a whole is a delivery report, by signs of which one alone is not enough."""
    sender = next((address.email for address in message.from_), "")
    name = next((address.name for address in message.from_), "")
    local = sender.partition("@")[0]
    raw_from = message.header("From")
    path = message.header("Return-Path").replace(" ", "")
    nobody = null_sender or path == "<>" or raw_from.strip() == "<>" or (not sender and not path)
    daemon = bool(_DAEMON.match(local) or _DAEMON_NAME.match(name) or _DAEMON_NAME.match(raw_from.partition("<")[0])) or bool(message.header("X-Failed-Recipients"))
    system = nobody or bool(_POSTMASTER.match(local))
    passed_on = bool(_FORWARDED.match(message.subject))
    subject = bool(_SUBJECT.match(message.subject)) and not passed_on
    body = bool(_BODY.search(" ".join(report[:6_000].split())))
    if certain and (message.content_type == "multipart/report" or daemon or system or subject):
        return True
    if _MAILER_DAEMON.match(local) and not _person_like(message):
        return True  # in whatever language: nobody else writes under this name
    if daemon:
        return subject or body or nobody or bool(returned.strip()) or not report.strip()
    if _person_like(message) or (passed_on and not nobody):
        return False
    if system:
        return subject or body
    if _ERRORS.search(local):
        return subject and body
    return bool(_PROGRAM.match(local)) and (subject or body) and bool(returned.strip())


def _person_like(message: Message) -> bool:
    """Whether the mail says that it is a vacation note or an answer of a person's program."""
    if message.header("X-Autoreply") or message.header("X-Autorespond") or message.header("X-Vacation"):
        return True
    automatic = message.header("Auto-Submitted").lower()
    return automatic.startswith("auto-replied") and not _SUBJECT.match(message.subject)


def _groups(texts: Iterable[str]) -> tuple[dict[str, str], list[StatusGroup]]:
    """The delivery-status fields out of several texts."""
    fields: dict[str, str] = {}
    groups: list[StatusGroup] = []
    for text in texts:
        more, found = read_groups(text)
        fields = more | fields
        groups += found
    return fields, groups


def _nested_report(returned: str) -> bool:
    """Whether what was "returned" is itself a delivery report, wrapped by a scanner on its way."""
    return "delivery-status" in returned[:20_000] and "final-recipient" in returned.lower()


def _from_groups(groups: list[StatusGroup], report: str, skip: set[str], subject: str) -> list[BouncedRecipient]:
    """One recipient for each group that failed or is late; the prose of the report helps where the fields are poor."""
    words = {found.address.lower(): found.words for found in find_recipients(report, skip)} if report else {}
    alone = report if len(groups) == 1 else ""
    seen: dict[str, BouncedRecipient] = {}
    for group in groups:
        address = group.address
        action = _action(group, subject)
        if not address or action is None:
            continue
        diagnostic = group.fields.get("diagnostic-code", "")
        beside = words.get(group.final.lower()) or words.get(group.original.lower()) or alone
        reason = diagnostic if diagnostic.partition(";")[2].strip() or (diagnostic and ";" not in diagnostic) else beside
        verdict = judge(reason, group.fields.get("status", ""), beside, action is not BounceAction.FAILED)
        if verdict.cause in VAGUE and alone and not reason.strip().lower().startswith("smtp"):
            verdict = judge(alone, group.fields.get("status", ""), alone, action is not BounceAction.FAILED)
        original = group.original if "@" in group.original and group.original.lower() != address.lower() else ""
        one = BouncedRecipient(address, verdict.status, action, verdict.hard, tidy(reason), original)
        seen.setdefault(address.lower(), one)
    return list(seen.values())


def _action(group: StatusGroup, subject: str) -> BounceAction | None:
    """What happened to the recipient; None for one that was delivered (RFC 3464, 2.3.3)."""
    action = group.fields.get("action", "").lower()
    if action.startswith(("deliver", "success")):
        return None
    if action.startswith(("relay", "expand")):
        return BounceAction.RELAYED
    if action.startswith("delay"):
        return BounceAction.DELAYED
    status = group.fields.get("status", "")
    if not action and status.startswith("2."):
        return None
    if not action and status.startswith("4.") and _DELAYED.search(subject):
        return BounceAction.DELAYED
    return BounceAction.FAILED


def _from_prose(message: Message, report: str, returned: str) -> list[BouncedRecipient]:
    """The recipients of a report in free words."""
    skip = _own_addresses(message, returned) | {found.group(1).lower() for found in _LOGGED_ID.finditer(report)}
    sender = next((address.email for address in message.from_), "")
    found = find_recipients(report, skip, sender.rpartition("@")[2] if sender.lower().startswith("mailer-daemon") else "")
    failed = [clean(name) or address_of(name) for value in message.header_all("X-Failed-Recipients") for name in value.split(",")]
    if any(failed):
        by_address = {one.address.lower(): one.words for one in found}
        whole = report if len(failed) == 1 or not found else ""
        found = [Found(name, by_address.get(name.lower(), "") or whole) for name in failed if name]
    if not found:
        found = [Found(name, report) for name in _returned_to(returned, skip)]
    elif len(found) == 1:
        found = [Found(found[0].address, found[0].words)]
    delayed = bool(_DELAYED.search(report[:6_000]) or _DELAYED.search(message.subject)) and "permanent error" not in report
    action = BounceAction.DELAYED if delayed else BounceAction.FAILED
    recipients = []
    for one in found:
        verdict = judge(one.words, context=report if len(found) == 1 else "", delayed=delayed)
        if len(found) == 1 and verdict.cause in VAGUE:
            verdict = judge(f"{report} {message.subject}", context=report, delayed=delayed)
        recipients.append(BouncedRecipient(one.address, verdict.status, action, verdict.hard, tidy(one.words)))
    return recipients


def _own_addresses(message: Message, returned: str) -> set[str]:
    """Addresses that cannot have failed: who gets the report, who made it, who sent the returned message."""
    own = {address.key for address in (*message.to, *message.from_)}
    head = returned[:8_000]
    return own | {found.group(1).lower() for found in _RETURN_PATH.finditer(head)}


def _returned_to(returned: str, skip: set[str]) -> list[str]:
    """Whom the returned message was for, by its headers."""
    head = returned[:8_000]
    names = [clean(found.group(1)) for found in _FOR.finditer(head)]
    if not names:
        for found in _TO_FIELD.finditer(head):
            names += [clean(address_of(name)) for name in found.group(1).split(",")]
    unique = dict.fromkeys(name for name in names if name and name.lower() not in skip)
    return list(unique)[:1] if len(unique) > 5 else list(unique)


def _original(message: Message, report: str, returned: str, fields: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """The Message-ID of the message that is returned, and those that it refers to."""
    found = _MESSAGE_ID.search(returned[:MAX_TEXT]) or _TOLD_ID.search(report)
    message_id = found.group(1) if found else fields.get("x-original-message-id", "").strip("<> ")
    named = _REFERENCES.search(returned[:MAX_TEXT])
    references = [hit.group(1) for hit in _ID.finditer(named.group(1))] if named else []
    if not message_id:
        message_id = next(iter(message.in_reply_to), "") or message.header("X-Original-Message-ID").strip("<> ")
        references = references or list(message.references)
    return message_id, tuple(dict.fromkeys(references))[:100]
