"""This is where maild blots out the words of a mail and keeps its shape: structure, encodings, header fields, lengths.

Each word becomes another of the same length, the same one everywhere in the mail, by a key that is thrown away. What
maild itself looks at stays: names of fields, protocol words, words of quotes and machines, and what is told to be kept.
"""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import hmac
import quopri
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from email.parser import BytesHeaderParser
from email.policy import compat32
from functools import cache
from pathlib import Path

import maild.ingest
import maild.plain
from maild.plain.fold import fold

_WORD = re.compile(r"[^\W\d_]+|\d+")
_ENCODED = re.compile(r"=\?([\w.+-]+)(\*[\w-]+)?\?([BbQq])\?([^?]*)\?=")
_ADDRESS_LIKE = re.compile(r"<?[^\s<>()\",;:]+@[^\s<>()\",;:]+>?")
_TAG = re.compile(r"\[[^\[\]]{0,12}#\d+\]")
_LAST_LABEL = re.compile(r"\.([A-Za-z]{2,})\b(?![.\w-])")
_HTML = re.compile(r"(<[^>]*>|&[#\w]+;)")
_NAMED = re.compile(r"((?:file)?name\*?\d*\*?=)(\"[^\"]*\"|[^;\s]+)", re.IGNORECASE)
# Fields that say how a mail is built or made, not what is in it.
_KEPT_FIELDS = frozenset((
    "mime-version", "content-transfer-encoding", "content-language", "date", "auto-submitted", "precedence",
    "importance", "priority", "x-priority", "x-auto-response-suppress", "x-mailer", "user-agent",
    "list-unsubscribe-post", "x-spam-flag", "x-spam-status", "x-spam-score", "x-spam-level", "feedback-type",
    "reporting-mta", "action", "status", "arrival-date",
))  # fmt: skip
_SOURCES = ("classify", "quote_forms", "reply_text", "sender", "signature", "bounce", "bounce_forms", "bounce_notice",
            "bounce_verdict", "delivery_status", "absence", "trust", "list_forms")  # fmt: skip


# What writes sentences into a trace.
_TELLERS = ("settling", "rules", "model", "threads.py", "remarks.py", "automatic_answers.py", "mailroom.py")


@cache
def vocabulary() -> frozenset[str]:
    """The words that maild itself looks for in mail: those in the texts of the modules that read it."""
    ingest, plain = Path(str(maild.ingest.__file__)).parent, Path(str(maild.plain.__file__)).parent
    return _words_in([*(ingest / f"{name}.py" for name in _SOURCES), plain / "thanks.py"])


@cache
def sentences() -> frozenset[str]:
    """The words of the sentences that maild writes into a trace."""
    home = Path(str(maild.ingest.__file__)).parents[1]
    places = [home / name for name in _TELLERS]
    return _words_in([path for place in places for path in ([place] if place.suffix else sorted(place.rglob("*.py")))])


def _words_in(sources: Iterable[Path]) -> frozenset[str]:
    return frozenset(word for path in sources if path.exists() for word in _texts(path.read_text(encoding="utf-8")))


def _texts(source: str) -> Iterable[str]:
    tree = ast.parse(source)
    told = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield from (word.lower() for word in re.findall(r"[^\W\d_]{2,}", node.value))


