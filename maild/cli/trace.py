"""This is where `maild trace` is: everything that is known of a message, a case, an address or a queue id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    @app.command()
    def trace(
        ctx: typer.Context,
        what: Annotated[str, typer.Argument(help="A Message-ID, case number, address, spool or queue id, or subject words.")],
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
        limit: Annotated[int, typer.Option(help="At most so many messages.")] = 20,
    ) -> None:  # fmt: skip
        """Why did this message go where it went: signals, rules, writes, mails, refusals."""
        from maild.store import tracing

        store = invocation(ctx).store()
        found: dict[str, Any] = {"messages": [], "outgoing": [], "refused": []}
        if store is not None:
            with store.read() as connection:
                found = tracing.find(connection, what, limit)
        if json:
            show.as_json(found)
        else:
            for line in lines(found):
                show.line(line)
        if not any(found.values()):
            show.error(f"no message, outgoing mail or refusal of the last 7 days is known by {what!r}")
            raise typer.Exit(1)


def lines(found: dict[str, Any]) -> list[str]:
    """A trace for people."""
    out: list[str] = []
    for one in found["messages"]:
        trace = one["trace"] or {}
        out.append(f"{show.instant(one['received_at'])}  {one['message_id'] or '(no Message-ID)'}  from {one['sender'] or one['mail_from'] or '<>'}")
        out.append(f"  subject     {one['subject']}")
        out.append(f"  accepted    by {one['door']} as {one['id']} for {', '.join(one['rcpt_to'])}")
        out.append(f"  became      {one['disposition'] or one['state']}" + (f" of case {one['case']}" if one["case"] else "") + (f": {one['reason']}" if one["reason"] else ""))
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
