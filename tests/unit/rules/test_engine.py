"""What rules decide: who wins, what adds up, what ends the search, and which mails they may touch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rule_bench import answer_of, decided, facts_of, mail, ruleset_of

from maild.model.case import Channel, Priority, Status
from maild.model.decision import Assign, ContactSource, Disposition, Hold, Write
from maild.model.message import Address, Automatic, MachineSort, MessageKind
from maild.rules.engine import decide
from maild.rules.facts import CaseFacts, Facts
from maild.rules.view import View

FIELDS = {"order": {"type": "text", "pattern": r"\d+"}, "count": {"type": "integer"}, "due": {"type": "date"},
          "amount": {"type": "decimal"}, "state": {"type": "choice", "values": ["PROBLEM", "RECOVERY"]},
          "story": {"type": "text", "lines": "many"}}  # fmt: skip


def test_the_first_match_ends_the_search() -> None:
    rules = """
rules:
  - {name: A, when: {subject: {contains: x}}, case: {priority: low}}
  - {name: B, when: {subject: {contains: hello}}, case: {priority: high}}
  - {name: C, case: {priority: urgent}}
"""
    decision = decided(rules, facts_of())
    assert (decision.disposition, decision.rule, decision.rules) == (Disposition.CASE, "B", ("B",))
    assert decision.values.priority is Priority.HIGH
    assert [(each.rule, each.matched) for each in decision.trace.tried] == [("A", False), ("B", True)]


def test_the_first_rule_that_set_a_value_keeps_it_and_tags_add_up() -> None:
    rules = """
rules:
  - {name: A, continue: true, case: {priority: low, tags: [a, b], followers: [ann]}, reply: first, notify: [group]}
  - {name: B, continue: true, case: {set: {priority: high, category: x, tags: [b, c]}, followers: [bob, ann]}, reply: second, notify: [manager, group]}
  - {name: C, case: {sla: Gold, assign: {group: support}}}
"""
    decision = decided(rules, facts_of())
    assert decision.values.priority is Priority.LOW
    assert decision.values.category == "x"
    assert decision.values.tags == ("a", "b", "c")
    assert decision.values.sla == "Gold"
    assert decision.values.assign == Assign("support")
    assert decision.reply == "first"
    assert decision.notify == ("group", "manager")
    assert decision.followers == ("ann", "bob")
    assert Write("B", "priority", "high", False, "rule A set it") in decision.trace.writes
    assert decision.rules == ("A", "B", "C")


def test_rules_that_go_on_never_decide_alone() -> None:
    rules = "rules: [{name: A, continue: true, case: {tags: [a]}}]"
    assert decided(rules, facts_of()).disposition is Disposition.CASE
    held = decided(rules, facts_of(mailbox="billing"))
    assert (held.disposition, held.rule, held.values.tags) == (Disposition.HOLD, "", ("a",))
    assert held.hold is not None and "unmatched is hold" in held.reason
    assert decided(rules, facts_of(mailbox="ops")).disposition is Disposition.DISCARD


def test_raise_only_raises() -> None:
    rules = """
rules:
  - {name: A, continue: true, case: {raise: {priority: high}}}
  - {name: B, continue: true, case: {raise: {priority: low}}}
  - {name: C, case: {priority: low}}
"""
    decision = decided(rules, facts_of())
    assert (decision.values.priority, decision.values.raise_priority) == (Priority.LOW, Priority.HIGH)


def test_discard_hold_forward_and_mailbox_end_the_search() -> None:
    after = "\n  - {name: Z, case: {tags: [z]}}"
    discarded = decided("rules:\n  - {name: A, continue: true, discard: newsletter}" + after, facts_of())
    assert (discarded.disposition, discarded.reason, discarded.rules) == (Disposition.DISCARD, "newsletter", ("A",))
    held = decided("rules:\n  - {name: A, hold: {reason: spam, for: 14d, then: discard}}" + after, facts_of())
    assert held.hold == Hold("spam", timedelta(days=14), "discard")
    forwarded = decided("rules:\n  - {name: A, forward: boss@x.example}" + after, facts_of())
    assert (forwarded.disposition, forwarded.forward) == (Disposition.FORWARD, "boss@x.example")
    moved = decided("rules:\n  - {name: A, mailbox: billing, case: {category: invoice}}" + after, facts_of())
    assert (moved.disposition, moved.mailbox, moved.values.category) == (Disposition.CASE, "billing", "invoice")
    assert moved.values.tags == ()


def test_a_discard_wins_over_values_of_rules_before() -> None:
    rules = "rules: [{name: A, continue: true, case: {tags: [a]}}, {name: B, discard: x}]"
    assert decided(rules, facts_of()).disposition is Disposition.DISCARD


def test_answers_meet_only_rules_for_answers() -> None:
    rules = """
