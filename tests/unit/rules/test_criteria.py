"""Each criterion and operator: what it takes and what it refuses."""

from __future__ import annotations

import pytest
from rule_bench import answer_of, facts_of, mail, matches

from maild.model.case import Priority, Status
from maild.model.message import Address, Attachment, Authentication, AuthResult, Automatic, MachineSort, MessageKind
from maild.rules.facts import CaseFacts, ContactFacts, OrganisationFacts


def attachment(name: str, type: str, size: int = 30_000, **more: object) -> Attachment:
    return Attachment(0, name, name, type, "", size, "00", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "subject", "fits"),
    [
        ("{subject: Hello}", "hello", True),
        ("{subject: Hello}", "hello there", False),
        ("{subject: [Bye, Hello]}", "HELLO", True),
        ("{subject: {is: 'straße'}}", "STRASSE", True),
        ("{subject: {contains: damaged}}", "is DAMAGED now", True),
        ("{subject: {contains: 'ＤＡＭＡＧＥＤ'}}", "is damaged now", True),
        ("{subject: {contains: damaged}}", "is dam\u00adaged now", True),
        ("{subject: {contains: [x, q]}}", "only a z", False),
        ("{subject: {contains_all: [a, b]}}", "b and a", True),
        ("{subject: {contains_all: [a, q]}}", "b and a", False),
        ("{subject: {words: sue}}", "an issue", False),
        ("{subject: {words: sue}}", "I will sue.", True),
        ("{subject: {words: 'Ärger'}}", "nur a\u0308rger!", True),
        ("{subject: {words: 'Ärger'}}", "Ärgernis", False),
        ("{subject: {words: 'жалоба'}}", "Моя Жалоба: …", True),
        ("{subject: {words: '投诉'}}", "我要投诉你们", True),
        ("{subject: {words: 'data breach'}}", "a data\n breach!", True),
        ("{subject: {starts_with: PROBLEM}}", "problem: db1", True),
        ("{subject: {starts_with: PROBLEM}}", "a problem", False),
        ("{subject: {ends_with: now}}", "do it NOW", True),
        (r"{subject: {matches: '\bdamaged\b'}}", "Damaged phone", True),
        (r"{subject: {matches: '^order \d+$'}}", "x\nOrder 77\ny", True),
        (r"{subject: {matches: '(?-i)damaged'}}", "Damaged phone", False),
        (r"{subject: {matches: ['foo', 'bar']}}", "a BAR", True),
        ("{subject: {exists: true}}", "x", True),
        ("{subject: {exists: false}}", "x", False),
        ("{subject: {empty: true}}", "", True),
        ("{subject: {empty: false}}", "", False),
        ("{subject: {above: 5}}", "level 7.5", True),
        ("{subject: {above: 5}}", "no number", False),
        ("{subject: {above: 5, below: 7}}", "level 7.5", False),
        (r"{subject: {matches: 'score=([-\d.]+)', above: 5}}", "5 tests, score=7.2", True),
        (r"{subject: {matches: 'score=([-\d.]+)', above: 5}}", "9 tests, score=-7.2", False),
        (r"{subject: {matches: 'score=([-\d.]+)', below: 0}}", "score=-7.2", True),
    ],
)
def test_text_operators(when: str, subject: str, fits: bool) -> None:
    assert matches(when, facts_of(mail(subject))) is fits


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ("{from: jo@acme.example}", True),
        ("{from: 'Jo Doe <JO@ACME.example>'}", True),
        ("{from: ann@acme.example}", False),
        ("{from: {domain: acme.example}}", True),
        ("{from: {domain: '@acme.example'}}", True),
        ("{from: {domain: example}}", True),
        ("{from: {domain: me.example}}", False),
        ("{from: {contains: '@acme.'}}", True),
        ("{from.name: jo doe}", True),
        ("{to: {domain: [x.example, 'bücher.example']}}", True),
        ("{to: {domain: xn--bcher-kva.example}}", True),
        ("{to: 'info@BÜCHER.example'}", True),
        ("{cc: {exists: false}}", True),
        ("{recipient: help@example.com}", True),
        ("{none: [{recipient: {domain: example.com}}]}", False),
        ("{none: [{cc: {domain: example.com}}]}", True),
        ("{envelope.from: {empty: true}}", True),
        ("{envelope.to: cases@in.example.com}", True),
        ("{mailbox: Support}", True),
        ("{mailbox: [billing, orders]}", False),
    ],
)
def test_addresses(when: str, fits: bool) -> None:
    message = mail(to=(Address("", "support@example.com"), Address("", "info@bücher.example")))
    facts = facts_of(
        message,
        recipients=("support@example.com", "Help@example.com"),
        envelope_from="",
        envelope_to=("cases@in.example.com",),
    )
    assert matches(when, facts) is fits


