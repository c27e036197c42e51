from __future__ import annotations

import pytest

from maild.ingest.content import flowed, html_text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Hello <b>Jo</b>,</p><p>bye</p>", "Hello Jo,\n\nbye"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<div>a<div>b</div></div>c", "a\nb\nc"),
        ("<table><tr><td>Label:</td><td>value</td></tr><tr><td>Next:</td><td>other</td></tr></table>",
         "Label: value\nNext: other"),
        ("<table><tr><td><p>Label:</p></td><td><p>value</p></td></tr></table>", "Label: value"),
        ("<table><tr><td>a<tr><td>b</table>", "a\nb"),
        ("<td>loose</td><td>cells</td>", "loose cells"),
        ("<ul><li>one<li>two</ul>", "one\ntwo"),
        ("x<script>alert(1)</script><style>p{}</style>y", "xy"),
        ('a<span style="display:none">preheader</span>b', "ab"),
        ("a<!-- hidden > -->b", "ab"),
        ("a<!-- never closed b", "a never closed b"),
        ("5 < 6 &amp; 7 &gt; 2", "5 < 6 & 7 > 2"),
        ("a&nbsp;&nbsp;b", "a  b"),
        ('<a title="x > y" href="u">link</a>', "link"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<!DOCTYPE html><html><head><title>T</title></head><body>B</body></html>", "B"),
        ("cut off <b", "cut off <b"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("", ""),
    ],
)  # fmt: skip
def test_html_becomes_readable_text(page: str, text: str) -> None:
    assert html_text(page) == text


@pytest.mark.parametrize(
    ("source", "delsp", "text"),
    [
        ("one \ntwo\nthree", False, "one two\nthree"),
        ("one \ntwo", True, "onetwo"),
        ("> a \n> b\nc", False, "> a b\nc"),
        ("> a \n>> b", False, "> a \n>> b"),
        (" >no quote", False, ">no quote"),
        ("Hi \n-- \nJo", False, "Hi \n-- \nJo"),
        ("", False, ""),
    ],
)
def test_flowed_lines_are_joined(source: str, delsp: bool, text: str) -> None:
    assert flowed(source, delsp) == text
