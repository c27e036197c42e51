"""This is where `maild trace` is: everything that is known of a message, a case, an address or a queue id; and `maild why`,
which is the gist of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.given import moment


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    @app.command()
    def trace(
        ctx: typer.Context,
        what: Annotated[str, typer.Argument(help="A Message-ID, case number, address, spool or queue id, or subject words.")],
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
        limit: Annotated[int, typer.Option(min=1, help="At most so many messages, the newest.")] = 20,
        since: Annotated[str | None, typer.Option(help="Come since: 2d, 4h, or 2026-11-01.")] = None,
    ) -> None:  # fmt: skip
        """Why did this message go where it went: signals, rules, writes, mails, refusals."""
        found = _found(ctx, what, limit, moment(since) if since else None)
        if json:
            show.as_json(found)
        else:
            for line in lines(found):
                show.line(line)
        if not any(found.values()):
            _unknown(what)

    @app.command()
    def why(ctx: typer.Context, what: Annotated[str, typer.Argument(help="A case number, Message-ID, or spool id.")]) -> None:
        """The first mail of a case in a few lines: which rule, which words, who was told, why no acknowledgement."""
        found = _found(ctx, what, 1000, None)["messages"]
        if not found:
            _unknown(what)
        for line in gist(found[0]):
            show.line(line)


def _found(ctx: typer.Context, what: str, limit: int, since: datetime | None) -> dict[str, Any]:
    from maild.store import tracing

    store = invocation(ctx).store()
    if store is None:
        return {"messages": [], "outgoing": [], "refused": []}
    with store.read() as connection:
        return tracing.find(connection, what, limit, since)


def _unknown(what: str) -> NoReturn:
    show.error(f"no message, outgoing mail or refusal of the last 7 days is known by {what!r}")
    raise typer.Exit(1)


def became(one: dict[str, Any]) -> str:
    """What a message became, in words: `a new case, case 7`."""
    words = {
        "case": "a new case", "answer": "an answer", "update": "an update", "follow_up": "a follow-up", "bounce": "a bounce",
    }  # fmt: skip
    name = one["disposition"] or one["state"]
    if name == "answer" and (one["trace"] or {}).get("kind") == "auto_reply":
        words["answer"] = "an automatic answer, which nobody is told of"
    case = f", case {one['case']}" if one["case"] else ""
    return f"{words.get(name, name)}{case}" + (f": {one['reason']}" if one["reason"] else "")


def matched_words(condition: dict[str, Any] | None) -> list[str]:
    """The words of the message by which a rule's conditions held."""
    if not condition or not condition.get("held"):
        return []
    found = [str(word) for word in condition.get("words") or ()]
    for part in condition.get("parts") or ():
        found += matched_words(part)
    return list(dict.fromkeys(found))


_ORDERS = {"match_organisation", "create_contact", "update", "reply", "notify", "user"}  # what is done, not what is written


def written(decision: dict[str, Any]) -> str:
    """The values that rules gave the case: `priority high, tags returns`."""
    found = []
    for write in decision.get("writes", []):
        value = write.get("value")
        if write.get("used") and write["name"] not in _ORDERS:
            found.append(f"{write['name']} {' '.join(map(str, value)) if isinstance(value, list) else value}")
    return ", ".join(found)


def gist(one: dict[str, Any]) -> list[str]:
    """One message in a few lines."""
    trace = one["trace"] or {}
    decision = (trace.get("decision") or {}).get("trace") or {}
    out = [f"{one['subject'] or '(no subject)'}, from {trace.get('from') or one['mail_from'] or '<>'}: {became(one)}"]
    matched = [tried for tried in decision.get("tried", []) if tried.get("matched")]
    for tried in matched:
        words = ", ".join(matched_words(tried.get("condition")))
        out.append(f"rule      {tried['rule']}" + (f", by {words}" if words else ""))
    if not matched:
        out.append("rule      none matched")
    if wrote := written(decision):
        out.append(f"wrote     {wrote}")
    out += [f"thread    {signal}" for signal in trace.get("threading", []) if "new matter" not in signal]
    told = [who for mail in one["mails"] if mail["kind"] == "notification" for who in mail["to"]]
    out.append(f"told      {', '.join(told) or 'nobody'}")
    answered = next((mail for mail in one["mails"] if mail["kind"] == "acknowledgement"), None)
    if answered is not None:
        out.append(f"answered  {', '.join(answered['to'])}: {answered['subject']}")
    elif why := (trace.get("answer") or {}).get("why_not"):
        out.append(f"answered  nobody: {why}")
    return out