rules:
  - {name: new, case: {priority: low}}
  - {name: ans, applies_to: answers, continue: true, case: {tags: [a], title: T, assign: {group: g, user: round_robin}, create_contact: true, update_by: [fields.x], set: {fields.x: 1}}}
  - {name: all, applies_to: all, case: {priority: high, assign: {user: bob}}}
"""
    decision = decided(rules, answer_of())
    assert decision.rules == ("ans", "all")
    assert (decision.disposition, decision.values.title, decision.create_contact, decision.update) == (
        Disposition.CASE,
        None,
        None,
        None,
    )
    assert decision.values.assign == Assign("g", "bob")
    assert decided(rules, facts_of()).rules == ("new",)


def test_an_answer_that_meets_no_rule_goes_to_its_case_unchanged() -> None:
    decision = decided("rules: [{name: new, case: {priority: low}}]", answer_of(mailbox="ops"))
    assert decision.disposition is Disposition.CASE
    assert decision.values.title is None and decision.values.priority is None


@pytest.mark.parametrize("kind", [MessageKind.AGENT, MessageKind.BOUNCE, MessageKind.AUTO_REPLY, MessageKind.RECEIPT])
def test_machines_answers_and_agents_mail_pass_rules_by(kind: MessageKind) -> None:
    rules = "rules: [{name: every, case: {priority: low}}]"
    decision = decided(rules, facts_of(kind=kind))
    assert (decision.disposition, decision.rules) == (Disposition.NONE, ())


def test_a_rule_may_name_a_kind() -> None:
    bounce = {"kind": MessageKind.BOUNCE, "automatic": Automatic.CERTAIN, "sort": MachineSort.ANSWER}
    assert (
        decided("rules: [{name: b, when: {kind: bounce}, discard: bounces}]", facts_of(**bounce)).disposition
        is Disposition.DISCARD
    )
    tagged = decided(
        "rules: [{name: b, applies_to: all, when: {kind: bounce}, case: {tags: [b]}}]", answer_of(**bounce)
    )
    assert (tagged.disposition, tagged.values.tags) == (Disposition.CASE, ("b",))
    opens = decided(
        "rules: [{name: b, when: {kind: bounce}, accept_automatic: true, case: {tags: [b]}}]", facts_of(**bounce)
    )
    assert opens.disposition is Disposition.NONE


def test_a_report_opens_a_case_only_where_a_rule_names_and_accepts_it() -> None:
    report = {"kind": MessageKind.ABUSE_REPORT, "automatic": Automatic.CERTAIN, "sort": MachineSort.ANSWER}
    assert decided("rules: [{name: a}]", facts_of(**report)).disposition is Disposition.NONE
    assert decided("rules: [{name: a, when: {kind: abuse_report}}]", facts_of(**report)).disposition is Disposition.NONE
    rules = "rules: [{name: a, when: {kind: abuse_report}, accept_automatic: true}]"
    assert decided(rules, facts_of(**report)).disposition is Disposition.CASE


def test_mail_made_by_machines_needs_accept_automatic() -> None:
    made = {"automatic": Automatic.CERTAIN, "sort": MachineSort.MADE}
    held = decided("rules: [{name: a}]", facts_of(**made))
    assert held.disposition is Disposition.HOLD and "accept_automatic" in held.reason
    assert decided("rules: [{name: a, accept_automatic: true}]", facts_of(**made)).disposition is Disposition.CASE
    assert (
        decided("rules: [{name: c, continue: true, accept_automatic: true}, {name: a}]", facts_of(**made)).disposition
        is Disposition.CASE
    )
    assert decided("rules: [{name: a}]", facts_of(mailbox="alerts", **made)).disposition is Disposition.CASE
    assert decided("rules: [{name: a, mailbox: alerts}]", facts_of(**made)).disposition is Disposition.CASE
    assert decided("rules: [{name: a}]", answer_of(**made)).disposition is Disposition.CASE
    assert decided("rules: [{name: a, discard: x}]", facts_of(**made)).disposition is Disposition.DISCARD
    assert decided("rules: [{name: a}]", facts_of(automatic=Automatic.LIKELY)).disposition is Disposition.CASE


def test_disabled_and_ended_rules_are_passed_over() -> None:
    rules = "rules: [{name: off, enabled: false}, {name: old, until: 2026-11-22}, {name: now}]"
    assert decided(rules, facts_of()).rule == "old"
    assert decided(rules, facts_of(received_at=datetime(2026, 11, 23, tzinfo=UTC))).rule == "now"
    late = facts_of(received_at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    assert decided(rules, late, timezone="Europe/Berlin").rule == "now"


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        ("Re: AW: [#12] Damaged phone", "Damaged phone"),
        ("Fwd:  a\n b", "a b"),
        ("", "(no subject)"),
        ("Re: ", "(no subject)"),
    ],
)
def test_the_title_is_the_subject_without_marks(subject: str, title: str) -> None:
    assert decided("rules: []", facts_of(mail(subject))).title == title


def test_values_are_never_rendered_twice() -> None:
    rules = 'rules: [{name: a, case: {set: {title: "{{ message.subject }}!", summary: "{{ message.new_text }}"}}}]'
    decision = decided(rules, facts_of(mail("{{ 7*7 }}", "{% raw %}{{ mailbox.key }}")))
    assert decision.title == "{{ 7*7 }}!"
    assert decision.values.summary == "{% raw %}{{ mailbox.key }}"


def test_templates_see_what_autofill_and_extract_found() -> None:
    rules = r"""