class Blotter:
    """Blots mails. ``keep`` are pieces of words that stay, in addresses too; ``people`` are names that are blotted in a trace
    whether or not the mail has them; ``ours`` says of an address or Message-ID whether it stays whole."""

    def __init__(
        self, keep: Iterable[str] = (), people: Iterable[str] = (), ours: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._key = secrets.token_bytes(16)
        self._found = frozenset(fold(word) for text in keep for word in _WORD.findall(text))
        self._keep = vocabulary() | self._found
        pieces = sorted(self._found, key=len, reverse=True)
        self._pieces = re.compile("|".join(map(re.escape, pieces)), re.IGNORECASE) if pieces else None
        self._hidden = {word.lower() for text in people for word in _WORD.findall(text)} - self._keep
        self._ours = ours

    # --- words -----------------------------------------------------------------------------------------------

    def text(self, text: str, charset: str = "utf-8") -> str:
        """The text with its words blotted; our addresses, ids and case numbers, and the last label of names, stay."""
        pieces: list[str] = []
        end = 0
        for match in sorted([*_ADDRESS_LIKE.finditer(text), *_TAG.finditer(text)], key=lambda found: found.start()):
            if match.start() < end:
                continue
            pieces.append(self._words(text[end : match.start()], charset))
            whole = match[0]
            if _TAG.fullmatch(whole) or self._ours(whole.strip("<>")):
                pieces.append(whole)
            else:
                last = _LAST_LABEL.search(whole, whole.rindex("@"))
                cut = last.start() if last else len(whole)
                pieces.append(self._words(whole[:cut], charset, self._found) + whole[cut:])
            end = match.end()
        return "".join(pieces) + self._words(text[end:], charset)

    def sentence(self, text: str) -> str:
        """A sentence of a trace: only addresses, names of people and words that the mail had are blotted."""
        pieces: list[str] = []
        end = 0
        for match in _ADDRESS_LIKE.finditer(text):
            pieces += [self._told(text[end : match.start()]), self.text(match[0])]
            end = match.end()
        return "".join(pieces) + self._told(text[end:])

    def _told(self, text: str) -> str:
        """Numbers stay: those of cases are ours."""
        return _WORD.sub(lambda match: self._word(match[0], "utf-8") if self._hides(match[0].lower()) else match[0], text)

    def _hides(self, word: str) -> bool:
        return len(word) > 1 and word in self._hidden and word not in sentences()

    def _words(self, text: str, charset: str, keep: frozenset[str] | None = None) -> str:
        known = self._keep if keep is None else keep

        def blotted(match: re.Match[str]) -> str:
            word = match[0]
            if word.lower() in known or fold(word) in known:
                return word
            self._hidden.add(word.lower())
            return self._word(word, charset)

        return _WORD.sub(blotted, text)

    def _word(self, word: str, charset: str) -> str:
        """Another word of the same length; a piece of it that a rule found stays where it is."""
        seed = hmac.new(self._key, word.lower().encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        made = [self._letter(c, seed[place % 32] + place, charset) for place, c in enumerate(word)]
        for match in self._pieces.finditer(word) if self._pieces is not None else ():
            made[match.start() : match.end()] = match[0]
        return "".join(made)

    @staticmethod
    def _letter(c: str, number: int, charset: str) -> str:
        if c.isdigit():
            return str(1 + number % 9) if c.isascii() else c
        if c.isascii():
            made = "bcdfghjklmnpqrstvwz"[number % 19]
            return made.upper() if c.isupper() else made
        # Another letter of the same kind from the same corner of Unicode, if the charset has it.
        base = ord(c) & ~0x1F
        alike = [chr(base + n) for n in range(32) if unicodedata.category(chr(base + n)) == unicodedata.category(c)]
        made = alike[number % len(alike)]
        try:
            same = len(made.encode(charset)) == len(c.encode(charset)) and unicodedata.normalize("NFC", made) == made
        except (UnicodeEncodeError, LookupError):
            return c
        return made if same else c

    # --- mails -----------------------------------------------------------------------------------------------

    def mail(self, raw: bytes, depth: int = 0) -> bytes:
        """The mail with its words blotted; the same parts with the same encodings and sizes."""
        head, blank, body = _split(raw)
        fields = BytesHeaderParser(policy=compat32).parsebytes(head + b"\n\n")
        kind = fields.get_content_type()
        made = self._head(head) + blank
        if fields.get_content_maintype() == "multipart" and depth < 30 and (boundary := fields.get_boundary()):
            return made + self._parts(body, boundary.encode("utf-8", "surrogateescape"), depth)
        encoding = str(fields.get("Content-Transfer-Encoding", "")).strip().lower()
        if kind in ("message/rfc822", "text/rfc822-headers", "message/global") and encoding in ("", "7bit", "8bit", "binary") and depth < 30:
            return made + self.mail(body, depth + 1)
        return made + self._leaf(body, kind, str(fields.get_content_charset() or "us-ascii"), encoding)

    def _parts(self, body: bytes, boundary: bytes, depth: int) -> bytes:
        pieces: list[bytes] = []
        part: list[bytes] | None = None
        for line in body.splitlines(keepends=True):
            bare = line.rstrip(b"\r\n \t")
            if bare in (b"--" + boundary, b"--" + boundary + b"--"):
                if part is not None:
                    pieces.append(self._part(b"".join(part), depth))
                pieces.append(line)
                part = [] if bare == b"--" + boundary else None
            elif part is not None:
                part.append(line)
            else:
                pieces.append(self._plain(line, "utf-8"))
        if part is not None:
            pieces.append(self._part(b"".join(part), depth))
        return b"".join(pieces)

    def _part(self, raw: bytes, depth: int) -> bytes:
        """A part without the line break that belongs to the boundary after it."""
        end = b"\r\n" if raw.endswith(b"\r\n") else b"\n" if raw.endswith(b"\n") else b""
        return self.mail(raw[: len(raw) - len(end)], depth + 1) + end

    def _leaf(self, body: bytes, kind: str, charset: str, encoding: str) -> bytes:
        if encoding == "base64":
            try:
                plain = base64.b64decode(b"".join(body.split()), validate=True)
            except (binascii.Error, ValueError):
                return self._plain(body, "utf-8")
            ending = b"\r\n" if b"\r\n" in body else b"\n"
            made = self._content(plain, kind, charset)
            return base64.encodebytes(made).replace(b"\n", ending)[: None if body.endswith(b"\n") else -len(ending)]
        if encoding == "quoted-printable":
            ending = b"\r\n" if b"\r\n" in body else b"\n"
            made = self._content(quopri.decodestring(body.replace(b"\r\n", b"\n")), kind, charset)
            return quopri.encodestring(made).replace(b"\n", ending)
        return self._content(body, kind, charset)

    def _content(self, content: bytes, kind: str, charset: str) -> bytes:
        if not kind.startswith(("text/", "message/")):
            return content[:16] + bytes((place * 37 + 11) % 251 for place in range(max(len(content) - 16, 0)))
        if kind == "text/html":
            return self._plain(content, charset, html=True)
        return self._plain(content, charset)

    def _plain(self, content: bytes, charset: str, html: bool = False) -> bytes:
        try:
            text = content.decode(charset, "surrogateescape")
        except LookupError:
            charset = "ascii"
            text = content.decode(charset, "surrogateescape")
        except UnicodeDecodeError:  # a charset of several bytes that breaks in the middle
            charset = "latin-1"
            text = content.decode(charset)
        if not html:
            return self.text(text, charset).encode(charset, "surrogateescape")
        pieces = _HTML.split(text)
        made = "".join(self._tag(piece, charset) if place % 2 else self.text(piece, charset) for place, piece in enumerate(pieces))
        return made.encode(charset, "surrogateescape")

    def _tag(self, tag: str, charset: str) -> str:
        return re.sub(r"((?:href|src|alt|title)\s*=\s*)(\"[^\"]*\"|'[^']*')",
                      lambda match: match[1] + self.text(match[2], charset), tag, flags=re.IGNORECASE)  # fmt: skip

    # --- header fields ---------------------------------------------------------------------------------------

    def _head(self, head: bytes) -> bytes:
        lines = head.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        made: list[str] = []
        name = ""
        for line in lines:
            if line[:1] not in " \t":
                name, colon, value = line.partition(":")
                name = name.strip().lower()
                if not colon:
                    made.append(self.text(line))
                    continue
                made.append(line[: len(line) - len(value)] + self._value(name, value))
            else:
                made.append(self._value(name, line))
        return "".join(made).encode("utf-8", "surrogateescape")

    def _value(self, name: str, value: str) -> str:
        if name in _KEPT_FIELDS:
            return value
        if name in ("content-type", "content-disposition"):
            return _NAMED.sub(lambda match: match[1] + self._file_name(match[2]), value)
        pieces: list[str] = []
        end = 0
        for match in _ENCODED.finditer(value):
            pieces += [self.text(value[end : match.start()]), self._encoded_word(match)]
            end = match.end()
        return "".join(pieces) + self.text(value[end:])

    def _file_name(self, name: str) -> str:
        stem, dot, ending = name.rpartition(".")
        return self.text(stem) + dot + ending if dot else self.text(name)

    def _encoded_word(self, match: re.Match[str]) -> str:
        charset, language, how, content = match[1], match[2] or "", match[3], match[4]
        try:
            raw = base64.b64decode(content) if how in "Bb" else quopri.decodestring(content.replace("_", " ").encode())
            made = self.text(raw.decode(charset), charset).encode(charset)
        except (LookupError, UnicodeError, ValueError):
            return f"=?{charset}{language}?{how}?{self.text(content)}?="
        if how in "Bb":
            return f"=?{charset}{language}?{how}?{base64.b64encode(made).decode()}?="
        encoded = "".join(chr(b) if chr(b).isalnum() and b < 128 else "_" if b == 32 else f"={b:02X}" for b in made)
        return f"=?{charset}{language}?{how}?{encoded}?="


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Header block, the blank line, body."""
    match = re.search(rb"(?:\A|\r?\n)(\r?\n)", raw)
    if match is None:
        return raw, b"", b""
    return raw[: match.start(1)], match[1], raw[match.end(1) :]
