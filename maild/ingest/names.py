"""This is where maild gives an attachment a name that is safe to show and to save.

The same mail always gives the same names. No path, no control or format characters, no leading dot, at most 200 bytes.
"""

from __future__ import annotations

import re
import unicodedata

NAME_BYTES = 200
# What a part without a name is called by; other types get `.bin`.
EXTENSIONS = {
    "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/csv": "csv", "text/x-vcard": "vcf",
    "text/vcard": "vcf", "text/rtf": "rtf", "text/xml": "xml", "image/png": "png", "image/jpeg": "jpg",
    "image/jpg": "jpg", "image/pjpeg": "jpg", "image/gif": "gif", "image/bmp": "bmp", "image/tiff": "tif",
    "image/webp": "webp", "image/svg+xml": "svg", "image/heic": "heic", "audio/mpeg": "mp3", "audio/wav": "wav",
    "audio/x-wav": "wav", "audio/ogg": "ogg", "audio/amr": "amr", "audio/mp4": "m4a", "video/mp4": "mp4",
    "video/mpeg": "mpg", "video/quicktime": "mov", "application/pdf": "pdf", "application/zip": "zip",
    "application/gzip": "gz", "application/json": "json", "application/xml": "xml", "application/msword": "doc",
    "application/rtf": "rtf", "application/ics": "ics", "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt", "application/ms-tnef": "dat", "application/pgp-keys": "asc",
    "application/pgp-signature": "asc", "application/pgp-encrypted": "txt", "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-signature": "p7s", "application/pkcs7-mime": "p7m", "application/x-pkcs7-mime": "p7m",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "message/rfc822": "eml", "message/news": "eml", "message/global": "eml", "message/delivery-status": "txt",
    "message/disposition-notification": "txt", "message/feedback-report": "txt", "text/rfc822-headers": "txt",
}  # fmt: skip
# The first bytes by which maild recognises a type, whatever the mail declares.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"PK\x03\x04", "application/zip"), (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"), (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"MZ", "application/x-msdownload"), (b"\x7fELF", "application/x-executable"), (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"), (b"MM\x00*", "image/tiff"), (b"{\\rtf", "text/rtf"), (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"), (b"\x78\x9f\x3e\x22", "application/ms-tnef"), (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"), (b"%!PS", "application/postscript"),
)  # fmt: skip
_SEPARATORS = re.compile(r"[/\\]")
_UNSAFE = re.compile(r'[<>:"|?*\u2044\u2215\ufffd]')
_BLANKS = re.compile(r"\s+")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)", re.IGNORECASE)


def detect(data: bytes) -> str:
    """The media type that the first bytes show, or ''."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(data[8:12], "")
    if data[4:8] == b"ftyp":
        return "image/heic" if data[8:12] in (b"heic", b"mif1") else "video/mp4"
    head = data[:64].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), "")


def safe_name(declared: str, fallback: str) -> str:
    """The declared name as it is shown and saved, or ``fallback`` where nothing of it is left."""
    if len(declared) > 4000:
        declared = declared[:2000] + declared[-2000:]
    kept = "".join(
        " " if c in "\t\r\n" else "" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else c
        for c in declared
    )
    kept = _BLANKS.sub(" ", kept)
    pieces = [piece.strip(" .") for piece in _SEPARATORS.split(kept)]
    kept = next((piece for piece in reversed(pieces) if piece), "")
    kept = _UNSAFE.sub("_", kept)
    if not kept.strip("_"):
        return fallback
    if _DEVICES.match(kept):
        kept = "_" + kept
    return shorten(kept)


def shorten(name: str) -> str:
    """At most 200 bytes of UTF-8, the extension kept."""
    if len(name.encode()) <= NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 16:
        stem, dot, extension = name, "", ""
    room = NAME_BYTES - len((dot + extension).encode())
    return stem.encode()[: max(room, 1)].decode("utf-8", "ignore").rstrip(" .") + dot + extension


def part_name(number: int, kind: str) -> str:
    """What a part without a name is called: `part-2.png`."""
    return f"part-{number}.{EXTENSIONS.get(kind, 'bin')}"


def unique(name: str, taken: dict[str, int]) -> str:
    """The name, with a number before its extension where the mail has it twice.

    ``taken`` are the names so far, in small letters, with the last number tried for each.
    """
    if name.lower() not in taken:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    for count in range(taken[name.lower()] + 1, 2000):
        other = shorten(f"{stem} ({count}){dot}{extension}")
        if other.lower() not in taken:
            taken[name.lower()] = count
            return other
    return name
