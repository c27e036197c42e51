"""This is where an agent's words go out: commands in their order, the answer to the customer, what must not go out."""

from __future__ import annotations

from datetime import timedelta

from maild import casework
from maild.agents import acts, own
from maild.agents import html as agent_html
from maild.agents import reads as agent_reads
from maild.agents.asking import with_parts
from maild.agents.belonging import join
from maild.agents.letters import Letter, first_line, mail, only_signs, outsiders, sent_along, stays_internal
from maild.agents.work import Work
from maild.cases import leak, lifecycle
from maild.cases.commands import Block, Phase, find
from maild.errors import CaseError
from maild.model.case import Case, Status, StreamType
from maild.outbound.words import when
from maild.store import agents, cases
from maild.store.agents import MailedTo


class HeldBack(CaseError):
    """The answer is not sent but given back; ``quote`` is what the agent should read before sending it all the same."""

    def __init__(self, reason: str, quote: str) -> None:
        self.quote = quote
        super().__init__(reason)


def work_of(letter: Letter, case: Case, block: Block, about: MailedTo | None) -> Work:
    """The mail's commands on the case, before any is carried out; words that only sign the mail are none."""
    text = "" if only_signs(block.text, letter) and block.commands else block.text
    return Work(
        desk=letter.desk, user=letter.user, case=case, block=block, text=text, about=about, parts=sent_along(letter, "")
    )


def carry_out(work: Work, phase: Phase) -> None:
    """Carry out the commands of one phase, in their order. Raises CaseError."""
    for command in work.block.commands:
        spec = find(command.name)
        if spec is not None and spec.phase is phase:
            acts.carry_out(work, command)


def asks(letter: Letter, work: Work) -> None:
    """Answer the questions in the mail; the answers go with the receipt."""
    for command in work.block.commands:
        spec = find(command.name)
        if spec is not None and spec.phase is Phase.ASKS:
            text, parts = agent_reads.answer(work.desk, work.user, work.case, work.about, command)
            work.texts.append(text)
            work.enclosed += parts


def answer(letter: Letter, work: Work) -> None:
    """The text goes to the customer from the mailbox, with what came along."""
    desk, settings = letter.desk, letter.desk.office.settings
    had = [one.email for one in (*letter.message.to, *letter.message.cc)]
    new = [one for one in outsiders(letter) if join(work, one.email, one.name)]
    text = "\n\n".join(part for part in (work.text.strip(), work.quoted.strip()) if part)
    html = "" if work.quoted or work.block.has("use") else agent_html.answer_html(letter.message.html, text, work.block.taken)
    said = [text, html]
    text, html = (own.hidden(desk, letter.user, work.case.mailbox, one) for one in said)
    grace = timedelta() if work.block.has("now") else settings.main.agents.grace
    letter.record(work.case, public=False)
    mails = len(desk.mails)
    work.case = casework.reply(
        desk, work.case, letter.user, text, html=html, attachments=(*work.parts_for(html), *(() if work.block.has("ask") else with_parts(work))),
        not_before=desk.now + grace if grace else None, had=had,
    )  # fmt: skip
    sent = desk.mails[mails:]
    work.journal.answer = sent[0][0] if sent else None
    work.lines += [f"{one.email} takes part" for one in new]
    to = ", ".join(sent[0][1].recipients) if sent else "nobody: all of them had your mail already"
    work.lines.append(f"to {to}: {first_line(text)}")
    if [text, html] != said:
        work.lines.append(f"your own address in it is {settings.main.mailboxes[work.case.mailbox].address} now")
    if grace and sent:
        at = (desk.now + grace).astimezone(desk.zone_of(letter.user))
        work.lines.append(f"it goes out at {at:%H:%M:%S}; answer #undo to stop it")


def after_reply(work: Work) -> None:
    """The status that an answer leaves, as configured: not on cases that are resolved or closed."""
    wanted = work.desk.office.settings.main.agents.after_reply
    now = work.case.status
    if now is wanted or now in {Status.RESOLVED, Status.CLOSED} or wanted not in lifecycle.TRANSITIONS[now]:
        return
    if wanted in {Status.NEW, Status.ASSIGNED} or wanted is Status.CLOSED:
        return
    work.case = casework.change(work.desk, work.case, {"status": wanted}, work.user, because="answered")


def why_back(letter: Letter, work: Work, about: MailedTo | None) -> tuple[str, str] | None:
    """Why the answer comes back instead of going out, and the words that it is about; None where nothing is wrong."""
    desk, users = letter.desk, letter.desk.office.settings.directory.users
    guard = desk.office.settings.main.agents.guard
    if about is not None and guard != "off":
        later = agents.answers_after(desk.connection, work.case.number, about, letter.user, users)
        if later is not None:
            at = when(later.at, desk.now.astimezone(desk.zone_of(letter.user)), "en")
            return f"{users[later.actor].name} answered ({at}) after the mail that you answer", later.text
        if guard == "agents_and_customers":
            wrote = agents.customers_after(desk.connection, work.case.number, about, users)
            if wrote is not None:
                return f"{wrote.actor} wrote after the mail that you answer", wrote.text
    entries = cases.stream_of(desk.connection, work.case.number)
    wordy = {StreamType.NOTE, StreamType.MESSAGE}
    internal = [one.text for one in entries if not one.public and one.actor != letter.user and one.type in wordy]
    internal += _fact_lines(about.text) if about is not None else []
    seen = [one.text for one in entries if one.public or one.actor == letter.user]
    shown = leak.leaked(work.text, internal, [*seen, work.case.title])
    return (f"this would have shown the customer what is internal: “{shown}”", "") if shown else None


def _fact_lines(text: str) -> list[str]:
    """The lines of a notification that say how the case stands, and its warnings."""
    statuses = tuple(f"{status} · " for status in Status)
    return [line for line in text.split("\n") if line.startswith(statuses) or line.startswith("! ")]


def receipt(letter: Letter, work: Work) -> None:
    """Tell the agent what was done."""
    internal = work.block.has("note") or stays_internal(letter, work.case, work.about)
    mail(
        letter, work.case, "receipt", lines=work.lines, text="\n\n".join(work.texts), attachments=tuple(work.enclosed),
        event="receipt", internal=internal,
    )  # fmt: skip
