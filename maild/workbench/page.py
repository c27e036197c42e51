"""This is where a replay becomes one HTML page for a review: what differs, summed and message by message."""

from __future__ import annotations

from html import escape

from maild.workbench.comparing import shown
from maild.workbench.replay import Replayed, said

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #ddd}
th{background:#f4f4f4}del{color:#a11;text-decoration:none;background:#fdecec}ins{color:#161;text-decoration:none;background:#e9f7e9}
small{color:#666}"""
MOST = 5000  # messages that the page lists


def page(found: Replayed, title: str) -> str:
    """A whole HTML document; everything from mails is escaped."""
    sums = "\n".join(
        f"<tr><td>{count:,}</td><td>{escape(said(what, before, after))}</td></tr>"
        for (what, before, after), count in found.sums.most_common()
    )
    rows = "\n".join(
        f"<tr><td>{escape(one.received_at.strftime('%Y-%m-%d %H:%M'))}</td>"
        f"<td>{escape(one.sender)}<br><b>{escape(one.subject)}</b><br><small>{escape(one.message_id or one.spool_id)}</small></td>"
        f"<td>{escape(one.rule_before or '(none)')}<br>→ {escape(one.rule_after or '(none)')}</td><td>"
        + "<br>".join(
            f"{escape(what)}: <del>{escape(shown(before))}</del> <ins>{escape(shown(after))}</ins>"
            for what, before, after in one.differences
        )
        + "</td></tr>"
        for one in found.changed[:MOST]
    )
    left = f"<p>{len(found.changed) - MOST:,} more are not listed.</p>" if len(found.changed) > MOST else ""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>
<h1>{escape(title)}</h1>
<p>{escape(found.sentences(0)[0])} {found.passed_over:,} were met by no rule (bounces and the like) and are left out.</p>
<table><tr><th>messages</th><th>what would differ</th></tr>
{sums}
</table>
<h2>Message by message</h2>
<table><tr><th>received</th><th>message</th><th>rule</th><th>before and after</th></tr>
{rows}
</table>{left}
</html>
"""