rules:
  - name: a
    extract: [{from: subject, matches: 'PROBLEM:? (?P<host>\S+?)/(?P<service>.+?) is'}]
    case:
      autofill: {map: {Order: fields.order, Name: contact.name}}
      set:
        title: "{{ found.host }}: {{ found.service }} {{ fields.order }} {{ contact.name }} {{ organisation.name }}|{{ mailbox.name }}"
"""
    decision = decided(rules, facts_of(mail("PROBLEM: db1/disk is CRITICAL", "Order: 77\nName: Ann")), fields=FIELDS)
    assert decision.title == "db1: disk 77 Ann |Example Support"


def test_a_template_that_fails_never_loses_the_mail() -> None:
    rules = r"""
rules:
  - name: a
    extract: [{from: subject, matches: '(?P<host>db\d)'}]
    case: {set: {title: "{{ found.host }}", summary: ok}, tags: ["{{ found.host }}"]}
"""
    decision = decided(rules, facts_of(mail("Something else")))
    assert (decision.disposition, decision.title, decision.values.summary) == (Disposition.CASE, "Something else", "ok")
    assert "title: the template of rule a could not be filled in" in decision.notes[0]


def test_a_required_extract_decides_whether_the_rule_matches() -> None:
    rules = r"rules: [{name: a, extract: [{from: subject, matches: '(?P<n>\d+)', required: true}]}, {name: b}]"
    assert decided(rules, facts_of(mail("7"))).rule == "a"
    decision = decided(rules, facts_of(mail("x")))
    assert decision.rule == "b"
    assert "found nothing" in decision.trace.tried[0].why


def test_bad_values_are_said_and_nothing_is_lost() -> None:
    rules = """
rules:
  - name: a
    case:
      autofill: {map: {Urgency: priority, Order: fields.order, Count: fields.count, Due: fields.due, State: fields.state, Status: status}}
      set: {fields.count: 3}
