"""This is where maild keeps the closed list of what it logs: each event, what it means, and what to do about it.

`docs/reference/events.md` and the table in `docs/howto/operations.md` are made from this list.
"""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """What an event means in plain words, and what a person does about it ('' where nothing is to be done).

    In ``action`` a name in braces is replaced by the field of that name (`{spool_id}`), or shown as SPOOL_ID where the
    event has no such field. ``level`` is the usual one; the place that logs decides.
    """

    meaning: str
    action: str = ""
    level: str = "info"


_SPOOL = "run: maild spool show {spool_id}"
_OUTBOX = "run: maild outbox show {outbox_id}"

EVENTS: dict[str, Event] = {
    # the daemon
    "daemon.started": Event("maild has started and opens its listeners"),
    "daemon.ready": Event("maild accepts mail"),
    "daemon.stopping": Event("maild has been asked to stop and finishes what it has begun"),
    "daemon.stopped": Event("maild has stopped; every accepted message is stored"),
    "daemon.downtime": Event(
        "no maild ran for a while; what fell due in that time is done now and marked late",
        "look at what is marked late: maild sla report", "warning"),
    "daemon.worker_died": Event(
        "a worker process ended unexpectedly and was replaced; its message is tried again",
        "if it comes again: maild spool list shows which message it is; maild bundle MESSAGE-ID reports it", "error"),
    "daemon.worker_killed": Event(
        "a process was too long at one message, or did not stop in time, and was ended; its message is tried again",
        "run: maild spool list, it shows messages with several attempts", "error"),
    "daemon.failed": Event(
        "the listeners cannot be opened; maild ends",
        "see the reason (another program on the port?), then: systemctl restart maild", "error"),
    "daemon.fault": Event(
        "a fault in maild itself; the work was kept", "report this line with its traceback", "error"),
    # configuration
    "config.loaded": Event("the configuration is live"),
    "config.refused": Event(
        "the configuration has faults; the last good one stays live", "run: maild check", "error"),
    "rules.tests_unfinished": Event(
        "the tests beside the rules took too long to be all run before the configuration went live",
        "run: maild rules test", "warning"),
    "canary.refused": Event(
        "the canary's rules no longer fit the configuration; it rests", "run: maild rules canary report", "warning"),
    "config.waits_for_restart": Event(
        "a change of listeners, database, state_dir or workers waits for a restart",
        "run: systemctl restart maild", "warning"),
    # store
    "store.unavailable": Event(
        "the database does not answer; mail is answered 451 and tried again by the senders",
        "run: maild check --connect", "error"),
    "store.back": Event("the database answers again"),
    # doors
    "door.listening": Event("a listener takes mail"),
    "door.closed": Event("a listener was closed"),
    "door.refused": Event("a client or recipient was refused at the door", "run: maild trace {address}"),
    "door.limited": Event(
        "a client went over a limit of the door",
        "if it is wanted, name its network in ingest.smtp.trusted", "warning"),
    "door.session_failed": Event(
        "a session ended by a fault; what was not answered with 250 is sent again",
        "if it comes again, report the lines around it", "warning"),
    # messages
    "message.accepted": Event("a message is durable; the sender has its answer"),
    "message.repeated": Event("the same message came again and was not stored twice"),
    "message.processed": Event("the mailroom is done with a message"),
    "message.held": Event("a message waits for a person", _SPOOL, "warning"),
    "message.discarded": Event("a message was discarded by a rule or a person"),
    "message.retried": Event("a message could not be processed and is tried again", _SPOOL, "warning"),
    "message.taken_over": Event(
        "a worker was stopped for longer than its lease; another did its work, and nothing was done twice",
        "if it comes again: the machine is overloaded, or was suspended", "warning"),
    "message.failed": Event(
        "a fault of maild's own while processing a message; the message is kept and tried again",
        "report it: maild bundle {message_id}", "error"),
    # cases
    "case.created": Event("a case was made"),
    "case.updated": Event("a case has a new message or value"),
    "case.reopened": Event("a resolved case is open again"),
    # outgoing mail
    "outbox.sent": Event("the smarthost took a mail"),
    "outbox.deferred": Event("the smarthost did not take a mail now; it is tried again"),
    "outbox.failed": Event("a mail could not be sent for good", _OUTBOX, "error"),
    "outbox.held": Event(
        "outgoing mail waits for approval", "run: maild outbox list, then: maild outbox approve", "warning"),
    "outbox.smarthost_failed": Event(
        "the smarthost as a whole cannot be used; mail waits and is tried again",
        "run: maild check --connect", "error"),
    "outbox.smarthost_back": Event("the smarthost takes mail again"),
    "outbox.bounced": Event("a mail of ours came back", "run: maild case show {case}", "warning"),
    "answer.breaker": Event(
        "too many automatic answers at once; they pause for an hour",
        "see what causes them: maild report; go on earlier: maild resume automatic", "error"),
    # IMAP
    "imap.connected": Event("an IMAP account is connected"),
    "imap.failed": Event(
        "an IMAP account cannot be read now; it is tried again", "run: maild check --connect", "warning"),
    "imap.refused": Event(
        "an IMAP account refuses the login; it is tried again, more and more slowly",
        "check username and password of mailbox {mailbox}, then: maild check --connect", "error"),
    "imap.fetched": Event("messages were fetched by IMAP"),
    "imap.message_failed": Event(
        "one message of an IMAP folder could not be fetched; it stays there", "look at it in the folder", "warning"),
    "oauth.expiring": Event(
        "the OAuth token of a mailbox expires soon", "renew it before {expires}", "warning"),
    # time
    "sla.warning": Event("a deadline comes near; an escalation step ran", "run: maild case show {case}", "warning"),
    "sla.violated": Event("a deadline has passed", "run: maild case show {case}", "warning"),
    "sla.escalated": Event("an escalation step at or after the deadline ran", "run: maild case show {case}", "warning"),
    "workflow.ran": Event("a workflow acted"),
    "workflow.failed": Event(
        "a workflow could not act on a case; the others go on", "run: maild trace {case}", "error"),
    "workflow.cut": Event(
        "workflows set each other off and were cut",
        "change their conditions so that they come to an end: maild workflow list", "error"),
    "webhook.sent": Event("a webhook was taken"),
    "webhook.failed": Event(
        "a webhook was not taken; it is tried again, for three days", "see the reason and the receiver's log", "warning"),
    "survey.answered": Event("a satisfaction survey was answered"),
    "sweep.failed": Event(
        "a sweep failed; the next one comes at its time and takes up what this one left",
        "if it comes again, report the lines around it", "error"),
    "clock.jumped": Event(
        "the clock of this machine jumped; what is due is done slowly",
        "check the time service (timedatectl); held back mail: maild outbox list", "error"),
    # surroundings
    "nodes.differ": Event(
        "several daemons on one database run different configurations",
        "bring the same files to each machine, and run there: maild reload", "error"),
    "incoming.bad": Event(
        "a file in incoming/ could not be taken; it was moved to incoming/bad",
        "look at it; to take it after all: maild deliver --to ADDRESS FILE", "error"),
    "disk.low": Event(
        "little room is left on the disk of state_dir; at the limit mail is answered 452",
        "make room on the disk", "error"),
    "retention.ended": Event("what is older than `retention` keeps it was removed: so many mails' bytes, held mails, closed cases"),
    "disk.back": Event("there is room on the disk again"),
    "control.refused": Event("something on the control socket was refused", "run: maild status", "warning"),
    "web.listening": Event("health, metrics and survey pages are served"),
    "web.failed": Event("the web listener failed; mail is not concerned", "see the reason; change web.listen", "error"),
    "library.warned": Event(
        "a library that maild uses gave a warning", "if mail is late or missing, report this line", "warning"),
}  # fmt: skip