def lines(found: dict[str, Any]) -> list[str]:
    """A trace for people."""
    out: list[str] = []
    for one in found["messages"]:
        trace = one["trace"] or {}
        out.append(f"{show.instant(one['received_at'])}  {one['message_id'] or '(no Message-ID)'}  from {one['sender'] or one['mail_from'] or '<>'}")
        out.append(f"  subject     {one['subject']}")
        out.append(f"  accepted    by {one['door']} as {one['id']} for {', '.join(one['rcpt_to'])}")
        out.append(f"  became      {became(one)}")
        out += [f"  decided by  configuration {one['config_hash'][:12]} (maild rules history)"] if one.get("config_hash") else []
        out.append(f"  kind        {trace.get('kind')}, automatic {trace.get('automatic')}" + "".join(f"; {sign}" for sign in trace.get("signs", [])))
        out.append(f"  sender      {trace.get('from') or 'nobody known'} ({trace.get('identity')}); authentication: {trace.get('authentication') or 'none'}")
        if trace.get("sealed"):
            out.append(f"  sealed      {', '.join(trace['sealed'])}")
        out += [f"  thread      {signal}" for signal in trace.get("threading", [])]
        decision = trace.get("decision") or {}
        for tried in (decision.get("trace") or {}).get("tried", []):
            verdict = "matched" if tried.get("matched") else "did not match"
            out.append(f"  rule        {tried.get('rule')}: {verdict}" + (f" ({tried['why']})" if tried.get("why") else ""))
            out += _conditions(tried.get("condition"), 1)
        for write in (decision.get("trace") or {}).get("writes", []):
            used = "" if write.get("used") else f" (not used: {write.get('why')})"
            out.append(f"  wrote       {write.get('name')} = {write.get('value')} by rule {write.get('rule')}{used}")
        if trace.get("update"):
            out.append(f"  update      {trace['update']}")
        answer = trace.get("answer") or {}
        if answer.get("why_not"):
            out.append(f"  no answer   {answer['why_not']}")
        out += [f"  defect      {defect}" for defect in trace.get("defects", [])]
        out += [f"  sent        {mail['kind']} {mail['state']} to {', '.join(mail['to'])}: {mail['subject']}" for mail in one["mails"]]
    for mail in found["outgoing"]:
        out.append(f"outgoing {mail['id']}: {mail['kind']} {mail['state']} to {', '.join(mail['to'])}: {mail['subject']}" + (f" ({mail['reason']})" if mail["reason"] else ""))
    for refusal in found["refused"]:
        out.append(f"{show.instant(refusal['at'])}  refused at the door: {refusal['reply']} (from {refusal['mail_from'] or '<>'} to {refusal['rcpt'] or '-'}, client {refusal['client'] or 'local'})")
    return out


def _conditions(condition: dict[str, Any] | None, depth: int) -> list[str]:
    if not condition:
        return []
    seen = f", seen {condition['seen']!r}" if condition.get("seen") else ""
    words = f", matched {', '.join(condition['words'])!r}" if condition.get("words") else ""
    out = [f"  {'':12}{'  ' * depth}{'yes' if condition.get('held') else 'no '} {condition.get('text')}{seen}{words}"]
    for part in condition.get("parts") or ():
        out += _conditions(part, depth + 1)
    return out
