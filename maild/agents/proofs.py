"""This is where a mail in an agent's name is proven, or held and asked about: "was this you?" and the answer to it."""

from __future__ import annotations

import re
from datetime import timedelta

from maild.agents import held
from maild.agents.letters import Letter, Outcome, block_of, is_automatic, names_around, own_words, refuse
from maild.ingest.belief import Belief, believe
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind
from maild.plain.tokens import read_word, sign_token, verify_token
from maild.store import agents, people, spool

CONFIRM = "confirm"  # the purpose of the token in "was this you?"
ASKS_AN_HOUR = 10  # such questions to one agent; what comes after is held all the same
TELL_ADMINS_AT = 3
_NO = re.compile(r"\A\W*(?:no|nope|not|nein|nicht|non|nee|nie|нет)\b|\bnot me\b|\bwas ?n[o']t me\b", re.IGNORECASE)
_YES = re.compile(r"\A\W*(?:yes|yep|ok|ja|jawohl|oui|s[ií]|sim|tak|да|it was me)\b", re.IGNORECASE)


def believed(letter: Letter) -> Belief:
    """Whether the mail is theirs: proven (`ingest.belief`), or confirmed by their answer to our question."""
    desk, entry, reading = letter.desk, letter.entry, letter.reading
    if entry.released_by == f"confirmed:{letter.user}":
        return Belief(by="their answer to “was this you?”")
    users = desk.office.settings.directory.users
    others = frozenset(
        name.casefold()
        for key, user in users.items() if key != letter.user
        for name in (key, user.login or key, *user.email)
    )  # fmt: skip
    reader = people.reader_number(desk.connection, letter.user)
    word = read_word(desk.office.keyring, letter.message.new_text)
    answers = letter.thread.reader == reader or (
        word is not None and letter.thread.case is not None
        and (word.case, word.reader) == (letter.thread.case.number, reader) and int(word.serial) >= desk.now.timestamp()
    )  # fmt: skip
    answers = answers or bool(held.listed(desk, reading.keys.ids, letter.user, users[letter.user].email[0]))
    return believe(
        letter.message, reading.identity, reading.authentication, key=letter.user, user=users[letter.user],
        trust=desk.office.settings.main.agents.trust, others=others, login=entry.login, door=entry.door,
        token_is_theirs=answers,
    )  # fmt: skip


def hold(letter: Letter, belief: Belief) -> Outcome:
    """Nothing is applied or sent; the agent is asked at the address in directory.yaml."""
    desk, user = letter.desk, letter.desk.office.settings.directory.users[letter.user]
    letter.trace["unproven"] = letter.user
    since = desk.now - timedelta(hours=1)
    before = agents.count_unproven(desk.connection, letter.user, since)
    if before + 1 == TELL_ADMINS_AT:
        desk.tell_admins(
            f"{TELL_ADMINS_AT} mails in the name of {letter.user} within an hour could not be proven",
            "run: maild spool list", belief.why_not,
        )  # fmt: skip
    if user.active and before < ASKS_AN_HOUR:
        token = sign_token(desk.office.keyring, CONFIRM, letter.entry.id, str(people.reader_number(desk.connection, letter.user)))
        block = block_of(letter.message, names_around(letter))
        desk.enqueue(
            Draft(
                kind=OutgoingKind.REFUSED, template="was_this_you", mailbox=letter.mailbox, case=None,
                to=(Address(user.name, user.email[0]),), reader=people.reader_number(desk.connection, letter.user),
                language=user.language or "", title=letter.message.subject,
                names={
                    "event": {
                        "type": "was_this_you", "subject": letter.message.subject, "reason": belief.why_not,
                        "text": (letter.message.new_text or letter.message.text)[:4000],
                        "lines": [command.line for command in block.commands],
                    },
                    "now": desk.now,
                },
                parent_references=(f"{token}@{CONFIRM}.invalid",), headers=(("X-Maild-Event", "was_this_you"),),
            )
        )  # fmt: skip
    return Outcome("held", None, f"{agents.UNPROVEN}{letter.user}: {belief.why_not}")


def confirmation(letter: Letter) -> Outcome | None:
    """The answer to "was this you?": it releases the mail that was held, once."""
    desk = letter.desk
    token = next(
        (
            parts for one in letter.reading.keys.ids
            if (parts := verify_token(desk.office.keyring, CONFIRM, one.partition("@")[0])) is not None and len(parts) == 2
        ),
        None,
    )  # fmt: skip
    if token is None:
        return None
    spool_id, reader = token
    identity = letter.reading.identity
    theirs = identity.source == "from" and identity.address is not None
    theirs = theirs and desk.office.addresses.user_of(identity.address.email if identity.address else "") == letter.user
    if not theirs or str(people.reader_number(desk.connection, letter.user)) != reader:
        return Outcome("held", None, f"{agents.UNPROVEN}{letter.user}: it answers a question that another was asked")
    if is_automatic(letter.reading.classification.automatic, letter.reading.classification.kind):
        return Outcome("ignored", None, "a machine's answer to a question that only a person can answer")
    entry = spool.find(desk.connection, spool_id)
    trace = spool.details(desk.connection, entry.seq).trace or {} if entry is not None else {}
    if entry is None or entry.state.value != "held" or trace.get("unproven") != letter.user:
        return Outcome("ignored", None, f"the mail {spool_id} waits for no answer any more")
    said = own_words(letter.message).strip()
    if _NO.search(said):
        desk.tell_admins(f"{letter.user} did not send the mail {spool_id} that came in their name", f"run: maild spool show {spool_id}")
        return Outcome("ignored", None, f"{letter.user} says that {spool_id} was not theirs")
    if not (_YES.search(said) or len(said.split()) <= 12):
        return refuse(letter, None, "it does not say yes or no", "answer with the one word yes")
    spool.release(desk.connection, entry.seq, f"confirmed:{letter.user}")
    return Outcome("commands", None, f"{letter.user} wrote {spool_id}: released")
