"""Ten problems of real mailrooms, each as the rules that solve it and the mails that show it."""

from __future__ import annotations

from typing import Any

import pytest
from rule_bench import decided, facts_of, mail

from maild.model.case import Channel, Priority
from maild.model.decision import Assign, ContactSource, Decision, Disposition
from maild.model.message import Address, Attachment, Automatic, MachineSort
from maild.rules.facts import Facts, OrganisationFacts

RULES = r"""
rules:
  - name: VIP customers
    when: {organisation: {in_list: lists/vip.csv}, auth: pass}
    case: {sla: Gold, raise: {priority: high}, tags: [vip]}
    continue: true
  - name: Words that need a manager
    applies_to: all
    when: {text: {words: [lawyer, data breach, Anwalt, Ärger]}}
    case: {raise: {priority: urgent}, tags: [escalated]}
    notify: [manager]
    continue: true
  - name: Out of hours
    when: {received: {outside: office}}
    reply: out_of_hours
    continue: true
  - name: Team by language
    when: {language: [de, fr]}
    case: {assign: {group: {by: language, de: support-de, fr: support-fr}}}
    continue: true
  - name: Spam
    when:
      any:
        - header.X-Spam-Status: {matches: 'score=([-\d.]+)', above: 5}
        - header.X-Spam-Score: {above: 5}
    hold: {reason: spam score, for: 14d, then: discard}
  - name: Alert from monitoring
    accept_automatic: true
    when: {from: alerts@mon.example.com, auth: pass, subject: {starts_with: PROBLEM}}
    extract:
      - {from: subject, matches: 'PROBLEM:? (?P<host>\S+?)/(?P<service>.+?) is'}
    case:
      contact: none
      set: {title: "{{ found.host }}: {{ found.service }}", fields.host: "{{ found.host }}", fields.service: "{{ found.service }}"}
      assign: {group: ops}
      update: {by: [fields.host, fields.service], among: mailbox, within: 30d}
    tests:
      - messages:
          - {from: alerts@mon.example.com, to: ops@example.com, subject: "PROBLEM: db1/disk is CRITICAL", body: x, auth: pass}
          - {from: alerts@mon.example.com, to: ops@example.com, subject: "PROBLEM: db1/disk is CRITICAL", body: y, auth: pass}
        expect: {cases: 1, case: {fields: {host: db1, service: disk}}, sent_to_customers: 0}
  - name: The alert is over
    accept_automatic: true
    when: {from: alerts@mon.example.com, auth: pass, subject: {starts_with: RECOVERY}}
    extract:
      - {from: subject, matches: 'RECOVERY:? (?P<host>\S+?)/(?P<service>.+?) is'}
    case:
      set: {fields.host: "{{ found.host }}", fields.service: "{{ found.service }}"}
      update: {by: [fields.host, fields.service], among: mailbox, then: {resolve: "{{ message.subject }}"}, else: discard}
  - name: Web form
    when: {from: noreply@www.example.com, auth: pass}
    case:
      contact: {from: reply_to}
      channel: webform
      autofill: {delimiter: ":", map: {contact.name: [Name], summary: [Message, Nachricht]}}
  - name: Invoices without a word
    when:
      all:
        - body: {empty: true}
        - attachment: {type: application/pdf}
    mailbox: billing
    case: {set: {category: invoice}}
    accept_automatic: true
  - name: Order mails
    when: {mailbox: orders, body: {has_field: [Order, "Order No.", Bestellnummer]}}
    case:
      autofill:
        delimiter: ":"
        map:
          fields.order: [Order, "Order No.", Bestellnummer]
          priority: {labels: [Urgency], values: {asap: urgent, hoch: high}}
        require: [fields.order]
      update: {by: [fields.order]}
      assign: {group: orders, user: round_robin}
"""
LISTS = {"lists/vip.csv": ("acme ltd", "globex")}


def settle(facts: Facts) -> Decision:
    return decided(RULES, facts, LISTS)


def test_vips_are_raised_and_get_gold_only_when_proven() -> None:
    acme = OrganisationFacts("Acme Ltd")
    proven = settle(facts_of(organisation=acme, auth="pass"))
    assert (proven.values.sla, proven.values.raise_priority, proven.values.tags) == ("Gold", Priority.HIGH, ("vip",))
    assert settle(facts_of(organisation=acme)).values.sla is None


@pytest.mark.parametrize("text", ["My LAWYER will call", "Data\nbreach!", "so ein Ärger", "Anwalt"])
def test_words_that_need_a_manager(text: str) -> None:
    decision = settle(facts_of(mail("s", text)))
    assert (decision.values.raise_priority, decision.values.tags, decision.notify) == (
        Priority.URGENT,
        ("escalated",),
        ("manager",),
    )


@pytest.mark.parametrize("text", ["an issue", "this is not illegal", "Verärgert", "lawyers' day: data breaches"])
def test_words_within_words_do_not_count(text: str) -> None:
    assert settle(facts_of(mail("s", text))).notify is None


def test_out_of_hours_goes_by_our_clock() -> None:
    assert settle(facts_of(outside=frozenset({"office"}))).reply == "out_of_hours"
    assert settle(facts_of()).reply is None


def test_teams_by_language() -> None:
    assert settle(facts_of(mail(language="de"))).values.assign == Assign("support-de")
    assert settle(facts_of(mail(language="pl"))).values.assign is None


