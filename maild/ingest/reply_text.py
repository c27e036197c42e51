"""This is where maild takes out of a mail what the person wrote now, without quotation and signature.

Where the cut is doubtful more is shown, not less: the worst that can happen is an answer that disappears. Each line
is given a kind; a quotation is cut where it stands at the end, or at the start under its attribution; between the
lines of an answer it stays as context. Time grows with the size of the mail, never faster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum

import re2

from maild.ingest import html_quotes
from maild.ingest.quote_forms import (
    as_read,
    attribution_length,
    header_block_length,
    is_bare_original,
    is_certain_attribution,
    is_forward_separator,
    is_list_footer,
    is_marker,
    is_original_separator,
    is_quoted,
    is_rule,
    is_titled_rule,
    label_of,
    notes_block_length,
    points_below,
)
from maild.ingest.signature import closing_line, signature_line, signature_start
from maild.plain.patterns import compiled

__all__ = ["DEFAULT_BANNERS", "new_text", "signature_start", "subject_without_banner"]

MAX_ANALYSED = 200_000  # characters; what is behind stays attached to what was kept
MAX_LINES = 5_000
MAX_ROUNDS = 4  # a signature below a quotation below a signature …
MAX_BANNER_LINES = 12
WRAPPED_AT = (72, 78)  # characters; programs that break long lines do it between these
SAME_WORDS = 0.95  # of the words, to take two texts for the same

# lines that mail systems put on top of foreign mail; RE2, without case, at the start of a line
DEFAULT_BANNERS: tuple[str, ...] = (
    r"\W*\[?(external|extern|externe?r? absender|externe|externo|esterno|externt?|zewnętrzn\w*|внешн\w+)( (e-?mail|sender|message|mail|nachricht|correo|mittente|afzender|bericht))?\]\W*$",
    r"\W*(caution|warning|attention|achtung|vorsicht|warnung|atención|precaución|attenzione|let op|waarschuwing|varning|advarsel|uwaga|be careful)\b.*(external|outside|extern|externe|externo|esterno|außerhalb|hors de|ext[ée]rieur|fuera de|buiten|zewn)",
    r"\W*this (e-?mail|message) (originated|came|was sent|is|comes|has been sent) (from )?(an )?(outside|external)",
    r"\W*(this is an )?external (e-?mail|sender|message)\b.*$",
    r"\W*you don'?t often get e-?mail from\b",
    r"\W*(some people who received this message don'?t often get email from)\b",
    r"\W*do not click (on )?(any )?links? or open (any )?attachments?\b",
    r"\W*diese (e-?mail|nachricht) (kommt|stammt|wurde) .*(extern|außerhalb)",
    r"\W*(klicken sie|öffnen sie) .*(links?|anhänge?|anlagen?)\b.*(absender|vertrauen|sicher|kennen)",
    r"\W*sie erhalten nicht (oft|häufig) eine? e-?mails? von\b",
    r"\W*ce (message|courriel|mail|e-mail) (provient|vient|a été envoyé) .*(extérieur|externe|en dehors)",
    r"\W*ne cliquez (pas|sur aucun)\b.*(lien|pièce)",
    r"\W*este (correo|mensaje|e-?mail|email) (proviene|procede|se originó|fue enviado|ha sido enviado) .*(extern|fuera)",
    r"\W*questo (messaggio|e-?mail) (proviene|arriva|è stato inviato) .*(estern|fuori)|\W*questa e-?mail proviene .*(estern|fuori)",
    r"\W*(dit bericht|deze e-?mail) (is|komt|werd) .*(extern|buiten)",
)  # fmt: skip

_DEFAULT = re2.compile("(?i)^(?:" + "|".join(f"(?:{form})" for form in DEFAULT_BANNERS) + ")")


_WORD = re2.compile(r"[\pL\pN]+")


_SUBJECT_TAG = re2.compile(r"(?i)^((re|fwd?|aw|wg|tr|rv|sv|vs|antw|odp)\s*:\s*)*(\[(external|extern\w*|extérieur|esterno|zewnętrzn\w*)( \S+)?\]|\*\*\*? ?external ?\*\*\*?)\s*")


class _Kind(Enum):
    OWN = "o"
    BLANK = "b"
    QUOTE = "q"
    INTRO = "i"  # an attribution: what follows is quoted
    CUT = "c"  # from here on all is quoted, without marks
    FORWARD = "f"


def new_text(text: str, html: str, banners: Sequence[str] = ()) -> str:
    """What the person wrote now.

    ``text`` is the readable body, ``html`` the raw HTML ('' without). ``banners`` are RE2 patterns; matching lines
    at the top are cut, as are the common ones. A pure forward is new text as a whole. If nothing would be left of a
    text that is not empty, all of it is returned, except below a notification's marker, under which nothing is new.
    """
    body = whole = text.replace("\r\n", "\n").replace("\r", "\n")
    if html and html_quotes.has_quotes(html) and not any(is_quoted(line) for line in body[:MAX_ANALYSED].split("\n")):
        marked = "\n".join(html_quotes.marked_lines(html))
        if marked.strip() and _same_words(body, marked):
            body = marked
    head, rest = _bounded(body)
    lines = _without_banners(head.split("\n"), banners)
    above, below = _at_marker(lines)
    if below is not None:
        return _trim(_own(above, "")) or _trim(_answers_below(below))
    if kept := _trim(_own(lines, rest)):
        return kept
    whole = whole if whole.strip() else body
    return _trim(_without_banners(whole.split("\n"), banners))


def subject_without_banner(subject: str, banners: Sequence[str] = ()) -> str:
    """The subject without a tag such as ``[EXTERNAL]`` in front; an answer's "Re:" before the tag stays."""
    found = _SUBJECT_TAG.match(subject)
    if found:
        subject = subject[: found.start(3)] + subject[found.end() :]
    for banner in banners:
        own = compiled(banner).search(subject)
        if own and own.start() == 0:
            subject = subject[own.end() :]
    return subject.strip()