def test_what_stands_in_from_name_is_not_the_address() -> None:
    assert not matches("{from: boss@acme.example}", facts_of(mail(name="boss@acme.example", sender="x@evil.example")))


def test_body_is_the_new_text_and_whole_text_all_of_it() -> None:
    facts = facts_of(mail("s", "thanks", text="thanks\n> my lawyer wrote"))
    assert matches("{whole_text: {words: lawyer}}", facts)
    assert not matches("{body: {words: lawyer}}", facts)
    assert matches("{text: {contains_all: [s, thanks]}}", facts)
    assert not matches("{text: {words: lawyer}}", facts)


def test_headers_are_looked_at_one_by_one() -> None:
    facts = facts_of(mail(headers=(("X-Spam-Score", "3"), ("x-spam-score", "8"), ("List-Id", "<a.b>"))))
    assert matches("{header.X-Spam-Score: {above: 5}}", facts)
    assert matches("{header.x-spam-score: 3}", facts)
    assert not matches("{header.X-Spam-Score: {above: 4, below: 7}}", facts)
    assert matches("{header.list-id: {exists: true}}", facts)
    assert matches("{header.X-Other: {exists: false}}", facts)
    assert not matches("{header.X-Other: {contains: x}}", facts)


def test_something_absent_fits_no_operator_but_those_that_ask_for_it() -> None:
    facts = facts_of(mail("", ""))
    for when in ("{body: {contains: x}}", "{body: {matches: '.*'}}", "{cc: {domain: a.example}}", "{organisation: Acme}",
                 "{case.status: open}", "{header.X: {below: 5}}", "{body: {empty: false}}", "{language: de}"):  # fmt: skip
        assert not matches(when, facts), when
    for when in (
        "{body: {empty: true}}",
        "{body: {exists: false}}",
        "{organisation: {exists: false}}",
        "{case.tags: {empty: true}}",
    ):
        assert matches(when, facts), when


def test_one_attachment_must_fit_all_parts() -> None:
    facts = facts_of(mail(attachments=(attachment("a.pdf", "application/pdf"), attachment("note.txt", "text/plain"))))
    assert matches("{attachment: {type: application/pdf, name: {ends_with: .pdf}}}", facts)
    assert not matches("{attachment: {type: text/plain, name: {ends_with: .pdf}}}", facts)
    assert matches("{attachment: {type: 'text/*'}}", facts)
    assert matches("{attachment.count: 2}", facts)
    assert matches("{attachment.count: {above: 1}}", facts)
    assert matches("{attachment: {size: {above: 20KiB}}}", facts)
    assert matches("{attachment: {exists: true}}", facts)
    assert not matches("{none: [{attachment: {type: application/pdf}}]}", facts)
    assert matches("{attachment.name: a.pdf}", facts)


def test_the_detected_type_counts_as_well_as_the_declared() -> None:
    pdf = Attachment(0, "x.bin", "x.bin", "application/octet-stream", "application/pdf", 9000, "00")
    assert matches("{attachment: {type: application/pdf}}", facts_of(mail(attachments=(pdf,))))


def test_logos_of_signatures_are_no_attachments() -> None:
    facts = facts_of(mail(attachments=(attachment("logo.png", "image/png", 4000, inline=True, decoration=True),)))
    assert matches("{attachment.count: 0}", facts)
    assert matches("{attachment: {exists: false}}", facts)


def test_has_field_asks_for_a_label() -> None:
    facts = facts_of(mail("s", "Hello\n* Order No.:  77\nUrl http://x"))
    assert matches("{body: {has_field: [Bestellnummer, order no]}}", facts)
    assert not matches("{body: {has_field: Order}}", facts)
    html = facts_of(mail("s", "", html="<table><tr><td>Order</td><td>77</td></tr></table>", text="x"))
    assert matches("{text: {has_field: Order}}", html)