"""
    body = "Urgency: soonish\nOrder: abc\nCount: many\nDue: 31.02.2026\nState: problem\nStatus: In Progress"
    decision = decided(rules, facts_of(mail("s", body)), fields=FIELDS)
    assert decision.disposition is Disposition.CASE
    assert decision.values.priority is None
    assert decision.values.status is Status.OPEN
    assert decision.values.fields == {"count": 3, "state": "PROBLEM"}
    assert decision.notes == (
        'Urgency: "soonish" is no priority; kept medium',
        r'Order: "abc" does not match \d+; left empty',
        'Count: "many" is no whole number; kept 3',
        'Due: "31.02.2026" is no date; left empty',
    )


def test_autofill_wins_over_set_and_is_typed() -> None:
    rules = """
rules:
  - name: a
    case:
      autofill: {map: {Urgency: priority, Amount: fields.amount, Due: fields.due, Count: fields.count, Channel: channel}}
      set: {priority: low, fields.amount: 1}
"""
    body = "Urgency: HIGH\nAmount: 1.234,50 EUR\nDue: 22.11.2026\nCount: 1.000\nChannel: phone"
    decision = decided(rules, facts_of(mail("s", body)), fields=FIELDS)
    assert (decision.values.priority, decision.values.channel) == (Priority.HIGH, Channel.PHONE)
    assert decision.values.fields == {"amount": 1234.5, "due": "2026-11-22", "count": 1000}


def test_on_an_answer_a_bad_value_keeps_what_the_case_has() -> None:
    case = CaseFacts(7, Status.OPEN, Priority.URGENT)
    rules = "rules: [{name: a, applies_to: all, case: {autofill: {map: {Urgency: priority}}}}]"
    assert decided(rules, answer_of(mail("s", "Urgency: hm"), case)).notes == (
        'Urgency: "hm" is no priority; kept urgent',
    )


def test_update_has_all_its_values_or_is_none() -> None:
    rules = """
rules:
  - name: a
    case:
      autofill: {map: {Host: fields.host, Service: fields.service}}
      update: {by: [fields.host, fields.service], among: mailbox, within: 30d, then: {set: {fields.state: "{{ fields.host }} is over"}, status: open, resolve: "{{ message.subject }}"}, else: discard}