def _same_words(text: str, marked: str) -> bool:
    """Whether the readable text says what the HTML says, so that the HTML with its quotations marked may stand for it."""
    if not text.strip():
        return True
    one, other = Counter(_WORD.findall(text[:MAX_ANALYSED])), Counter(_WORD.findall(marked[:MAX_ANALYSED]))
    return (one & other).total() >= SAME_WORDS * max(one.total(), other.total())


def _bounded(body: str) -> tuple[str, str]:
    """The part that is analysed, ending with a line, and the rest."""
    lines = body[:MAX_ANALYSED].split("\n", MAX_LINES)
    if len(body) <= MAX_ANALYSED and len(lines) <= MAX_LINES:
        return body, ""
    end = sum(len(line) + 1 for line in lines[:MAX_LINES]) - 1
    return body[:end], body[end:].removeprefix("\n")


def _without_banners(lines: list[str], banners: Sequence[str]) -> list[str]:
    """The lines without the banners at the top (and the rule or blank lines under them)."""
    own = [compiled(banner) for banner in banners]
    end = 0
    for number, line in enumerate(lines[:MAX_BANNER_LINES]):
        if not line.strip() or (end and is_rule(line)):
            continue
        short = line[:500]
        if _DEFAULT.match(short) or any(banner.search(short) for banner in own):
            end = number + 1
        else:
            break
    while end and end < len(lines) and (not lines[end].strip() or is_rule(lines[end])):
        end += 1
    return lines[end:] if any(line.strip() for line in lines[end:]) else lines


def _at_marker(lines: list[str]) -> tuple[list[str], list[str] | None]:
    """The lines above the first marker and those from it on; None without a marker."""
    for number, line in enumerate(lines):
        if is_marker(line):
            return lines[:number], lines[number:]
    return lines, None


def _answers_below(below: list[str]) -> list[str]:
    """Answers under a marker that was itself quoted: the lines without a quote mark."""
    if not is_quoted(below[0]):
        return []
    return [line for line in below if not is_quoted(line)]


def _own(lines: list[str], rest: str) -> list[str]:
    """The new lines of a mail; ``rest`` is what was too long to be looked at."""
    begin, end = _own_span([as_read(line) for line in lines], bool(rest))
    return lines[begin:end] + (rest.split("\n") if rest and end == len(lines) else [])