def test_text_has_field_sees_the_subject_too() -> None:
    facts = facts_of(mail("AW: Re: Bestellnummer: 4711", "Where is it?"))
    assert matches("{text: {has_field: Bestellnummer}}", facts)
    assert not matches("{text: {has_field: [Re, AW]}}", facts)
    assert not matches("{body: {has_field: Bestellnummer}}", facts)
    assert not matches("{whole_text: {has_field: Bestellnummer}}", facts)


def test_people_and_their_proof() -> None:
    facts = facts_of(
        contact=ContactFacts(True, "jo@acme.example", "Jo", tags=("vip",), sla="Gold"),
        organisation=OrganisationFacts("Acme Ltd", ("key",), "Gold", ("acme.example",)),
        auth=Authentication(dmarc=AuthResult.PASS, spf=AuthResult.FAIL, passed=True),
    )
    for when in ("{contact.known: true}", "{contact.tags: VIP}", "{contact: {exists: true}}", "{contact.sla: gold}",
                 "{organisation: acme ltd}", "{organisation.tags: [key, x]}", "{organisation.domain: {domain: example}}",
                 "{auth: pass}", "{auth.dmarc: pass}", "{auth.spf: fail}", "{auth.dkim: none}"):  # fmt: skip
        assert matches(when, facts), when
    stranger = facts_of(contact=ContactFacts(False, "x@y.example"))
    assert matches("{contact.known: false}", stranger)
    assert matches("{contact: {exists: false}}", stranger)
    assert matches("{auth: none}", stranger)
    assert matches("{auth: fail}", facts_of(auth=Authentication(failed=True)))


def test_lists_hold_addresses_domains_and_names() -> None:
    lists = {"lists/vip.csv": ("ann@x.example", "acme.example", "globex gmbh")}
    assert matches("{from: {in_list: lists/vip.csv}}", facts_of(mail(sender="jo@sub.acme.example")), lists)
    assert matches("{from: {in_list: lists/vip.csv}}", facts_of(mail(sender="ANN@x.example")), lists)
    assert not matches("{from: {in_list: lists/vip.csv}}", facts_of(mail(sender="jo@x.example")), lists)
    assert matches(
        "{organisation: {in_list: lists/vip.csv}}", facts_of(organisation=OrganisationFacts("Globex GmbH")), lists
    )
    assert matches(
        "{organisation: {in_list: lists/vip.csv}}",
        facts_of(organisation=OrganisationFacts("A", domains=("acme.example",))),
        lists,
    )


def test_calendar_language_size_and_kind() -> None:
    facts = facts_of(mail(language="de-AT", size=6_000_000), outside=frozenset({"office"}), automatic=Automatic.LIKELY)
    assert matches("{received: {outside: office}}", facts)
    assert not matches("{received: {outside: night}}", facts)
    assert matches("{language: [de, fr]}", facts)
    assert matches("{size: {above: 5MiB}}", facts)
    assert matches("{automatic: likely}", facts)
    assert matches("{kind: customer}", facts)


def test_the_case_is_known_on_answers() -> None:
    case = CaseFacts(7, Status.OPEN, Priority.HIGH, "support", "defect", ("vip",), "Gold", "alice", {"order": 77})
    answer = answer_of(case=case)
    for when in ("{case.status: in_progress}", "{case.priority: high}", "{case.group: support}", "{case.category: defect}",
                 "{case.tags: vip}", "{case.sla: Gold}", "{case.assignee: alice}", "{case.fields.order: 77}", "{case.number: 7}",
                 "{case.number: {above: 6}}"):  # fmt: skip
        assert matches(when, answer), when
    assert not matches("{case.status: open}", facts_of(case=case))
    assert matches("{case.follow_up_of: {exists: true}, case.category: defect}", facts_of(case=case, follow_up_of=7))


def test_kind_reserves_machines_mail_for_rules_that_name_it() -> None:
    bounce = facts_of(kind=MessageKind.BOUNCE, automatic=Automatic.CERTAIN, sort=MachineSort.ANSWER)
    assert not matches("{subject: Hello}", bounce)
    assert not matches("{none: [{kind: bounce}]}", bounce)
    assert matches("{kind: [bounce, auto_reply]}", bounce)
    assert not matches("{any: [{kind: auto_reply}, {subject: Hello}]}", bounce)
    assert matches("{any: [{kind: bounce}, {subject: Hello}]}", bounce)