@pytest.mark.parametrize(
    ("header", "disposition"),
    [
        (("X-Spam-Status", "Yes, score=7.2 required=5.0 tests=A,B"), Disposition.HOLD),
        (("X-Spam-Status", "No, score=1.2 required=5.0"), Disposition.CASE),
        (("X-Spam-Score", "12"), Disposition.HOLD),
        (("X-Spam-Score", "none"), Disposition.CASE),
    ],
)
def test_spam_is_held_by_its_score(header: tuple[str, str], disposition: Disposition) -> None:
    assert settle(facts_of(mail(headers=(header,)))).disposition is disposition


def alert(subject: str, **more: Any) -> Facts:
    return facts_of(mail(subject, "x", sender="alerts@mon.example.com"), mailbox="support", automatic=Automatic.CERTAIN,
                    sort=MachineSort.MADE, auth="pass", **more)  # fmt: skip


def test_alerts_and_their_end_find_the_same_case() -> None:
    problem, over = settle(alert("PROBLEM: db1/disk is CRITICAL")), settle(alert("RECOVERY: db1/disk is OK"))
    assert (problem.disposition, problem.title, problem.contact) == (
        Disposition.CASE,
        "db1: disk",
        ContactSource("none"),
    )
    assert problem.values.assign == Assign("ops")
    assert problem.update is not None and over.update is not None
    assert problem.update.values == over.update.values == {"fields.host": "db1", "fields.service": "disk"}
    assert (problem.update.otherwise, over.update.otherwise, over.update.resolve) == (
        "create",
        "discard",
        "RECOVERY: db1/disk is OK",
    )


def test_an_alert_that_anybody_could_have_written_is_held() -> None:
    facts = facts_of(
        mail("PROBLEM: db1/disk is CRITICAL", sender="alerts@mon.example.com"),
        automatic=Automatic.CERTAIN,
        sort=MachineSort.MADE,
    )
    assert settle(facts).disposition is Disposition.HOLD


def test_a_web_form_is_from_the_person_who_filled_it_in() -> None:
    message = mail("Contact form", "Name: Ann Lee\nNachricht: it broke\nreally", sender="noreply@www.example.com",
                   reply_to=(Address("", "ann@home.example"),))  # fmt: skip
    decision = settle(facts_of(message, auth="pass"))
    assert decision.contact == ContactSource("reply_to", address="ann@home.example")
    assert (decision.values.channel, decision.values.summary) == (Channel.WEBFORM, "it broke\nreally")
    assert decision.values.contact == {"name": "Ann Lee"}


def test_an_invoice_without_a_word_goes_to_billing() -> None:
    pdf = Attachment(0, "inv.bin", "inv.bin", "application/octet-stream", "application/pdf", 90_000, "00")
    logo = Attachment(1, "logo.png", "logo.png", "image/png", "image/png", 4_000, "01", inline=True, decoration=True)
    message = mail("Invoice 12", "", sender="erp@supplier.example", attachments=(pdf, logo))
    decision = settle(facts_of(message, automatic=Automatic.CERTAIN, sort=MachineSort.MADE))
    assert (decision.disposition, decision.mailbox, decision.values.category) == (
        Disposition.CASE,
        "billing",
        "invoice",
    )
    assert settle(facts_of(mail("Invoice", "please pay", attachments=(pdf,)))).mailbox == "support"


def test_order_mails_are_filled_in() -> None:
    decision = settle(facts_of(mail("Order", "Order No.: 4711\nUrgency: ASAP\nKind regards"), mailbox="orders"))
    assert decision.values.fields == {"order": "4711"}
    assert decision.values.priority is Priority.URGENT
    assert decision.values.assign == Assign("orders", how="round_robin")
    assert decision.update is not None and decision.update.values == {"fields.order": "4711"}
    incomplete = settle(facts_of(mail("Order", "Order:\n\nUrgency: hoch"), mailbox="orders"))
    assert (incomplete.values.tags, incomplete.update) == (("incomplete",), None)


CONTRACT = r"""
rules:
  - name: Damaged goods
    when:
      mailbox: support
      any:
        - subject: {matches: '\bdamaged\b'}
        - body: {contains: [broken, cracked]}
      none:
        - from: {domain: example.com}
    case:
      update_by: [fields.order]
      match_organisation: true
      create_contact: true
      assign: {group: support, user: round_robin}
      sla: Standard
      autofill:
        delimiter: ":"
        map: {Issue: summary, Order: fields.order, Urgency: priority, Phone: contact.phone}
      set: {title: "{{ message.subject }}", category: defect, tags: [returns]}
    reply: acknowledgement
    notify: [group]
    tests:
      - message: {from: jo@acme.example, to: support@example.com, subject: Damaged phone, body: "Issue: it broke\nOrder: 77"}
        expect: {case: {summary: it broke, organisation: Acme Ltd, fields: {order: "77"}}}
"""


def test_damaged_goods() -> None:
    fields = {"order": {"type": "text", "label": "Order number"}}
    decision = decided(
        CONTRACT, facts_of(mail("Damaged phone", "Issue: it broke\nOrder: 77\nPhone: +49 30 1234")), fields=fields
    )
    assert (decision.title, decision.values.summary, decision.values.fields) == (
        "Damaged phone",
        "it broke",
        {"order": "77"},
    )
    assert (decision.values.sla, decision.values.category, decision.values.tags) == ("Standard", "defect", ("returns",))
    assert decision.values.contact == {"phone": "+49 30 1234"}
    assert (decision.reply, decision.notify, decision.create_contact) == ("acknowledgement", ("group",), True)
    assert not decided(CONTRACT, facts_of(mail("Damaged phone", sender="bob@sub.example.com"))).rules
    assert not decided(CONTRACT, facts_of(mail("Undamaged phone", "fine"))).rules
    assert decided(CONTRACT, facts_of(mail("Phone", "it is BROKEN"))).rules == ("Damaged goods",)