def _own_span(lines: list[str], more: bool) -> tuple[int, int]:
    """Where the new lines begin and end; ``more`` says that the mail goes on behind them."""
    kinds = _kinds(lines)
    first = next((n for n, kind in enumerate(kinds) if kind in (_Kind.CUT, _Kind.FORWARD)), None)
    if first is not None:
        if not _says_something(lines, kinds, first):
            if kinds[first] is _Kind.FORWARD or more:
                return 0, 0  # a forward is new as a whole
            return _between(lines, _kinds(lines, marked_only=True), closing_line)
        if kinds[first] is _Kind.CUT and points_below("\n".join(lines[:first])):
            return 0, 0
        return _between(lines[:first], kinds[:first])
    return (0, len(lines)) if more else _between(lines, kinds)


def _says_something(lines: list[str], kinds: list[_Kind], end: int) -> bool:
    """Whether an own line stands above ``end`` that is no signature."""
    start = signature_line(["x", *lines[:end]]) - 1
    return _any_words(lines, kinds, start)


def _any_words(lines: list[str], kinds: list[_Kind], end: int) -> bool:
    """Whether an own line above ``end`` is more than a drawn line."""
    return any(kinds[n] is _Kind.OWN and not is_rule(lines[n]) for n in range(end))


def _kinds(lines: list[str], marked_only: bool = False) -> list[_Kind]:
    """The kind of each line. From the first that introduces a quotation without marks on all are CUT or FORWARD.

    With ``marked_only`` such introductions are own text, for a mail that begins with one.
    """
    kinds: list[_Kind] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.strip():
            kinds.append(_Kind.BLANK)
            number += 1
            continue
        if is_quoted(line) and (marked_only or not is_original_separator(line)):
            kinds.append(_Kind.QUOTE)
            number += 1
            continue
        if not marked_only and is_forward_separator(line):
            if not _answered_below(lines, number + 1):
                return kinds + [_Kind.FORWARD] * (len(lines) - number)
            kinds.append(_Kind.INTRO)
            number += 1
            continue
        if not marked_only and (length := _quoted_header(lines, number, _rule_above(lines, kinds))):
            kinds = _with_rule(lines, kinds)
            if not _is_marked(lines, number + length):
                return kinds + [_Kind.CUT] * (len(lines) - number)
            kinds += [_Kind.INTRO] * length
            number += length
            continue
        length = attribution_length(lines, number)
        if length:
            following = next((n for n in range(number + length, min(number + length + 6, len(lines))) if lines[n].strip()), None)
            if following is None or is_quoted(lines[following]):
                kinds += [_Kind.INTRO] * length
                number += length
                continue
            if not marked_only and is_certain_attribution(lines[number : number + length]):
                return kinds + [_Kind.CUT] * (len(lines) - number)
        footer = _Kind.QUOTE in kinds[-3:] and is_list_footer(line)
        kinds.append(_Kind.QUOTE if footer else _Kind.OWN)
        number += 1
    return _with_wraps(lines, kinds)


def _quoted_header(lines: list[str], at: int, under_rule: bool) -> int:
    """How many lines a quoted mail's header takes from here: its separator, the block of its fields, or both; 0 for none."""
    if is_original_separator(lines[at]):
        below = next((n for n in range(at + 1, min(at + 4, len(lines))) if lines[n].strip()), len(lines))
        return below - at + header_block_length(lines, below, True) if below < len(lines) and label_of(lines[below]) else 1
    if is_bare_original(lines[at]) and at + 1 < len(lines) and label_of(lines[at + 1]) == "from":
        return 1 + header_block_length(lines, at + 1, True)
    if under_rule or label_of(lines[at]):
        return header_block_length(lines, at, under_rule)
    return notes_block_length(lines, at) if at + 1 < len(lines) and lines[at + 1][:1].isdigit() else 0


def _is_marked(lines: list[str], at: int) -> bool:
    """Whether the next line that is not blank carries a quote mark: then what is quoted is marked, and the rest is not."""
    following = next((lines[n] for n in range(at, min(at + 6, len(lines))) if lines[n].strip()), "")
    return is_quoted(following)


def _answered_below(lines: list[str], at: int) -> bool:
    """Whether marked lines follow here, and below them something without a mark that says something."""
    if not _is_marked(lines, at):
        return False
    below = [line for line in lines[at:] if not is_quoted(line)]
    return any(line.strip() for line in below[: signature_line(["x", *below]) - 1])