"""
    update = decided(rules, facts_of(mail("done", "Host: db1\nService: disk"))).update
    assert update is not None
    assert update.values == {"fields.host": "db1", "fields.service": "disk"}
    assert (update.among, update.within, update.otherwise, update.rule) == (
        "mailbox",
        timedelta(days=30),
        "discard",
        "a",
    )
    assert update.then is not None
    assert (update.then.fields, update.then.status, update.resolve) == ({"state": "db1 is over"}, Status.OPEN, "done")
    missing = decided(rules, facts_of(mail("done", "Host: db1")))
    assert missing.update is None
    assert "fields.service is missing" in [write.why for write in missing.trace.writes]


def test_requiring_values() -> None:
    rules = (
        "rules: [{name: a, reply: thanks, case: {autofill: {map: {Order: fields.order}, require: [fields.order]%s}}}]"
    )
    complete = decided(rules % "", facts_of(mail("s", "Order: 77")))
    assert (complete.values.tags, complete.reply) == ((), "thanks")
    incomplete = decided(rules % "", facts_of(mail("s", "no")))
    assert (incomplete.values.tags, incomplete.reply, incomplete.disposition) == (
        ("incomplete",),
        "thanks",
        Disposition.CASE,
    )
    assert incomplete.notes == ("incomplete: order not found in the mail",)
    assert decided(rules % ", else: hold", facts_of(mail("s", "no"))).disposition is Disposition.HOLD
    assert decided(rules % ", else: {reply: ask_again}", facts_of(mail("s", "no"))).reply == "ask_again"


def test_whom_the_case_is_from() -> None:
    message = mail("s", "E-Mail: Jo <jo@home.example>\nName: Jo", reply_to=(Address("Ann", "ann@x.example"),))
    facts = facts_of(message, forwarded_from=Address("Bob", "bob@y.example"))
    rules = "rules: [{name: a, case: {contact: %s}}]"
    assert decided("rules: []", facts).contact == ContactSource("sender")
    assert decided(rules % "{from: reply_to}", facts).contact == ContactSource(
        "reply_to", address="ann@x.example", name="Ann"
    )
    assert decided(rules % "forwarded", facts).contact == ContactSource(
        "forwarded", address="bob@y.example", name="Bob"
    )
    assert decided(rules % "{from: 'field:e-mail'}", facts).contact == ContactSource(
        "field", "e-mail", "jo@home.example"
    )
    assert decided(rules % "none", facts).contact == ContactSource("none")
    lost = decided(rules % "{from: 'field:Absender'}", facts)
    assert lost.contact == ContactSource("field", "Absender")
    assert lost.notes == ("Absender: not found in the mail; the case is from the sender",)


def test_a_group_by_language() -> None:
    rules = "rules: [{name: a, case: {assign: {group: {by: language, de: support-de, fr: support-fr%s}, user: least_busy}}}]"
    assert decided(rules % "", facts_of(mail(language="fr"))).values.assign == Assign("support-fr", how="least_busy")
    assert decided(rules % "", facts_of(mail(language="pl"))).values.assign == Assign(how="least_busy")
    assert decided(rules % ", else: support", facts_of(mail(language=""))).values.assign == Assign(
        "support", how="least_busy"
    )


def test_sla_always_is_marked() -> None:
    assert decided("rules: [{name: a, case: {sla: {always: Standard}}}]", facts_of()).values.sla_always
    assert not decided("rules: [{name: a, case: {sla: Standard}}]", facts_of()).values.sla_always


def test_notify_none_is_nobody() -> None:
    assert decided("rules: [{name: a, notify: none}]", facts_of()).notify == ()
    assert decided("rules: [{name: a}]", facts_of()).notify is None


def test_the_index_and_the_trace_never_change_a_decision() -> None:
    rules = "rules:\n" + "".join(
        f"  - {{name: r{n}, when: {{subject: {{contains: order-{n:05}}}}}, case: {{tags: [t{n}]}}}}\n"
        for n in range(300)
    )
    for n in (0, 7, 299):
        decision = decided(rules, facts_of(mail(f"about order-{n:05}")))
        assert decision.values.tags == (f"t{n}",)


def test_a_mailbox_that_is_not_configured_makes_a_case() -> None:
    assert (
        decided("rules: []", Facts(mail(), "gone", datetime(2026, 11, 22, tzinfo=UTC))).disposition is Disposition.CASE
    )


def test_of_many_rules_few_are_looked_at() -> None:
    kinds = ("{subject: {contains: 'word-%d'}}", "{from: u%d@x.example}", "{from: {domain: c%d.example}, mailbox: support}",
             "{body: {words: ['w%d', 'code %d']}}", r"{subject: {matches: '\bnumber\s+%d\b'}}",
             "{mailbox: support, any: [{subject: {starts_with: 'w%d'}}, {header.X-Ref: 'R%d'}]}", "{body: {has_field: 'L%d'}}",
             "{recipient: 'r%d@example.com', subject: {ends_with: 'end%d'}}", "{body: {contains_all: [common, 'rare%d']}}")  # fmt: skip
    rules = "rules:\n" + "".join(
        f"  - {{name: r{n}, when: {kinds[n % len(kinds)].replace('%d', str(n))}}}\n" for n in range(1800)
    )
    ruleset = ruleset_of(rules)
    view = View(facts_of(mail("word-9 and number 13", "common rare17\nL15: x\nw12")))
    looked_at = {each.rule.name for each in ruleset.candidates(view)}
    assert {"r9", "r13", "r15", "r17"} <= looked_at
    assert len(looked_at) < 20


def test_without_an_index_the_trace_still_says_what_was_seen() -> None:
    rules = "rules:\n" + "".join(f"  - {{name: r{n}, when: {{size: {{above: {n + 5}}}}}}}\n" for n in range(100))
    decision = decide(ruleset_of(rules), facts_of(mail(size=4)), every=False)
    assert len(decision.trace.tried) == 64 and decision.trace.passed_over == 36
    assert all(each.condition is not None for each in decision.trace.tried)


@pytest.mark.parametrize("word", ["Hoch", "hoch!", "HOCH.", " *hoch* ", "hoch ! !"])
def test_a_word_means_the_same_whatever_stands_behind_it(word: str) -> None:
    rules = "rules: [{name: A, case: {autofill: {map: {priority: {labels: [Urgency], values: {hoch: high}}}}}}]"
    assert decided(rules, facts_of(mail(body=f"Urgency: {word}"))).values.priority is Priority.HIGH
