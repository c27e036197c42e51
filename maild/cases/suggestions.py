"""This is where it is judged whether a published answer fits what a customer writes, so that it may be suggested.

Words are compared without case and accents, by their beginnings: that is as good for one engine and language as for the
next. Words that everybody writes to a support address count for nothing. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from maild.plain.fold import fold

MOST = 3  # entries in one mail
LOOKED_AT = 60  # words of a mail that are looked for
BEGINNING = 5  # letters by which words are looked for
_WORD = re.compile(r"[^\W\d_]{3,40}")
_ACCENTS = re.compile("[\u0300-\u036f]")

# Without accents: what stands in every other mail, in the languages of the shipped templates.
_COMMON = """
    about again all also and any anyone are been but can cannot could dear did does doesn don during even every first for from
    get give good got had has have hello help her here him his how instead into its just know like made make many may more
    most much must need new not now off one only other our out over please possible problem question regards said see send
    sent she should since some such take than thank thanks that the their them then there these they this those through
    time today two until use used using very want was way well were what when where which while who why will with without
    would yes you your yours work works working
    aber alle allem allen aller alles als also andere auch auf aus bei beim bin bis bitte dann das dass dein dem den denn der
    des die dies diese diesem diesen dieser dieses doch dort durch ein eine einem einen einer eines eure euch fragen frage
    fur ganz geehrte geehrten gegen gerne gibt grusse habe haben hallo hat hatte hatten hier ich ihm ihn ihnen ihr ihre ihrem
    ihren ihrer ihres immer ist jede jetzt kann kein keine konnen konnte liebe mache machen man mehr mein meine meinem meinen
    meiner mich mir mit muss nach nicht noch nun nur oder ohne schon sehr sein seine seit sich sie sind uber und uns unser
    viel vielen von vor wann warum was weil welche wenn wer werden wie wieder wird wir wurde wurden zum zur danke dank
    avec aux avoir bien bonjour ces cela cette chez comme comment cordialement dans depuis des donc elle encore est etes etre
    fait faire leur lui mais meme merci mes moi mon nos notre nous ont ou par pas peut plus pour pourquoi probleme quand que
    quel quelle question qui sans ses son sont sur tout tous tres une vos votre vous
    ahora algo alguna ante antes aqui asi buenas buenos cada como con cual cuando del desde donde dos ella ellos era esa ese
    eso esta estaba estan estas este esto favor fue gracias hace hacer hasta hay hola las les los mas mientras mis muy nada
    nos nuestra nuestro otra otro para pero poder porque problema pregunta pues puede puedo que quien saludos segun ser siempre
    sin sobre son tambien tengo tiene todo todos una uno usted ustedes
    alla alle anche ancora avere buona buongiorno che chi ciao come con cosa cosi cui dalla dalle dei del della delle dopo
    dove ecco essere fare fatto gia gli grazie hanno loro mia mio molto nei nel nella niente noi non nostra nostro ogni
    perche pero piu posso prima problema puo pure qual quale quando quello questa queste questi questo salve sempre senza
    sia sono sua suo tutto una uno vostra vostro
    aan alle als ander bent ben bij daar dag dan dank dat deze die dit doch door dus een geen goed graag haar had heb hebben
    heeft hem het hier hoe hun iets ik ja je kan kon kunnen maar meer men met mijn moet naar niet nog nu of om omdat onder ons
    onze ook op over probleem te toch toen tot uit van veel voor vraag waar waarom wat we welke wel wie wij worden wordt zal
    ze zich zijn zo zonder zou
    ale bardzo bez bo byc byl byla czy dla dlaczego dzien dobry dziekuje gdy gdzie gdyz jak jaki jako jest jestem juz kiedy
    kto ktora ktore ktory lub maja mam mial mnie moj moja moze mozna nad nas nasz nie niz oraz pan pani panstwo pod poniewaz
    pozdrawiam problem prosze przed przez przy pytanie sie sobie tak takze tam tego tej ten teraz tez tylko tym wiec
    witam wszystko zeby
"""
_EVERYWHERE = frozenset(_COMMON.split())


def words_of(text: str) -> list[str]:
    """The words of a text that say what it is about, folded, each once, in order."""
    plain = fold(text)
    if not plain.isascii():
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain))
    return list(dict.fromkeys(word for word in _WORD.findall(plain) if word not in _EVERYWHERE))


def best(entries: Iterable[tuple[str, str]], wanted: Sequence[str]) -> list[int]:
    """Which of these (question, answer) fit a mail with these words: their positions, the best first, three at most.

    One fits where the mail has half of the question's words or two of them, or several of the answer's.
    """
    scored = []
    for at, (question, answer) in enumerate(entries):
        asked = words_of(question)
        hits = sum(any(_same(one, other) for other in wanted) for one in asked)
        more = sum(any(_same(one, other) for other in wanted) for one in words_of(answer) if one not in asked)
        if (hits and (hits * 2 >= len(asked) or hits >= 2 or more >= 2)) or more >= 3:
            scored.append((hits * 3 + more, hits / (len(asked) or 1), -at))
    return [-at for _, _, at in sorted(scored, reverse=True)[:MOST]]


def _same(one: str, other: str) -> bool:
    if one[:6] == other[:6] and len(one) >= 6 and len(other) >= 6:
        return True
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and len(longer) - len(shorter) <= (2 if len(shorter) >= 4 else 0)
