"""This is where maild compares domains: their organisational part, their parents, and their ASCII form.

The public suffix list comes with publicsuffixlist; a suffix that is in no list (`.example`) counts as public.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

# Providers where a shared domain says nothing about who a person works for.
_FREE_MAIL = """
    126.com 139.com 163.com 189.cn aim.com alice.it aliyun.com aol.com arcor.de att.net bellsouth.net bigpond.com
    bluewin.ch bol.com.br btinternet.com centrum.cz charter.net comcast.net cox.net daum.net email.cz email.de
    facebook.com fastmail.com fastmail.fm foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de
    gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it
    hushmail.com icloud.com inbox.lv interia.pl kpnmail.nl laposte.net libero.it live.co.uk live.com live.de live.fr
    live.nl mac.com mail.com mail.de mail.ru mailbox.org me.com msn.com naver.com neuf.fr o2.pl onet.pl optonline.net
    orange.fr outlook.com outlook.de outlook.es outlook.fr planet.nl posteo.de proton.me protonmail.com qq.com
    rambler.ru rediffmail.com rocketmail.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com skynet.be sky.com
    sohu.com t-online.de telenet.be terra.com.br tin.it tiscali.it tuta.io tutanota.com ukr.net uol.com.br
    verizon.net virgilio.it virginmedia.com vodafone.de wanadoo.fr web.de wp.pl xs4all.nl yahoo.ca yahoo.co.in
    yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru
    yeah.net ymail.com zoho.com zonnet.nl
"""
FREE_MAIL: frozenset[str] = frozenset(_FREE_MAIL.split())


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=True)


@lru_cache(maxsize=4096)
def to_ascii(domain: str) -> str:
    """The domain in lower case with A-labels (UTS 46); what no IDN rule accepts is only lower-cased."""
    domain = domain.strip().rstrip(".").lower()
    if domain.isascii():
        return domain
    import idna

    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain


@lru_cache(maxsize=4096)
def to_unicode(domain: str) -> str:
    """The domain in lower case as people write it (U-labels); what is no valid A-label stays as it is."""
    name = to_ascii(domain)
    if "xn--" not in name:
        return name
    import idna

    shown = []
    for label in name.split("."):
        try:
            shown.append(idna.decode(label))
        except (idna.IDNAError, UnicodeError):
            shown.append(label)
    return ".".join(shown)


@lru_cache(maxsize=4096)
def organisational(domain: str) -> str:
    """The registrable domain (RFC 7489, 3.2): `a.b.example.co.uk` gives `example.co.uk`.

    A domain that is itself a public suffix, an address literal, or '' is given back as it is, in ASCII.
    """
    name = to_ascii(domain)
    if not name or name.startswith("["):
        return name
    return str(_suffixes().privatesuffix(name) or name)


def candidates(domain: str) -> list[str]:
    """The domain and its parents, longest first, while they are longer than the public suffix."""
    name = to_ascii(domain)
    if not name:
        return []
    last = organisational(name)
    found = [name]
    while name != last and "." in name:
        name = name.partition(".")[2]
        found.append(name)
    return found


def fold_address(email: str) -> str:
    """An address as it is compared: lower case, the domain with A-labels. Without an @ only lower case."""
    local, at, domain = email.strip().rpartition("@")
    return f"{local.lower()}@{to_ascii(domain)}" if at else email.strip().lower()