def _rule_above(lines: list[str], kinds: list[_Kind]) -> bool:
    """Whether the last line that is not blank is a drawn one."""
    above = len(kinds) - 1
    while above >= 0 and kinds[above] is _Kind.BLANK and above > len(kinds) - 6:
        above -= 1
    return above >= 0 and kinds[above] is _Kind.OWN and (is_rule(lines[above]) or is_titled_rule(lines[above]))


def _with_rule(lines: list[str], kinds: list[_Kind]) -> list[_Kind]:
    """A drawn line right above a quoted header belongs to it."""
    number = len(kinds)
    while number and (kinds[number - 1] is _Kind.BLANK or (kinds[number - 1] is _Kind.OWN and (is_rule(lines[number - 1]) or is_titled_rule(lines[number - 1])))):
        number -= 1
    return kinds[:number] + [_Kind.BLANK] * (len(kinds) - number)


def _with_wraps(lines: list[str], kinds: list[_Kind]) -> list[_Kind]:
    """Lines that a mail program broke off a long quoted line become quotation again.

    It can be an answer between the lines where it had room on the line above, and where it nearly had it and no other
    line is broken so.
    """
    broken: list[int] = []
    sure = False
    for number in range(1, len(kinds)):
        if kinds[number] is not _Kind.OWN or kinds[number - 1] is not _Kind.QUOTE:
            continue
        before, line = lines[number - 1].rstrip(), lines[number].strip()
        following = kinds[number + 1] if number + 1 < len(kinds) else _Kind.BLANK
        if following is not _Kind.QUOTE or len(before) < 60 or len(line) > 60 or not line[:1].islower():
            continue
        width = len(before) + 1 + len(line.split(maxsplit=1)[0])
        if width <= WRAPPED_AT[0]:
            continue
        if before[-1] not in ".?!:" or (broken and before[-1] != "?"):
            broken.append(number)
            sure = sure or width > WRAPPED_AT[1]
    for number in broken if sure or len(broken) > 1 else ():
        kinds[number] = _Kind.QUOTE
    return kinds


def _between(lines: list[str], kinds: list[_Kind], find: Callable[[list[str]], int] = signature_line) -> tuple[int, int]:
    """Where the own lines begin and end, with the quotations between them; those behind the last and before the first own line go.

    ``find`` says at which line the signature begins.
    """
    if not _any_words(lines, kinds, len(lines)):
        return 0, 0
    end = len(lines)
    for _ in range(MAX_ROUNDS):
        end = _without_tail(lines, kinds, end)
        start = max((n + 1 for n in range(end) if kinds[n] in (_Kind.QUOTE, _Kind.INTRO)), default=0)
        kept = start + find(["x", *lines[start:end]]) - 1 if start else find(lines[:end])
        if kept >= end:
            break
        if not _any_words(lines, kinds, kept):
            break
        end = kept
    begin = next((n for n, kind in enumerate(kinds[:end]) if kind is not _Kind.BLANK), 0)
    if kinds[begin] is _Kind.INTRO:
        own = next(n for n in range(begin, end) if kinds[n] is _Kind.OWN)
        if _Kind.QUOTE not in kinds[own:end]:
            begin = own
    return begin, end


def _without_tail(lines: list[str], kinds: list[_Kind], end: int) -> int:
    """The end without the quotation (and its attribution) at the bottom.

    What the writer announces ("The log says:") stays, unless it begins like a quoted mail.
    """
    last = end
    while last and (kinds[last - 1] is not _Kind.OWN or (last < end and is_rule(lines[last - 1]))):
        last -= 1
    first = next((n for n in range(last, end) if kinds[n] is _Kind.QUOTE), None)
    if last and first is not None and _Kind.INTRO not in kinds[last:end] and lines[last - 1].rstrip().endswith((":", "：")):
        inside = [line.lstrip("> ") for line in lines[first : first + 6]]
        if not (label_of(inside[0]) or attribution_length(inside, 0) or is_forward_separator(inside[0])):
            return end
    intro = next((n for n in range(last, end) if kinds[n] is _Kind.INTRO), None)
    if intro is not None and first is not None and first < intro:
        return intro  # marked lines that nobody is named for, above a quotation that has its attribution
    return last


def _trim(lines: list[str]) -> str:
    """The lines as a text without blank lines around it; '' if there is no word or sign in it."""
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    return "\n".join(lines[first:]).rstrip()
