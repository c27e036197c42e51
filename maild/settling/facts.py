"""This is where the facts are gathered by which the rules decide; what they say is kept with the message, for replay."""

from __future__ import annotations

from maild.model.case import Case
from maild.rules.facts import CaseFacts, ContactFacts, Facts, OrganisationFacts
from maild.settling.matter import Matter
from maild.threads import Thread


def gather(matter: Matter, mailbox: str, thread: Thread, follow_up_of: Case | None = None) -> Facts:
    """All that a rule may look at: the message, who wrote it, and the case that it answers or follows."""
    writer, organisation = matter.writer, matter.organisation_of_author()
    case = thread.case or follow_up_of
    person = None
    if matter.author is not None:
        person = ContactFacts(
            known=writer is not None, email=matter.author.email, name=writer.name if writer else matter.author.name,
            phone=writer.phone if writer else "", language=writer.language if writer else "",
            sla=writer.sla if writer else "", tags=writer.tags if writer else (),
        )  # fmt: skip
    return Facts(
        message=matter.message, mailbox=mailbox, received_at=matter.entry.received_at,
        mailbox_address=matter.office.settings.main.mailboxes[mailbox].address, kind=matter.kind,
        automatic=matter.classification.automatic, sort=matter.classification.sort, recipients=matter.reading.recipients,
        envelope_from=matter.entry.mail_from, envelope_to=matter.entry.rcpt_tos,
        outside=matter.office.closed_calendars(matter.entry.received_at), auth=matter.reading.authentication,
        contact=person,
        organisation=OrganisationFacts(organisation.name, organisation.tags, organisation.sla, organisation.domains)
        if organisation else None,
        case=CaseFacts(
            number=case.number, status=case.status, priority=case.priority, group=case.group or "",
            category=case.category or "", tags=case.tags, sla=case.sla or "", assignee=case.assignee or "",
            fields=case.fields,
        ) if case else None,
        is_answer=thread.case is not None, follow_up_of=follow_up_of.number if follow_up_of else None,
        forwarded_from=matter.reading.forwarded.address,
    )  # fmt: skip
